//! What a batch finds in the store before it is sent: rows that preconditions ask about, as the
//! batches in flight leave them, and the guards of groups with members elsewhere.

use crate::group::Guard;
use crate::unit::{CommitFailure, Precondition, Work};
use actors_store::{KeyRange, Mutation, ReadError, Snapshot};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Whether keys hold a value, by key.
pub(super) type Presence = BTreeMap<Bytes, bool>;

/// What batches in flight made of the asked keys, else what is stored.
pub(super) async fn presence(
    snapshot: &dyn Snapshot,
    written: &VecDeque<Presence>,
    asked: Vec<Bytes>,
) -> Result<Presence, ReadError> {
    let mut present = BTreeMap::new();
    for key in asked {
        let newest = written.iter().rev().find_map(|keys| keys.get(&key).copied());
        let holds = match newest {
            Some(holds) => holds,
            None => snapshot.get(&key).await?.is_some(),
        };
        present.insert(key, holds);
    }
    Ok(present)
}

/// All units of a work must be current and have their preconditions, or none takes effect.
pub(super) fn check(present: &Presence, stale: &[Guard], work: &Work) -> Result<(), CommitFailure> {
    if let Some(guard) = work.guards.iter().find(|guard| stale.contains(guard)) {
        return Err(CommitFailure::NotServed(Some(guard.shard)));
    }
    for unit in &work.units {
        if let Some((residency, generation)) = &unit.origin
            && residency.is_discarded(*generation)
        {
            return Err(CommitFailure::Discarded);
        }
        // One row that the store cannot take must not fail the others in its batch.
        unit.mutations.iter().try_for_each(Mutation::validate).map_err(CommitFailure::Store)?;
        let holds = |precondition: &Precondition| {
            let is_there = present.get(precondition.key()).copied().unwrap_or(false);
            match precondition {
                Precondition::Absent(_) => !is_there,
                Precondition::Present(_) => is_there,
            }
        };
        if !unit.preconditions.iter().all(holds) {
            return Err(CommitFailure::Precondition);
        }
    }
    Ok(())
}

/// Follows what the batch does to asked keys, and to timers and messages, which later batches may
/// ask about while this one is in flight.
pub(super) fn note_presence(present: &mut Presence, followed: &[KeyRange], mutations: &[Mutation]) {
    for mutation in mutations {
        let (key, is_set) = match mutation {
            Mutation::Set { key, .. } => (key, true),
            Mutation::Clear { key } => (key, false),
            Mutation::ClearRange { .. }
            | Mutation::Add { .. }
            | Mutation::SetVersionstampedKey { .. }
            | Mutation::SetVersionstampedValue { .. } => continue,
        };
        if let Some(holds) = present.get_mut(key) {
            *holds = is_set;
        } else if followed.iter().any(|range| range.contains(key)) {
            present.insert(key.clone(), is_set);
        }
    }
}

/// The guards that do not hold: a member's shard has another owner, or its owner waits no longer.
pub(super) async fn stale(
    snapshot: &dyn Snapshot,
    guards: &[Guard],
) -> Result<Vec<Guard>, ReadError> {
    let mut stale = Vec::new();
    for guard in guards {
        let rows = if node_env::planted!("group-mark-not-compared") { 1 } else { 2 };
        for (key, expected) in guard.rows().into_iter().take(rows) {
            if snapshot.get(&key).await?.as_ref() != Some(expected) {
                stale.push(guard.clone());
                break;
            }
        }
    }
    Ok(stale)
}
