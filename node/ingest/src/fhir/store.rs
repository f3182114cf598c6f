//! Getting planned writes stored: one command per owner, and one atomic group when there are
//! several owners. All of it takes effect or nothing does.

use super::exchange::Exchange;
use super::plan::{FollowUp, Planned};
use crate::gateway::Origin;
use actors_core::resource::ResourceWrite as SharedWrite;
use actors_device::Device;
use actors_facility::Facility;
use actors_patient::Patient;
use actors_patient::command::{ResourceWrite, StoredVersion, WriteMode, WriteOutcome};
use actors_runtime::{Group, Member, Outcome, Precondition, SubmitError, query};
use actors_store::Mutation;
use schema_types::clinical::{Provenance, ResourceKey};
use schema_types::ids::{CommandId, EntityId, EntityKind, MessageDigest};
use std::collections::BTreeMap;

/// What is to be stored at one owner.
#[derive(Default)]
struct Part {
    /// With the place in the bundle; `None`: taken from a former owner.
    writes: Vec<(Option<usize>, ResourceWrite)>,
    rows: Vec<Mutation>,
    preconditions: Vec<Precondition>,
}

/// A written resource with its place in the bundle; `None`: taken from a former owner.
type PlacedKey = (Option<usize>, ResourceKey);

/// What became of one write.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// The place in the bundle.
    pub(crate) index: usize,
    pub(crate) owner: EntityId,
    pub(crate) version: StoredVersion,
    /// Whether the command was done by an earlier request with the same key (ONCE-1).
    pub(crate) repeated: bool,
}

impl Stored {
    /// Whether the request changed nothing.
    pub(crate) fn is_duplicate(&self) -> bool {
        self.repeated || self.version.outcome == WriteOutcome::Unchanged
    }
}

/// Stores all writes in one commit.
///
/// # Errors
/// Why nothing was stored.
pub(crate) async fn store(
    exchange: &Exchange,
    operation: &str,
    planned: Vec<Planned>,
    part: &str,
) -> Result<Vec<Stored>, SubmitError> {
    let mut parts: BTreeMap<EntityId, Part> = BTreeMap::new();
    let mut follow_ups = Vec::new();
    for mut plan in planned {
        follow_ups.append(&mut plan.follow_ups);
        add(&mut parts, plan);
    }
    let order: Vec<(EntityId, Vec<PlacedKey>)> = parts
        .iter()
        .map(|(owner, part)| {
            let keys = part.writes.iter().map(|(index, write)| (*index, write.key.clone()));
            (owner.clone(), keys.collect())
        })
        .collect();
    let origin = exchange.origin(part);
    let outcomes = if parts.len() == 1 {
        let mut outcomes = Vec::new();
        for (owner, part) in parts {
            outcomes.push(submit(exchange, &origin, (owner, part), operation).await?);
        }
        outcomes
    } else {
        store_group(exchange, &origin, parts, operation).await?
    };
    let mut stored = Vec::new();
    for ((owner, keys), outcome) in order.into_iter().zip(outcomes) {
        let repeated = outcome.is_none();
        let versions = match outcome {
            Some(versions) => versions,
            None => current_versions(exchange, &owner, &keys).await?,
        };
        for ((index, _), version) in keys.into_iter().zip(versions) {
            let Some(index) = index else { continue };
            stored.push(Stored { index, owner: owner.clone(), version, repeated });
        }
    }
    stored.sort_by_key(|stored| stored.index);
    if stored.iter().any(|stored| !stored.repeated) {
        follow(exchange, follow_ups).await;
    }
    Ok(stored)
}

fn add(parts: &mut BTreeMap<EntityId, Part>, plan: Planned) {
    let Planned { index, owner, mut write, rows, preconditions, moved_from, .. } = plan;
    if let Some(former) = moved_from {
        let key = write.key.clone();
        let mut taken = ResourceWrite::new(
            key,
            WriteMode::Delete,
            Vec::new(),
            actors_patient::command::ResourceFacts::default(),
        );
        // The version that the client knows is the former owner's.
        taken.if_match = write.if_match.take();
        parts.entry(former).or_default().writes.push((None, taken));
    }
    let part = parts.entry(owner).or_default();
    part.writes.push((Some(index), write));
    part.rows.extend(rows);
    part.preconditions.extend(preconditions);
}

/// The versions of a part; `None` when the command was done before.
type PartOutcome = Option<Vec<StoredVersion>>;

