//! Search: every entity that is looked into is asked first and audits it (AUD-1); then the rows are
//! read from a snapshot taken after. A search in a patient's record names the patient.

use super::index;
use super::people;
use super::place::is_loose;
use super::read::{accessed, check_purpose};
use super::stored;
use crate::gateway::{Caller, Gateway};
use crate::http::ApiError;
use crate::http::limits::{JOINED_RECORDS_MAX, RESOURCES_SCANNED_MAX};
use actors_device::Device;
use actors_facility::Facility;
use actors_patient::Patient;
use actors_runtime::{SubmitError, load, query};
use schema_fhir::extract::FactPaths;
use schema_fhir::search::{Candidate, Filter, SearchPage, searchset_bundle};
use schema_fhir::{FhirError, Reference, SearchQuery};
use schema_types::clinical::{ResourceKey, ResourceMeta};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityId, EntityKind};
use schema_wire::journal::StoredResource;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Who searches, and under which URL the answer's links stand.
pub(crate) struct Searcher<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) caller: &'a Caller,
    pub(crate) base_url: &'a str,
    /// How many entities recorded a look into them.
    looks: AtomicUsize,
}

impl<'a> Searcher<'a> {
    pub(crate) const fn new(gateway: &'a Gateway, caller: &'a Caller, base_url: &'a str) -> Self {
        Self { gateway, caller, base_url, looks: AtomicUsize::new(0) }
    }

    /// Notes that an entity was asked, and so recorded the access.
    pub(crate) fn looked(&self) {
        self.looks.fetch_add(1, Ordering::Relaxed);
    }
}

/// A match: its description, its owner, and its row when that was read already.
struct Match {
    meta: ResourceMeta,
    owner: EntityId,
    stored: Option<StoredResource>,
}

/// Searches resources of one type.
///
/// # Errors
/// `MED-FHIR-004` for anything that is not supported; nothing is ever ignored.
pub(crate) async fn search(
    searcher: &Searcher<'_>,
    resource_type: &str,
    pairs: &[(String, String)],
) -> Result<Value, ApiError> {
    let query = SearchQuery::parse(resource_type, pairs)?;
    let directory = searcher.gateway.directory(query.resource_type);
    let operation = format!("fhir-search {}", query.resource_type);
    let place = (directory, operation.as_str());
    check_purpose(searcher.gateway, searcher.caller, place.clone()).await?;
    let bundle = find(searcher, &query, pairs).await?;
    if searcher.looks.load(Ordering::Relaxed) == 0 {
        // That nobody was found is an answer too.
        accessed(searcher.gateway, searcher.caller, place).await?;
    }
    Ok(bundle)
}

async fn find(
    searcher: &Searcher<'_>,
    query: &SearchQuery,
    pairs: &[(String, String)],
) -> Result<Value, ApiError> {
    if query.resource_type == "Patient" {
        return people::search(searcher, query, pairs).await;
    }
    let mut found = match scope(query)? {
        Scope::Patients(patients) => in_patients(searcher, query, patients).await?,
        Scope::Named(ids) => by_id(searcher, query, ids).await?,
        Scope::Directory => in_directory(searcher, query).await?,
        Scope::AllDevices => in_devices(searcher, query).await?,
    };
    found.retain(|one| query.matches(&Candidate::of_meta(&one.meta)));
    found.sort_by(|one, other| {
        query.compare(&Candidate::of_meta(&one.meta), &Candidate::of_meta(&other.meta))
    });
    page(searcher, query, pairs, found).await
}

/// Where to look.
enum Scope {
    Patients(Vec<String>),
    Named(Vec<String>),
    Directory,
    AllDevices,
}

fn scope(query: &SearchQuery) -> Result<Scope, FhirError> {
    if let Some(patients) = query.patients() {
        return Ok(Scope::Patients(patients));
    }
    let named = query.filters.iter().find_map(|filter| match filter {
        Filter::Id(ids) => Some(ids.expose().clone()),
        Filter::LastUpdated(_)
        | Filter::Patient(_)
        | Filter::Code(_)
        | Filter::Category(_)
        | Filter::Status(_)
        | Filter::Date(_)
        | Filter::Identifier(_)
        | Filter::Name(_)
        | Filter::Family(_)
        | Filter::Given(_)
        | Filter::BirthDate(_)
        | Filter::Gender(_) => None,
    });
    if let Some(ids) = named {
        return Ok(Scope::Named(ids));
    }
    if query.resource_type == "Device" {
        return Ok(Scope::AllDevices);
    }
    if FactPaths::of(query.resource_type).has_patient() && !is_loose(query.resource_type) {
        let reason = "a search of this type names the patient: add patient= or _id=";
        let problem = FhirError::new(ErrorCode::FhirSearchParameter, "patient", reason);
        return Err(problem.with_issue_type("required"));
    }
    Ok(Scope::Directory)
}

