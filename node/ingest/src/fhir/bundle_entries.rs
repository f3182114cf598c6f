//! The answers to the entries of a bundle, in their order, and the entries that only ask.

use super::exchange::{Exchange, Prefer};
use super::index;
use super::read::{self, stored_version};
use super::search::{self, Searcher};
use super::store::Stored;
use crate::http::ApiError;
use crate::http::request::pairs;
use actors_patient::command::WriteOutcome;
use actors_store::Snapshot;
use schema_fhir::bundle::{BundleKind, EntryResponse, Method, Target, response_bundle};
use schema_fhir::{BundlePlan, FhirError};
use schema_types::clinical::ResourceKey;
use schema_types::error_code::ErrorCode;
use serde_json::Value;
use std::collections::BTreeMap;

/// The answer to one entry.
enum Answer {
    Done(Box<EntryResponse>),
    Refused(Box<ApiError>),
}

/// Answers by place.
pub(crate) struct Answers {
    entries_total: usize,
    by_place: BTreeMap<usize, Answer>,
    /// How many writes changed something, and how many repeated what was there.
    changed: usize,
    repeated: usize,
    /// Resources that the client wants to see.
    shown: Vec<(usize, Stored)>,
}

/// The problems of an entry, with its place.
pub(crate) fn entry_problems(index: usize, error: &ApiError) -> Vec<FhirError> {
    let place = format!("Bundle.entry[{index}]");
    if error.problems.is_empty() {
        let problem = FhirError::new(error.code, &place, error.message.clone());
        return vec![problem.with_status(error.status)];
    }
    let placed = |problem: &FhirError| {
        let mut problem = problem.clone();
        if !problem.path.starts_with("Bundle") {
            problem.path = if problem.path.is_empty() {
                place.clone()
            } else {
                format!("{place}.resource.{}", problem.path)
            };
        }
        problem
    };
    error.problems.iter().map(placed).collect()
}

impl Answers {
    pub(crate) fn new(plan: &BundlePlan) -> Self {
        let refused = plan.refused.iter().map(|(index, problem)| {
            (*index, Answer::Refused(Box::new(ApiError::from(problem.clone()))))
        });
        Self {
            entries_total: plan.entries_total,
            by_place: refused.collect(),
            changed: 0,
            repeated: 0,
            shown: Vec::new(),
        }
    }

    pub(crate) fn refuse(&mut self, index: usize, error: ApiError) {
        self.by_place.insert(index, Answer::Refused(Box::new(error)));
    }

    fn done(&mut self, index: usize, response: EntryResponse) {
        self.by_place.insert(index, Answer::Done(Box::new(response)));
    }

    /// There was nothing to delete.
    pub(crate) fn nothing(&mut self, index: usize) {
        self.repeated += 1;
        self.done(index, EntryResponse { status: 204, ..EntryResponse::default() });
    }

    /// A condition found a resource.
    pub(crate) async fn found(
        &mut self,
        exchange: &Exchange,
        snapshot: &dyn Snapshot,
        index: usize,
        key: ResourceKey,
    ) -> Result<(), ApiError> {
        let tenant = &exchange.gateway.tenant;
        let newest = index::newest(snapshot, tenant, &key.resource_type, &key.id).await?;
        let meta = newest.map(|(_, stored)| stored.meta);
        let version = meta.as_ref().map(|meta| meta.version);
        let response = EntryResponse {
            status: 200,
            location: Some(location(&key, version.unwrap_or(1))),
            version,
            updated_at: meta.map(|meta| meta.updated_at),
            ..EntryResponse::default()
        };
        self.repeated += 1;
        self.done(index, response);
        Ok(())
    }

    pub(crate) fn add_stored(&mut self, exchange: &Exchange, stored: Vec<Stored>) {
        for one in stored {
            if one.is_duplicate() {
                self.repeated += 1;
            } else {
                self.changed += 1;
            }
            let version = &one.version;
            let status = match version.outcome {
                WriteOutcome::Created => 201,
                WriteOutcome::Deleted => 204,
                WriteOutcome::Updated | WriteOutcome::Unchanged => 200,
            };
            let response = EntryResponse {
                status,
                location: Some(location(&version.key, version.version)),
                version: Some(version.version),
                updated_at: Some(version.updated_at),
                ..EntryResponse::default()
            };
            self.done(one.index, response);
            let is_there = one.version.outcome != WriteOutcome::Deleted;
            if exchange.prefer == Some(Prefer::Representation) && is_there {
                self.shown.push((one.index, one));
            }
        }
    }