async fn submit(
    exchange: &Exchange,
    origin: &Origin,
    (owner, part): (EntityId, Part),
    operation: &str,
) -> Result<PartOutcome, SubmitError> {
    let Part { writes, rows, preconditions } = part;
    let writes = writes.into_iter().map(|(_, write)| write).collect();
    let mut attachments = exchange.attachments();
    attachments.rows = rows;
    attachments.preconditions = preconditions;
    let gateway = &exchange.gateway;
    let runtime = &gateway.runtime;
    let caller = &exchange.caller;
    match owner.kind() {
        EntityKind::Patient => {
            let command = patient_command(operation, writes);
            let envelope = gateway.envelope(caller, origin, owner, command);
            let outcome = runtime.submit::<Patient>(envelope, attachments).await?;
            patient_outcome(outcome)
        }
        EntityKind::Device => {
            let command = device_command(operation, writes);
            let envelope = gateway.envelope(caller, origin, owner, command);
            let outcome = runtime.submit::<Device>(envelope, attachments).await?;
            device_outcome(outcome)
        }
        EntityKind::Facility => {
            let command = facility_command(operation, writes);
            let envelope = gateway.envelope(caller, origin, owner, command);
            let outcome = runtime.submit::<Facility>(envelope, attachments).await?;
            facility_outcome(outcome)
        }
    }
}

/// A member of a group by its kind.
enum PendingMember {
    Patient(Member<actors_patient::Reply>),
    Device(Member<actors_device::Reply>),
    Facility(Member<actors_facility::Reply>),
}

async fn store_group(
    exchange: &Exchange,
    origin: &Origin,
    parts: BTreeMap<EntityId, Part>,
    operation: &str,
) -> Result<Vec<PartOutcome>, SubmitError> {
    let mut group = exchange.gateway.runtime.group();
    let mut members = Vec::with_capacity(parts.len());
    // In the order of the ids, as the group demands.
    for part in parts {
        members.push(prepare(exchange, &mut group, (origin, operation), part).await?);
    }
    group.commit().await?;
    let mut outcomes = Vec::with_capacity(members.len());
    for member in members {
        outcomes.push(match member {
            PendingMember::Patient(member) => patient_outcome(member.outcome().await?)?,
            PendingMember::Device(member) => device_outcome(member.outcome().await?)?,
            PendingMember::Facility(member) => facility_outcome(member.outcome().await?)?,
        });
    }
    Ok(outcomes)
}

async fn prepare(
    exchange: &Exchange,
    group: &mut Group,
    (origin, operation): (&Origin, &str),
    (owner, part): (EntityId, Part),
) -> Result<PendingMember, SubmitError> {
    let Part { writes, rows, preconditions } = part;
    let writes = writes.into_iter().map(|(_, write)| write).collect();
    let mut attachments = exchange.attachments();
    attachments.rows = rows;
    attachments.preconditions = preconditions;
    let gateway = &exchange.gateway;
    let caller = &exchange.caller;
    Ok(match owner.kind() {
        EntityKind::Patient => {
            let command = patient_command(operation, writes);
            let envelope = gateway.envelope(caller, origin, owner, command);
            PendingMember::Patient(group.prepare::<Patient>(envelope, attachments).await?)
        }
        EntityKind::Device => {
            let command = device_command(operation, writes);
            let envelope = gateway.envelope(caller, origin, owner, command);
            PendingMember::Device(group.prepare::<Device>(envelope, attachments).await?)
        }
        EntityKind::Facility => {
            let command = facility_command(operation, writes);
            let envelope = gateway.envelope(caller, origin, owner, command);
            PendingMember::Facility(group.prepare::<Facility>(envelope, attachments).await?)
        }
    })
}

fn patient_command(operation: &str, writes: Vec<ResourceWrite>) -> actors_patient::Command {
    actors_patient::Command::StoreResources { operation: operation.to_owned(), writes }
}

fn shared(writes: Vec<ResourceWrite>) -> Vec<SharedWrite> {
    writes
        .into_iter()
        .map(|write| SharedWrite {
            key: write.key,
            mode: write.mode,
            body: write.body,
            if_match: write.if_match,
            facts: write.facts,
        })
        .collect()
}

fn device_command(operation: &str, writes: Vec<ResourceWrite>) -> actors_device::Command {
    let writes = shared(writes);
    actors_device::Command::StoreResources { operation: operation.to_owned(), writes }
}