/// Matches are read and shown only for the page that is asked for.
async fn page(
    searcher: &Searcher<'_>,
    query: &SearchQuery,
    pairs: &[(String, String)],
    found: Vec<Match>,
) -> Result<Value, ApiError> {
    let total = u64::try_from(found.len()).unwrap_or(u64::MAX);
    let mut resources = Vec::new();
    if !query.count_only {
        let snapshot = searcher.gateway.runtime.snapshot().await?;
        let skip = usize::try_from(query.offset).unwrap_or(usize::MAX);
        let take = usize::try_from(query.count).unwrap_or(usize::MAX);
        for one in found.into_iter().skip(skip).take(take) {
            let ResourceKey { resource_type, id } = &one.meta.key;
            let stored = match one.stored {
                Some(stored) => Some(stored),
                None => {
                    let version = Some(one.meta.version);
                    query::resource(&*snapshot, &one.owner, resource_type, id, version).await?
                }
            };
            let Some(stored) = stored else { continue };
            resources.extend(stored::shown(&stored, &one.owner)?);
        }
    }
    Ok(searchset_bundle(SearchPage {
        base_url: searcher.base_url,
        resource_type: query.resource_type,
        pairs,
        total,
        offset: query.offset,
        count: query.count,
        resources,
        count_only: query.count_only,
    }))
}

/// Resources of patients and of the records that were retired into them.
async fn in_patients(
    searcher: &Searcher<'_>,
    query: &SearchQuery,
    patients: Vec<String>,
) -> Result<Vec<Match>, ApiError> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let gateway = searcher.gateway;
    let mut waiting: VecDeque<EntityId> =
        patients.iter().map(|patient| gateway.patient(patient)).collect();
    while let Some(patient) = waiting.pop_front() {
        if !seen.insert(patient.clone()) {
            continue;
        }
        if seen.len() > JOINED_RECORDS_MAX.max(patients.len()) {
            return Err(too_many());
        }
        let Some(metas) = ask_patient(searcher, &patient, query.resource_type).await? else {
            continue;
        };
        waiting.extend(retired_into(gateway, &patient).await?);
        if query.resource_type == "Device" {
            found.extend(devices_of(searcher, &patient).await?);
        } else if query.resource_type == "Observation" {
            found.extend(all_rows(searcher, &patient, query.resource_type).await?);
        } else {
            let owner = || patient.clone();
            found.extend(metas.into_iter().map(|meta| Match {
                meta,
                owner: owner(),
                stored: None,
            }));
        }
    }
    Ok(found)
}

fn too_many() -> ApiError {
    let reason = "the search would look at too many records; narrow it";
    FhirError::new(ErrorCode::EntityLimit, "", reason).with_issue_type("too-costly").into()
}

