//! Bundles: everything is parsed, checked, named and rewritten before anything is stored. A
//! transaction is one atomic group; entries of a batch or collection stand for themselves.

use super::bundle_entries::{Answers, answer_gets, entry_problems};
use super::bundle_names::{Names, name_entries};
use super::exchange::Exchange;
use super::index;
use super::plan::{Planned, Wanted, plan, plan_delete};
use super::read::accessed;
use super::refuse;
use super::store::{Stored, store};
use crate::http::ApiError;
use crate::http::limits::{BATCH_OWNERS_AT_ONCE_MAX, BATCH_WRITES_MAX, PARSE_INLINE_BYTES_MAX};
use actors_patient::command::WriteMode;
use actors_runtime::SubmitError;
use actors_store::Snapshot;
use futures::StreamExt;
use schema_fhir::bundle::{BundleKind, Entry, Method};
use schema_fhir::{BundlePlan, FhirError, Resource};
use schema_types::clinical::ResourceKey;
use schema_types::error_code::ErrorCode;
use schema_types::ids::EntityId;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The answer to a bundle.
pub(crate) struct Processed {
    pub(crate) bundle: Value,
    /// Whether nothing changed, because all of it was there.
    pub(crate) duplicate: bool,
    /// Where refused entries are kept.
    pub(crate) quarantined: Vec<u64>,
}

/// Processes a Bundle.
///
/// # Errors
/// Why nothing of it was stored.
pub(crate) async fn process(exchange: &Exchange, bundle: Resource) -> Result<Processed, ApiError> {
    let mut plan = read_plan(exchange, bundle).await?;
    exchange.archive_ahead().await?;
    let snapshot = exchange.gateway.runtime.snapshot().await?;
    let names = name_entries(exchange, &*snapshot, &mut plan).await?;
    let mut answers = Answers::new(&plan);
    let planned = plan_entries(exchange, &*snapshot, (&plan, &names), &mut answers).await?;
    drop(snapshot);
    if planned.is_empty() && !plan.entries.is_empty() {
        // Nothing is written that would record the access.
        let place = (exchange.gateway.directory("Bundle"), "fhir-bundle");
        accessed(&exchange.gateway, &exchange.caller, place).await?;
    }
    match plan.kind {
        BundleKind::Transaction => {
            if let Some(problem) = answers.first_refusal() {
                return Err(problem);
            }
            let stored = store_transaction(exchange, planned).await?;
            answers.add_stored(exchange, stored);
        }
        BundleKind::Batch | BundleKind::Collection => {
            for (index, result) in store_batch(exchange, planned).await {
                match result {
                    Ok(stored) => answers.add_stored(exchange, vec![stored]),
                    Err(error) => answers.refuse(index, error),
                }
            }
        }
    }
    if let Some(refusal) = answers.first_refusal().filter(|_| !exchange.keeps_refused) {
        return Err(refusal);
    }
    let quarantined = keep_refused(exchange, &plan, &mut answers).await;
    answer_gets(exchange, &plan, &mut answers).await;
    let duplicate = answers.is_duplicate();
    Ok(Processed { bundle: answers.into_bundle(plan.kind), duplicate, quarantined })
}

async fn read_plan(exchange: &Exchange, bundle: Resource) -> Result<BundlePlan, ApiError> {
    let limits = exchange.limits;
    let parsed = if exchange.raw.len() <= PARSE_INLINE_BYTES_MAX {
        BundlePlan::parse(bundle, &limits)
    } else {
        let parse = move || BundlePlan::parse(bundle, &limits);
        let parsed = exchange.gateway.offload.run(parse).await;
        parsed.map_err(|_| SubmitError::OutcomeUnknown)?
    };
    Ok(parsed?)
}

/// Plans every entry that writes; what cannot be planned is refused in `answers`.
async fn plan_entries(
    exchange: &Exchange,
    snapshot: &dyn Snapshot,
    (bundle, names): (&BundlePlan, &Names),
    answers: &mut Answers,
) -> Result<Vec<Planned>, ApiError> {
    let mut planned = Vec::new();
    let mut problems: Vec<FhirError> = Vec::new();
    for position in bundle.execution_order() {
        let entry = &bundle.entries[position];
        if entry.method == Method::Get {
            continue;
        }
        match plan_entry(exchange, snapshot, entry, names).await {
            Ok(Step::Write(write)) => planned.push(*write),
            Ok(Step::Found(key)) => answers.found(exchange, snapshot, entry.index, key).await?,
            Ok(Step::Nothing) => answers.nothing(entry.index),
            Err(error) if !error.concerns_content() && error.status >= 500 => return Err(error),
            Err(error) if bundle.kind == BundleKind::Transaction => {
                problems.extend(entry_problems(entry.index, &error));
            }
            Err(error) => answers.refuse(entry.index, error),
        }
    }
    if problems.is_empty() { Ok(planned) } else { Err(problems.into()) }
}

