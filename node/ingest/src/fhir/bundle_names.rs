//! Names for the entries of a bundle: ids for what is created, conditions answered, references
//! rewritten. A `urn:uuid:` that the sender chose becomes the id, so that the same bundle sent
//! again finds itself, and a thing that many bundles describe stays one thing.

use super::conditional;
use super::exchange::{Exchange, derived_id};
use super::index;
use super::plan::{content_digest, without_version};
use super::stored;
use crate::http::ApiError;
use actors_runtime::query;
use actors_store::Snapshot;
use schema_fhir::bundle::{BundleKind, Entry, Method, Resolution, Target};
use schema_fhir::primitive::is_id;
use schema_fhir::{BundlePlan, FhirError};
use schema_types::error_code::ErrorCode;
use schema_types::ids::MessageDigest;
use schema_wire::journal::StoredResource;
use std::collections::{BTreeMap, BTreeSet};

/// What naming found out.
#[derive(Default)]
pub(crate) struct Names {
    /// Digest of each resource as it was sent, by place.
    pub(crate) digests: BTreeMap<usize, MessageDigest>,
    /// Places whose condition or uuid found a resource: nothing is created there.
    pub(crate) found: BTreeSet<usize>,
    /// Places that describe anew what is stored under their uuid.
    pub(crate) restated: BTreeSet<usize>,
}

/// What is stored under a uuid that the sender uses again.
struct Taken {
    current: MessageDigest,
    /// Whether it carries an identifier of the entry: then both are the same thing.
    is_same_thing: bool,
    /// Digests of earlier versions, looked up when it is the same thing with other content.
    earlier: BTreeSet<MessageDigest>,
}

type TakenNames = BTreeMap<usize, Taken>;

/// Earlier versions of one resource that are looked at.
const EARLIER_VERSIONS_MAX: u64 = 256;