    /// The first refusal of a plan: a transaction is refused with it.
    pub(crate) fn first_refusal(&self) -> Option<ApiError> {
        self.by_place.values().find_map(|answer| match answer {
            Answer::Refused(error) => Some((**error).clone()),
            Answer::Done(_) => None,
        })
    }

    /// Refused entries that are not kept yet.
    pub(crate) fn refusals(&self) -> Vec<(usize, ApiError)> {
        self.by_place
            .iter()
            .filter_map(|(index, answer)| match answer {
                Answer::Refused(error) => Some((*index, (**error).clone())),
                Answer::Done(_) => None,
            })
            .collect()
    }

    /// Whether all that was to be written was there.
    pub(crate) fn is_duplicate(&self) -> bool {
        let refused = self.by_place.values().any(|answer| matches!(answer, Answer::Refused(_)));
        self.changed == 0 && self.repeated > 0 && !refused
    }

    pub(crate) fn into_bundle(self, kind: BundleKind) -> Value {
        let Self { entries_total, mut by_place, .. } = self;
        let responses = (0..entries_total).map(|index| match by_place.remove(&index) {
            Some(Answer::Done(response)) => *response,
            Some(Answer::Refused(error)) => EntryResponse {
                status: error.status,
                outcome: Some(error.outcome()),
                ..EntryResponse::default()
            },
            None => EntryResponse { status: 200, ..EntryResponse::default() },
        });
        response_bundle(kind, responses.collect())
    }
}

/// Where a version can be read.
fn location(key: &ResourceKey, version: u64) -> String {
    format!("{}/{}/_history/{version}", key.resource_type, key.id)
}

/// Answers what was to be shown and what was asked, after all writes.
pub(crate) async fn answer_gets(exchange: &Exchange, plan: &BundlePlan, answers: &mut Answers) {
    for (index, stored) in std::mem::take(&mut answers.shown) {
        let version = &stored.version;
        let gateway = &exchange.gateway;
        let number = Some(version.version);
        let shown = stored_version(gateway, &stored.owner, &version.key, number).await;
        if let (Ok(shown), Some(Answer::Done(response))) = (shown, answers.by_place.get_mut(&index))
        {
            response.resource = Some(shown.resource);
        }
    }
    for entry in plan.entries.iter().filter(|entry| entry.method == Method::Get) {
        match Box::pin(get(exchange, &entry.target)).await {
            Ok(response) => answers.done(entry.index, response),
            Err(error) => answers.refuse(entry.index, error),
        }
    }
}

async fn get(exchange: &Exchange, target: &Target) -> Result<EntryResponse, ApiError> {
    let (gateway, caller) = (&exchange.gateway, &exchange.caller);
    let searcher = Searcher::new(gateway, caller, &exchange.base_url);
    let found = |bundle: Value| EntryResponse {
        status: 200,
        resource: Some(bundle),
        ..EntryResponse::default()
    };
    let (key, version) = match target {
        Target::Type(name) => return search::search(&searcher, name, &[]).await.map(found),
        Target::Conditional { resource_type, query } => {
            return search::search(&searcher, resource_type, &pairs(query)?).await.map(found);
        }
        Target::Instance { resource_type, id } => {
            let resource_type = (*resource_type).to_owned();
            (ResourceKey { resource_type, id: id.clone() }, None)
        }
        Target::Other(url) => version_of(url).ok_or_else(|| {
            let reason = "the request is not supported in a bundle";
            ApiError::from(FhirError::new(ErrorCode::FhirInteraction, "", reason))
        })?,
    };
    let shown = read::read(gateway, caller, key, version).await?;
    Ok(EntryResponse {
        status: 200,
        version: Some(shown.version),
        updated_at: Some(shown.updated_at),
        resource: Some(shown.resource),
        ..EntryResponse::default()
    })
}

/// `Type/id/_history/version`.
fn version_of(url: &str) -> Option<(ResourceKey, Option<u64>)> {
    let mut parts = url.trim_matches('/').split('/');
    let resource_type = schema_fhir::tables::resource_type(parts.next()?)?.to_owned();
    let id = parts.next().filter(|id| schema_fhir::primitive::is_id(id))?.to_owned();
    let version = parts.next().filter(|part| *part == "_history").and(parts.next())?;
    let version = version.parse().ok().filter(|_| parts.next().is_none())?;
    Some((ResourceKey { resource_type, id }, Some(version)))
}