/// What an entry amounts to.
enum Step {
    Write(Box<Planned>),
    /// Its condition found this resource: nothing to do.
    Found(ResourceKey),
    /// There is nothing to delete.
    Nothing,
}

async fn plan_entry(
    exchange: &Exchange,
    snapshot: &dyn Snapshot,
    entry: &Entry,
    names: &Names,
) -> Result<Step, ApiError> {
    let place = format!("Bundle.entry[{}]", entry.index);
    let unsupported = |reason: &str| {
        let problem = FhirError::new(ErrorCode::FhirInteraction, &place, reason);
        Err(ApiError::from(problem.with_status(422)))
    };
    let (Some(resource_type), Some(id)) = (entry.resource_type(), entry.id.clone()) else {
        return unsupported("the entry names no resource");
    };
    let key = ResourceKey { resource_type: resource_type.to_owned(), id };
    if names.found.contains(&entry.index) {
        return Ok(Step::Found(key));
    }
    let mode = match entry.method {
        Method::Delete => {
            let wanted = (entry.index, key);
            let planned = plan_delete(exchange, snapshot, wanted, entry.if_match).await?;
            return Ok(planned.map_or(Step::Nothing, |planned| Step::Write(Box::new(planned))));
        }
        Method::Post if names.restated.contains(&entry.index) => WriteMode::Update,
        Method::Post => WriteMode::Create,
        Method::Put => WriteMode::Update,
        Method::Patch => return unsupported("PATCH is not supported"),
        Method::Get => return unsupported("GET changes nothing"),
    };
    let Some(resource) = &entry.resource else {
        return unsupported("the entry has no resource");
    };
    let wanted = Wanted {
        index: entry.index,
        mode,
        if_match: entry.if_match,
        resource,
        digest: names.digests.get(&entry.index).copied().unwrap_or_default(),
        prefix: &format!("{place}."),
    };
    plan(exchange, snapshot, wanted).await.map(|planned| Step::Write(Box::new(planned)))
}

/// All or nothing, on however many entities.
async fn store_transaction(
    exchange: &Exchange,
    planned: Vec<Planned>,
) -> Result<Vec<Stored>, ApiError> {
    if planned.is_empty() {
        return Ok(Vec::new());
    }
    let expected: Vec<Expected> = planned.iter().map(Expected::of).collect();
    match Box::pin(store(exchange, "fhir-transaction", planned, "")).await {
        Ok(stored) => Ok(stored),
        Err(SubmitError::Rejected(rejection))
            if rejection.code == ErrorCode::FhirVersionConflict =>
        {
            Err(conflict(exchange, expected, &rejection.reason).await?)
        }
        Err(error) => Err(error.into()),
    }
}

/// What an entry takes for granted of the current version.
struct Expected {
    index: usize,
    owner: EntityId,
    key: ResourceKey,
    if_match: Option<u64>,
    creates: bool,
    digest: schema_types::ids::MessageDigest,
}

impl Expected {
    fn of(planned: &Planned) -> Self {
        Self {
            index: planned.index,
            owner: planned.moved_from.clone().unwrap_or_else(|| planned.owner.clone()),
            key: planned.write.key.clone(),
            if_match: planned.write.if_match,
            creates: planned.write.mode == WriteMode::Create,
            digest: planned.write.facts.digest,
        }
    }
}

/// Names the entries whose expectation does not hold.
async fn conflict(
    exchange: &Exchange,
    expected: Vec<Expected>,
    reason: &str,
) -> Result<ApiError, SubmitError> {
    let snapshot = exchange.gateway.runtime.snapshot().await?;
    let mut problems = Vec::new();
    for entry in expected {
        let ResourceKey { resource_type, id } = &entry.key;
        let found =
            actors_runtime::query::resource(&*snapshot, &entry.owner, resource_type, id, None);
        let found = found.await?;
        let version = found.as_ref().map_or(0, |stored| stored.meta.version);
        let is_other =
            found.is_some_and(|stored| !stored.meta.deleted && stored.meta.digest != entry.digest);
        if entry.if_match.is_some_and(|wanted| wanted != version) || (entry.creates && is_other) {
            let place = format!("Bundle.entry[{}]", entry.index);
            problems.push(FhirError::new(ErrorCode::FhirVersionConflict, &place, reason));
        }
    }
    if problems.is_empty() {
        problems.push(FhirError::new(ErrorCode::FhirVersionConflict, "Bundle", reason));
    }
    Ok(problems.into())
}