/// The live resources of a type that a patient keeps; `None` for a patient never heard of, which
/// is a search without matches.
async fn ask_patient(
    searcher: &Searcher<'_>,
    patient: &EntityId,
    resource_type: &str,
) -> Result<Option<Vec<ResourceMeta>>, ApiError> {
    use actors_patient::command::{Command, Read, Reply};
    let read = Read::Resources { types: vec![resource_type.to_owned()] };
    let (gateway, caller) = (searcher.gateway, searcher.caller);
    searcher.looked();
    match gateway.ask::<Patient>(caller, patient.clone(), Command::Read(read)).await {
        Ok(Reply::Resources(metas)) => Ok(Some(metas)),
        Ok(_) => Err(SubmitError::OutcomeUnknown.into()),
        Err(SubmitError::Rejected(rejection)) if rejection.code == ErrorCode::PatientUnknown => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// The records that were retired into a patient.
pub(crate) async fn retired_into(
    gateway: &Gateway,
    patient: &EntityId,
) -> Result<Vec<EntityId>, SubmitError> {
    let snapshot = gateway.runtime.snapshot().await?;
    let loaded = load::load::<Patient>(&*snapshot, patient).await?;
    Ok(loaded.state.links.into_keys().collect())
}

/// Observations are read from the store: those that did not come as FHIR are known only there.
async fn all_rows(
    searcher: &Searcher<'_>,
    owner: &EntityId,
    resource_type: &str,
) -> Result<Vec<Match>, ApiError> {
    let snapshot = searcher.gateway.runtime.snapshot().await?;
    let rows = query::resources_of_entity(&*snapshot, owner, resource_type).await?;
    let live = rows.into_iter().filter(|stored| !stored.meta.deleted);
    Ok(live
        .map(|stored| Match {
            meta: stored.meta.clone(),
            owner: owner.clone(),
            stored: Some(stored),
        })
        .collect())
}

/// Device resources that name a patient.
async fn devices_of(searcher: &Searcher<'_>, patient: &EntityId) -> Result<Vec<Match>, ApiError> {
    let snapshot = searcher.gateway.runtime.snapshot().await?;
    let ids = index::devices_of(&*snapshot, patient).await?;
    drop(snapshot);
    let found = read_named(searcher, "Device", ids).await?;
    let names_patient = |one: &Match| {
        let body = one.stored.as_ref().and_then(stored::json);
        let reference = body.as_ref().and_then(|body| body.get("patient"));
        let reference = reference.and_then(Reference::from_value);
        reference.is_some_and(|reference| reference.id() == Some(patient.key()))
    };
    Ok(found.into_iter().filter(names_patient).collect())
}

/// Resources named by id, wherever they are kept; every owner is asked once.
async fn by_id(
    searcher: &Searcher<'_>,
    query: &SearchQuery,
    ids: Vec<String>,
) -> Result<Vec<Match>, ApiError> {
    read_named(searcher, query.resource_type, ids).await
}

async fn read_named(
    searcher: &Searcher<'_>,
    resource_type: &str,
    ids: Vec<String>,
) -> Result<Vec<Match>, ApiError> {
    let gateway = searcher.gateway;
    let snapshot = gateway.runtime.snapshot().await?;
    let mut by_owner: BTreeMap<EntityId, BTreeSet<String>> = BTreeMap::new();
    for id in ids {
        if let Some(owner) = index::owner(&*snapshot, &gateway.tenant, resource_type, &id).await? {
            by_owner.entry(owner.entity).or_default().insert(id);
        }
    }
    drop(snapshot);
    let mut found = Vec::new();
    for (owner, ids) in by_owner {
        ask_owner(searcher, &owner, resource_type).await?;
        let snapshot = gateway.runtime.snapshot().await?;
        for id in ids {
            let stored = query::resource(&*snapshot, &owner, resource_type, &id, None).await?;
            let Some(stored) = stored.filter(|stored| !stored.meta.deleted) else { continue };
            let owner = owner.clone();
            found.push(Match { meta: stored.meta.clone(), owner, stored: Some(stored) });
        }
    }
    Ok(found)
}

/// Asks an owner for its resources of a type, which audits the look into it.
async fn ask_owner(
    searcher: &Searcher<'_>,
    owner: &EntityId,
    resource_type: &str,
) -> Result<Vec<ResourceMeta>, ApiError> {
    let (gateway, caller) = (searcher.gateway, searcher.caller);
    let types = vec![resource_type.to_owned()];
    searcher.looked();
    match owner.kind() {
        EntityKind::Patient => {
            Ok(ask_patient(searcher, owner, resource_type).await?.unwrap_or_default())
        }
        EntityKind::Device => {
            use actors_device::command::{Command, Read, Reply};
            let read = Command::Read(Read::Resources { types });
            match gateway.ask::<Device>(caller, owner.clone(), read).await {
                Ok(Reply::Resources(metas)) => Ok(metas),
                Ok(_) => Err(SubmitError::OutcomeUnknown.into()),
                Err(error) => Err(error.into()),
            }
        }
        EntityKind::Facility => {
            use actors_facility::command::{Command, Read, Reply};
            let read = Command::Read(Read::Resources { types });
            match gateway.ask::<Facility>(caller, owner.clone(), read).await {
                Ok(Reply::Resources(metas)) => Ok(metas),
                Ok(_) => Err(SubmitError::OutcomeUnknown.into()),
                // A directory begins with its first resource.
                Err(SubmitError::Rejected(rejection))
                    if rejection.code == ErrorCode::FacilityUnknown =>
                {
                    Ok(Vec::new())
                }
                Err(error) => Err(error.into()),
            }
        }
    }
}

async fn in_directory(
    searcher: &Searcher<'_>,
    query: &SearchQuery,
) -> Result<Vec<Match>, ApiError> {
    let owner = searcher.gateway.directory(query.resource_type);
    let metas = ask_owner(searcher, &owner, query.resource_type).await?;
    let matches = metas.into_iter().map(|meta| Match { meta, owner: owner.clone(), stored: None });
    Ok(matches.collect())
}

/// Every device with a Device resource.
async fn in_devices(searcher: &Searcher<'_>, query: &SearchQuery) -> Result<Vec<Match>, ApiError> {
    let gateway = searcher.gateway;
    let snapshot = gateway.runtime.snapshot().await?;
    let mut owners = BTreeSet::new();
    let mut after = None;
    loop {
        let tenant = &gateway.tenant;
        let page =
            query::resources_of_type(&*snapshot, tenant, query.resource_type, after, 1_000).await?;
        owners.extend(page.entities);
        if owners.len() > RESOURCES_SCANNED_MAX {
            return Err(too_many());
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    drop(snapshot);
    let mut found = Vec::new();
    for owner in owners {
        let metas = ask_owner(searcher, &owner, query.resource_type).await?;
        found.extend(metas.into_iter().map(|meta| Match {
            meta,
            owner: owner.clone(),
            stored: None,
        }));
    }
    Ok(found)
}
