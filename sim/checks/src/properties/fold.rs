//! State is the fold of the journal (DET-1): journals have no gap, and folding one from scratch
//! gives the state that its snapshot holds and that reads showed.

use crate::durable::{Events, JournalRow, StoredSnapshot};
use crate::evidence::Evidence;
use crate::findings::{Findings, Judge};
use crate::history::OperationKind;
use actors_core::Entity;
use actors_device::Device;
use actors_facility::Facility;
use actors_patient::Patient;
use schema_types::device::DeviceEvent;
use schema_types::facility::FacilityEvent;
use schema_types::ids::{EntityId, EntityKind, MessageDigest};
use schema_types::patient::PatientEvent;
use std::collections::BTreeMap;

/// The property's name.
pub const NAME: &str = "state-is-the-fold";
/// What it enforces.
pub const INVARIANT: &str = "DET-1";

/// What states must hash to, by sequence.
type Wanted = BTreeMap<u64, Vec<[u8; 32]>>;

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    let mut wanted: BTreeMap<&EntityId, Wanted> = BTreeMap::new();
    for (entity, snapshot) in &evidence.durable.snapshots {
        let StoredSnapshot { sequence, state_hash, found_hash } = snapshot;
        if state_hash != found_hash {
            let detail = format!("{entity:?}: the snapshot does not have its own digest");
            judge.violate(INVARIANT, None, detail);
        }
        wanted.entry(entity).or_default().entry(*sequence).or_default().push(*found_hash);
    }
    for operation in evidence.history.iter().filter(|one| one.kind == OperationKind::Read) {
        let Some(reply) = operation.reply() else { continue };
        let hash = reply.seen.as_ref().and_then(|seen| seen.state_hash);
        if let (Some(version), Some(hash)) = (reply.version, hash) {
            let of_entity = wanted.entry(&operation.entity).or_default();
            of_entity.entry(version).or_default().push(hash);
        }
    }
    for (entity, rows) in &evidence.durable.journals {
        check_sequence(&mut judge, entity, rows);
        let wanted = wanted.remove(entity).unwrap_or_default();
        check_entity(&mut judge, entity, rows, wanted);
    }
    for (entity, wanted) in wanted {
        check_entity(&mut judge, entity, &[], wanted);
    }
    judge.done()
}

fn check_sequence(judge: &mut Judge, entity: &EntityId, rows: &[JournalRow]) {
    let mut next = 1;
    for row in rows {
        if row.first_sequence != next {
            let found = row.first_sequence;
            let detail = format!("{entity:?}: journal row {found} where {next} is due");
            judge.violate(INVARIANT, None, detail);
        }
        next = row.last_sequence() + 1;
    }
}

fn check_entity(judge: &mut Judge, entity: &EntityId, rows: &[JournalRow], wanted: Wanted) {
    match entity.kind() {
        EntityKind::Patient => fold::<Patient>(judge, entity, rows, wanted),
        EntityKind::Device => fold::<Device>(judge, entity, rows, wanted),
        EntityKind::Facility => fold::<Facility>(judge, entity, rows, wanted),
    }
}

/// An entity whose events can be told from those of others.
trait Told: Entity {
    fn events(events: &Events) -> Option<&[Self::Event]>;
}

impl Told for Patient {
    fn events(events: &Events) -> Option<&[PatientEvent]> {
        match events {
            Events::Patient(events) => Some(events),
            Events::Device(_) | Events::Facility(_) => None,
        }
    }
}

impl Told for Device {
    fn events(events: &Events) -> Option<&[DeviceEvent]> {
        match events {
            Events::Device(events) => Some(events),
            Events::Patient(_) | Events::Facility(_) => None,
        }
    }
}

impl Told for Facility {
    fn events(events: &Events) -> Option<&[FacilityEvent]> {
        match events {
            Events::Facility(events) => Some(events),
            Events::Patient(_) | Events::Device(_) => None,
        }
    }
}

fn fold<E: Told>(judge: &mut Judge, entity: &EntityId, rows: &[JournalRow], mut wanted: Wanted) {
    let mut state = E::State::default();
    compare::<E>(judge, entity, (0, &state), &mut wanted);
    for row in rows {
        let Some(events) = E::events(&row.events) else {
            let detail = format!("{entity:?}: its journal holds events of another kind");
            judge.violate(INVARIANT, None, detail);
            return;
        };
        for event in events {
            E::evolve(&mut state, event);
        }
        compare::<E>(judge, entity, (row.last_sequence(), &state), &mut wanted);
    }
    for sequence in wanted.keys() {
        let detail =
            format!("{entity:?}: no journal row ends at {sequence}, where a state was seen");
        judge.violate(INVARIANT, None, detail);
    }
}

fn compare<E: Entity>(
    judge: &mut Judge,
    entity: &EntityId,
    (sequence, state): (u64, &E::State),
    wanted: &mut Wanted,
) {
    let Some(hashes) = wanted.remove(&sequence) else { return };
    let folded = MessageDigest::of(&E::encode_state(state)).0;
    if hashes.iter().any(|hash| *hash != folded) {
        let detail = format!("{entity:?} at {sequence}: the fold is not the state that was seen");
        judge.violate(INVARIANT, None, detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expect_violation, right_run, silent, spoil_values};

    #[test]
    fn another_state_is_found_det_1() {
        let mut run = right_run();
        assert!(!run.durable.snapshots.is_empty());
        silent(check(&run));
        spoil_values(&mut run, |value| *value += schema_types::Decimal::ONE);
        expect_violation(&check(&run), INVARIANT, "the fold is not the state");
    }

    #[test]
    fn a_gap_is_found() {
        let mut run = right_run();
        let rows = run.durable.journals.values_mut().find(|rows| rows.len() > 2).unwrap();
        rows.remove(1);
        expect_violation(&check(&run), INVARIANT, "is due");
    }

    #[test]
    fn a_snapshot_of_what_is_not_in_the_journal_is_found() {
        let mut run = right_run();
        let snapshot = run.durable.snapshots.values_mut().next().unwrap();
        snapshot.sequence += 1_000;
        snapshot.found_hash = [0; 32];
        expect_violation(&check(&run), INVARIANT, "where a state was seen");
        expect_violation(&check(&run), INVARIANT, "its own digest");
    }
}