fn facility_command(operation: &str, writes: Vec<ResourceWrite>) -> actors_facility::Command {
    let writes = shared(writes);
    actors_facility::Command::StoreResources { operation: operation.to_owned(), writes }
}

/// An entity answered something else than it was asked: a broken contract, whose outcome only the
/// store knows.
pub(crate) const fn unexpected<T>() -> Result<T, SubmitError> {
    Err(SubmitError::OutcomeUnknown)
}

fn patient_outcome(outcome: Outcome<actors_patient::Reply>) -> Result<PartOutcome, SubmitError> {
    match outcome {
        Outcome::Repeated { .. } => Ok(None),
        Outcome::Done { reply: actors_patient::Reply::Stored { versions, .. }, .. } => {
            Ok(Some(versions))
        }
        Outcome::Done { .. } => unexpected(),
    }
}

fn device_outcome(outcome: Outcome<actors_device::Reply>) -> Result<PartOutcome, SubmitError> {
    match outcome {
        Outcome::Repeated { .. } => Ok(None),
        Outcome::Done { reply: actors_device::Reply::Stored(versions), .. } => Ok(Some(versions)),
        Outcome::Done { .. } => unexpected(),
    }
}

fn facility_outcome(outcome: Outcome<actors_facility::Reply>) -> Result<PartOutcome, SubmitError> {
    match outcome {
        Outcome::Repeated { .. } => Ok(None),
        Outcome::Done { reply: actors_facility::Reply::Stored(versions), .. } => Ok(Some(versions)),
        Outcome::Done { .. } => unexpected(),
    }
}

/// What the answer to a repeat shows: the versions that are current now.
async fn current_versions(
    exchange: &Exchange,
    owner: &EntityId,
    keys: &[PlacedKey],
) -> Result<Vec<StoredVersion>, SubmitError> {
    let snapshot = exchange.gateway.runtime.snapshot().await?;
    let mut versions = Vec::with_capacity(keys.len());
    for (_, key) in keys {
        let found = query::resource(&*snapshot, owner, &key.resource_type, &key.id, None).await?;
        let (version, updated_at) =
            found.map_or((0, exchange.received_at), |one| (one.meta.version, one.meta.updated_at));
        let outcome = WriteOutcome::Unchanged;
        versions.push(StoredVersion { key: key.clone(), version, updated_at, outcome });
    }
    Ok(versions)
}

/// Does what follows from stored resources. Each is a command of its own that may be repeated; the
/// resource stands whatever becomes of it.
async fn follow(exchange: &Exchange, follow_ups: Vec<FollowUp>) {
    for follow_up in follow_ups {
        let (what, result) = match follow_up {
            FollowUp::Merge { survivor, retired } => {
                ("merge", merge(exchange, survivor, retired).await)
            }
            FollowUp::Associate { device, patient } => {
                ("device association", associate(exchange, device, patient).await)
            }
        };
        if let Err(error) = result {
            tracing::warn!(code = %error.code(), what, "a stored resource had no further effect");
        }
    }
}

fn follow_origin(exchange: &Exchange) -> Origin {
    Origin {
        source: exchange.source.clone(),
        command_id: CommandId::new(exchange.gateway.fresh_id()),
        content: MessageDigest::default(),
        message: Some(exchange.message),
    }
}

async fn merge(
    exchange: &Exchange,
    survivor: EntityId,
    retired: EntityId,
) -> Result<(), SubmitError> {
    let provenance = Provenance {
        source: exchange.source.clone(),
        message: exchange.message,
        position: "Patient.link".to_owned(),
    };
    let command = actors_patient::Command::Merge { retired, at: exchange.received_at, provenance };
    let gateway = &exchange.gateway;
    let origin = follow_origin(exchange);
    let envelope = gateway.envelope(&exchange.caller, &origin, survivor, command);
    gateway.runtime.submit::<Patient>(envelope, actors_runtime::Attachments::default()).await?;
    Ok(())
}

async fn associate(
    exchange: &Exchange,
    device: EntityId,
    patient: EntityId,
) -> Result<(), SubmitError> {
    let command = actors_device::Command::Associate { patient, at: exchange.received_at };
    let gateway = &exchange.gateway;
    let origin = follow_origin(exchange);
    let envelope = gateway.envelope(&exchange.caller, &origin, device, command);
    gateway.runtime.submit::<Device>(envelope, actors_runtime::Attachments::default()).await?;
    Ok(())
}