/// Each entry for itself. Entries of one owner keep their order and share commands while all of
/// them are taken; owners are served side by side.
async fn store_batch(
    exchange: &Exchange,
    planned: Vec<Planned>,
) -> Vec<(usize, Result<Stored, ApiError>)> {
    let mut by_owner: BTreeMap<EntityId, Vec<Planned>> = BTreeMap::new();
    let mut moved = Vec::new();
    for plan in planned {
        if plan.moved_from.is_some() {
            moved.push(plan);
        } else {
            by_owner.entry(plan.owner.clone()).or_default().push(plan);
        }
    }
    let owners = by_owner.into_values().map(|plans| store_at_owner(exchange, plans));
    let mut results: Vec<_> = futures::stream::iter(owners)
        .buffer_unordered(BATCH_OWNERS_AT_ONCE_MAX)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .flatten()
        .collect();
    // A resource that changes its owner holds two entities: one at a time, after the others.
    for plan in moved {
        results.push(store_alone(exchange, plan).await);
    }
    results
}

async fn store_at_owner(
    exchange: &Exchange,
    plans: Vec<Planned>,
) -> Vec<(usize, Result<Stored, ApiError>)> {
    let mut results = Vec::with_capacity(plans.len());
    let mut plans = plans.into_iter().peekable();
    while plans.peek().is_some() {
        let chunk: Vec<Planned> = plans.by_ref().take(BATCH_WRITES_MAX).collect();
        if chunk.len() == 1 {
            for plan in chunk {
                results.push(store_alone(exchange, plan).await);
            }
            continue;
        }
        let indexes: Vec<usize> = chunk.iter().map(|plan| plan.index).collect();
        let part = format!("#{}-{}", indexes[0], indexes[indexes.len() - 1]);
        match Box::pin(store(exchange, "fhir-batch", chunk.clone(), &part)).await {
            Ok(stored) => results.extend(stored.into_iter().map(|one| (one.index, Ok(one)))),
            Err(error) if is_of_an_entry(&error) => {
                for plan in chunk {
                    results.push(store_alone(exchange, plan).await);
                }
            }
            Err(error) => {
                let error = ApiError::from(error);
                results.extend(indexes.into_iter().map(|index| (index, Err(error.clone()))));
            }
        }
    }
    results
}

/// Whether one entry may be the reason, and the others can be taken without it.
const fn is_of_an_entry(error: &SubmitError) -> bool {
    matches!(
        error,
        SubmitError::Rejected(_)
            | SubmitError::Precondition
            | SubmitError::CommandIdReused
            | SubmitError::TooLarge { .. }
    )
}

async fn store_alone(exchange: &Exchange, plan: Planned) -> (usize, Result<Stored, ApiError>) {
    let index = plan.index;
    let again = (!plan.preconditions.is_empty()).then(|| plan.clone());
    let mut result = store_one(exchange, plan).await;
    if let (Err(SubmitError::Precondition), Some(mut again)) = (&result, again)
        && is_owned(exchange, &again).await
    {
        // An entry before this one created the resource at the same owner.
        again.preconditions.clear();
        result = store_one(exchange, again).await;
    }
    (index, result.map_err(ApiError::from))
}

async fn store_one(exchange: &Exchange, plan: Planned) -> Result<Stored, SubmitError> {
    let part = format!("#{}", plan.index);
    let stored = Box::pin(store(exchange, "fhir-batch", vec![plan], &part)).await?;
    stored.into_iter().next().ok_or(SubmitError::OutcomeUnknown)
}

/// Whether the resource is at the owner that the plan names.
async fn is_owned(exchange: &Exchange, plan: &Planned) -> bool {
    let Ok(snapshot) = exchange.gateway.runtime.snapshot().await else { return false };
    let ResourceKey { resource_type, id } = &plan.write.key;
    let owner = index::owner(&*snapshot, &exchange.gateway.tenant, resource_type, id).await;
    owner.is_ok_and(|owner| owner.is_some_and(|owner| owner.entity == plan.owner))
}

/// Keeps every entry that was refused for what it is as a bundle of its own.
async fn keep_refused(exchange: &Exchange, plan: &BundlePlan, answers: &mut Answers) -> Vec<u64> {
    let refused = answers.refusals();
    let mut kept = Vec::new();
    if refused.is_empty() {
        return kept;
    }
    let Ok(mut sent) = serde_json::from_slice::<Value>(strip_mark(&exchange.raw)) else {
        return kept;
    };
    let type_code = match plan.kind {
        BundleKind::Transaction => "transaction",
        BundleKind::Batch => "batch",
        BundleKind::Collection => "collection",
    };
    for (index, error) in refused {
        let Some(entry) = sent.pointer_mut(&format!("/entry/{index}")) else { continue };
        let mut entry = entry.take();
        let named = plan.entries.iter().find(|entry| entry.index == index);
        // With references between entries resolved, it can stand alone.
        if let Some(resource) = named.and_then(|entry| entry.resource.as_ref()) {
            entry["resource"] = resource.value().clone();
        }
        let alone = json!({ "resourceType": "Bundle", "type": type_code, "entry": [entry] });
        let error = refuse::keep_entry(exchange, alone.to_string().as_bytes(), error).await;
        kept.extend(error.quarantine);
        answers.refuse(index, error);
    }
    kept
}

fn strip_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}