type Conditions = BTreeMap<(&'static str, String), Result<Vec<String>, ApiError>>;

/// Names all entries and rewrites references between them.
///
/// # Errors
/// For a transaction what cannot be named; entries of a batch are refused in the plan instead.
pub(crate) async fn name_entries(
    exchange: &Exchange,
    snapshot: &dyn Snapshot,
    plan: &mut BundlePlan,
) -> Result<Names, ApiError> {
    let mut names = Names::default();
    for entry in &mut plan.entries {
        entry.resource = entry.resource.take().map(without_version);
        if let Some(resource) = &entry.resource {
            names.digests.insert(entry.index, content_digest(resource));
        }
    }
    let conditions = answer_conditions(exchange, snapshot, plan).await?;
    let taken = taken_names(exchange, snapshot, plan, &names.digests).await?;
    let mut naming = Naming {
        exchange,
        kind: plan.kind,
        conditions: &conditions,
        taken: &taken,
        digests: &names.digests,
        found: BTreeSet::new(),
        restated: BTreeSet::new(),
        chosen: BTreeMap::new(),
    };
    plan.assign_ids(&mut |entry| naming.name(entry))?;
    let Naming { found, restated, chosen, .. } = naming;
    names.found = found;
    names.restated = restated;
    let kind = plan.kind;
    plan.rewrite_references(&mut |resource_type, query| {
        let condition = (resource_type, query.to_owned());
        if let Some(id) = chosen.get(&condition) {
            return Resolution::Found(format!("{resource_type}/{id}"));
        }
        match conditions.get(&condition) {
            Some(Ok(ids)) if ids.len() == 1 => {
                Resolution::Found(format!("{resource_type}/{}", ids[0]))
            }
            // Only a transaction promises that they resolve; elsewhere they stay as sent.
            Some(_) | None if kind != BundleKind::Transaction => Resolution::Keep,
            Some(_) | None => Resolution::Missing,
        }
    })?;
    Ok(names)
}

/// Answers every condition of the bundle once.
async fn answer_conditions(
    exchange: &Exchange,
    snapshot: &dyn Snapshot,
    plan: &BundlePlan,
) -> Result<Conditions, ApiError> {
    let mut asked = BTreeSet::new();
    for entry in &plan.entries {
        if let Some(resource) = &entry.resource {
            conditional::references(resource.value(), &mut asked);
        }
        match &entry.target {
            Target::Type(name) => {
                asked.extend(entry.if_none_exist.clone().map(|query| (*name, query)));
            }
            Target::Conditional { resource_type, query } if entry.method.changes() => {
                asked.insert((*resource_type, query.clone()));
            }
            Target::Conditional { .. } | Target::Instance { .. } | Target::Other(_) => {}
        }
    }
    let mut conditions = Conditions::new();
    for (resource_type, query) in asked {
        let gateway = &exchange.gateway;
        let answer = conditional::matches(gateway, snapshot, resource_type, &query).await;
        if let Err(error) = &answer
            && error.status >= 500
        {
            return Err(error.clone());
        }
        conditions.insert((resource_type, query), answer);
    }
    Ok(conditions)
}

/// The uuid that the sender named an entry by: `urn:uuid:` in fullUrl, else an id in the form of
/// one, since nobody else gives the same.
fn sent_uuid(entry: &Entry) -> Option<&str> {
    if let Some(uuid) = entry.full_url.as_deref().and_then(|url| url.strip_prefix("urn:uuid:")) {
        return is_id(uuid).then_some(uuid);
    }
    let own_id = entry.resource.as_ref().and_then(|resource| resource.id());
    own_id.filter(|id| has_uuid_form(id))
}

fn has_uuid_form(text: &str) -> bool {
    let is_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.split('-').all(is_hex)
}

/// What the sender's names are in use for, by place.
async fn taken_names(
    exchange: &Exchange,
    snapshot: &dyn Snapshot,
    plan: &BundlePlan,
    digests: &BTreeMap<usize, MessageDigest>,
) -> Result<TakenNames, ApiError> {
    let mut taken = TakenNames::new();
    for entry in plan.entries.iter().filter(|entry| entry.method == Method::Post) {
        let (Some(resource_type), Some(uuid)) = (entry.resource_type(), sent_uuid(entry)) else {
            continue;
        };
        let tenant = &exchange.gateway.tenant;
        let found = index::newest(snapshot, tenant, resource_type, uuid).await?;
        let Some((owner, stored)) = found.filter(|(_, stored)| !stored.meta.deleted) else {
            continue;
        };
        let current = stored.meta.digest;
        let is_repeat = digests.get(&entry.index) == Some(&current);
        let is_same_thing = !is_repeat && shares_identifier(entry, &stored);
        let mut earlier = BTreeSet::new();
        if is_same_thing {
            let newest = stored.meta.version;
            let versions = newest.saturating_sub(EARLIER_VERSIONS_MAX).max(1)..newest;
            for version in versions {
                let owner = &owner.entity;
                let row = query::resource(snapshot, owner, resource_type, uuid, Some(version));
                earlier.extend(row.await?.map(|stored| stored.meta.digest));
            }
        }
        taken.insert(entry.index, Taken { current, is_same_thing, earlier });
    }
    Ok(taken)
}

fn shares_identifier(entry: &Entry, stored: &StoredResource) -> bool {
    let Some(body) = stored::json(stored) else { return false };
    let known = index::identifiers(&body);
    let sent = entry.resource.as_ref().map(|resource| index::identifiers(resource.value()));
    let mut sent = sent.into_iter().flatten();
    sent.any(|(system, value)| !system.is_empty() && known.contains(&(system, value)))
}

struct Naming<'a> {
    exchange: &'a Exchange,
    kind: BundleKind,
    conditions: &'a Conditions,
    taken: &'a TakenNames,
    digests: &'a BTreeMap<usize, MessageDigest>,
    found: BTreeSet<usize>,
    restated: BTreeSet<usize>,
    /// What conditions that found nothing were created as: the next entry with the same condition
    /// finds it.
    chosen: BTreeMap<(&'static str, String), String>,
}

impl Naming<'_> {
    fn name(&mut self, entry: &Entry) -> Result<String, FhirError> {
        let condition = match &entry.target {
            Target::Conditional { resource_type, query } => Some((*resource_type, query.clone())),
            Target::Type(name) => entry.if_none_exist.clone().map(|query| (*name, query)),
            Target::Instance { .. } | Target::Other(_) => None,
        };
        let Some(condition) = condition else { return Ok(self.new_name(entry)) };
        let known = match self.chosen.get(&condition) {
            Some(id) => Some(id.clone()),
            None => self.answer(entry, &condition)?,
        };
        if let Some(id) = known {
            if entry.method == Method::Post {
                self.found.insert(entry.index);
            }
            return Ok(id);
        }
        let id = self.new_name(entry);
        if entry.method != Method::Delete && self.kind != BundleKind::Collection {
            self.chosen.insert(condition, id.clone());
        }
        Ok(id)
    }

    fn answer(
        &self,
        entry: &Entry,
        condition: &(&'static str, String),
    ) -> Result<Option<String>, FhirError> {
        let place = format!("Bundle.entry[{}].request", entry.index);
        match self.conditions.get(condition) {
            Some(Ok(ids)) if ids.len() > 1 => {
                let reason = "the condition finds more than one resource";
                let problem = FhirError::new(ErrorCode::FhirVersionConflict, &place, reason);
                Err(problem.with_issue_type("multiple-matches"))
            }
            Some(Ok(ids)) => Ok(ids.first().cloned()),
            Some(Err(error)) => Err(FhirError::new(error.code, &place, error.message.clone())),
            None => Ok(None),
        }
    }

    /// The id of something new: the sender's uuid while it is free, names the same content or the
    /// same thing; else one that depends on both, so that sending again finds it too.
    fn new_name(&mut self, entry: &Entry) -> String {
        let resource_type = entry.resource_type().unwrap_or_default();
        let own_id = entry.resource.as_ref().and_then(|resource| resource.id());
        if let (Method::Put, Some(id)) = (entry.method, own_id) {
            return id.to_owned();
        }
        let Some(uuid) = sent_uuid(entry) else {
            return self.exchange.new_id(resource_type, entry.index);
        };
        let digest = self.digests.get(&entry.index).copied().unwrap_or_default();
        match self.taken.get(&entry.index) {
            Some(taken) if taken.current != digest && taken.is_same_thing => {
                if taken.earlier.contains(&digest) {
                    self.found.insert(entry.index);
                } else {
                    self.restated.insert(entry.index);
                }
                uuid.to_owned()
            }
            Some(taken) if taken.current != digest => derived_id(&[uuid.as_bytes(), &digest.0]),
            Some(_) | None => uuid.to_owned(),
        }
    }
}
