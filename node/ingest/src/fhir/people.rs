//! Search for Patients: by identifier and id through the indexes, by anything else through all
//! known patients. Only who is found is read, and audited.

use super::read::{person, stored_version};
use super::search::Searcher;
use crate::gateway::Gateway;
use crate::http::ApiError;
use crate::http::limits::PATIENTS_SCANNED_MAX;
use actors_patient::Patient;
use actors_patient::state::has_person;
use actors_runtime::load::{self, Loaded};
use actors_runtime::{SubmitError, query};
use actors_store::Snapshot;
use schema_fhir::search::{Candidate, Filter, SearchPage, searchset_bundle};
use schema_fhir::{FhirError, SearchQuery};
use schema_types::clinical::{ResourceKey, ResourceMeta};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityId, EntityKind};
use schema_types::patient::{Demographics, PatientState};
use schema_types::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;

/// What is kept of a match until its page is known.
struct Found {
    patient: EntityId,
    updated_at: Timestamp,
    person: Demographics,
}

impl Found {
    fn candidate(&self) -> Candidate<'_> {
        Candidate {
            id: self.patient.key(),
            updated_at: self.updated_at,
            date: None,
            codes: &[],
            categories: &[],
            status: "",
            person: Some(&self.person),
        }
    }
}

/// Searches Patient resources and people known by other interfaces.
pub(crate) async fn search(
    searcher: &Searcher<'_>,
    query: &SearchQuery,
    pairs: &[(String, String)],
) -> Result<Value, ApiError> {
    let gateway = searcher.gateway;
    let snapshot = gateway.runtime.snapshot().await?;
    let mut found: Vec<Found> = Vec::new();
    match candidates(gateway, &*snapshot, query).await? {
        Some(patients) => {
            for patient in patients {
                found.extend(look(&*snapshot, query, patient).await?);
            }
        }
        None => scan(gateway, &*snapshot, query, &mut found).await?,
    }
    drop(snapshot);
    found.sort_by(|one, other| query.compare(&one.candidate(), &other.candidate()));
    let total = u64::try_from(found.len()).unwrap_or(u64::MAX);
    let mut resources = Vec::new();
    if !query.count_only {
        let skip = usize::try_from(query.offset).unwrap_or(usize::MAX);
        let take = usize::try_from(query.count).unwrap_or(usize::MAX);
        for one in found.into_iter().skip(skip).take(take) {
            resources.extend(show(searcher, one.patient).await?);
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

/// The patients that identifiers or ids of the query name; `None`: it names none.
async fn candidates(
    gateway: &Gateway,
    snapshot: &dyn Snapshot,
    query: &SearchQuery,
) -> Result<Option<BTreeSet<EntityId>>, SubmitError> {
    for filter in &query.filters {
        if let Filter::Id(ids) = filter {
            return Ok(Some(ids.expose().iter().map(|id| gateway.patient(id)).collect()));
        }
        let Filter::Identifier(tokens) = filter else { continue };
        // A token without a value (`system|`) is no name of anybody.
        let values: Option<Vec<&str>> = tokens
            .iter()
            .map(|token| token.code.as_ref().map(|code| code.expose().as_str()))
            .collect();
        let Some(values) = values else { continue };
        let mut patients = BTreeSet::new();
        for value in values {
            let named = query::by_identifier(snapshot, &gateway.tenant, value).await?;
            patients.extend(named.into_iter().filter(|one| one.kind() == EntityKind::Patient));
        }
        return Ok(Some(patients));
    }
    Ok(None)
}

async fn scan(
    gateway: &Gateway,
    snapshot: &dyn Snapshot,
    query: &SearchQuery,
    found: &mut Vec<Found>,
) -> Result<(), ApiError> {
    let mut after = None;
    let mut looked_at = 0_usize;
    loop {
        let tenant = &gateway.tenant;
        let page = query::known(snapshot, tenant, EntityKind::Patient, after, 1_000).await?;
        looked_at += page.entities.len();
        if looked_at > PATIENTS_SCANNED_MAX {
            let reason = "too many patients to look at; search by identifier or _id";
            let problem = FhirError::new(ErrorCode::EntityLimit, "Patient", reason);
            return Err(problem.with_issue_type("too-costly").into());
        }
        for patient in page.entities {
            found.extend(look(snapshot, query, patient).await?);
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Whether a patient is meant. Nothing of it is shown yet.
async fn look(
    snapshot: &dyn Snapshot,
    query: &SearchQuery,
    patient: EntityId,
) -> Result<Option<Found>, SubmitError> {
    let Loaded { state, .. } = load::load::<Patient>(snapshot, &patient).await?;
    let meta = resource_of(&state, patient.key());
    if !has_person(&state) || meta.is_some_and(|meta| meta.deleted) {
        return Ok(None);
    }
    let updated_at =
        meta.map_or_else(|| super::read::person_updated_at(&state), |meta| meta.updated_at);
    let found = Found { updated_at, person: state.demographics, patient };
    Ok(query.matches(&found.candidate()).then_some(found))
}

fn resource_of<'a>(state: &'a PatientState, id: &str) -> Option<&'a ResourceMeta> {
    let key = ResourceKey { resource_type: "Patient".to_owned(), id: id.to_owned() };
    state.resources.get(&key)
}

/// Reads a match, which audits it.
async fn show(searcher: &Searcher<'_>, patient: EntityId) -> Result<Option<Value>, ApiError> {
    use actors_patient::command::{Command, Read, Reply};
    let gateway = searcher.gateway;
    let read = Command::Read(Read::Resources { types: vec!["Patient".to_owned()] });
    searcher.looked();
    let reply = gateway.ask::<Patient>(searcher.caller, patient.clone(), read).await?;
    let Reply::Resources(metas) = reply else {
        return Err(SubmitError::OutcomeUnknown.into());
    };
    let id = patient.key();
    if metas.iter().any(|meta| meta.key.id == id) {
        let key = ResourceKey { resource_type: "Patient".to_owned(), id: id.to_owned() };
        return Ok(Some(stored_version(gateway, &patient, &key, None).await?.resource));
    }
    let snapshot = gateway.runtime.snapshot().await?;
    let Loaded { state, sequence, .. } = load::load::<Patient>(&*snapshot, &patient).await?;
    Ok(has_person(&state).then(|| person(id, &state, sequence).resource))
}
