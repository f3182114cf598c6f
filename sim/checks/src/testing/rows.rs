//! Rows of the store as the product lays them out.

use super::{Kept, Named};
use actors_core::Entity;
use actors_patient::Patient;
use actors_store::{Mutation, keys};
use schema_types::ids::{EntityId, EntityKind, MessageDigest, PrincipalId};
use schema_wire::journal::{
    DedupeOutcome, DedupeRecord, JournalRecord, SnapshotRecord, encode_dedupe, encode_record,
    encode_snapshot,
};

fn packed(content: Vec<u8>) -> Vec<u8> {
    let mut value = vec![0];
    value.extend(content);
    value
}

pub(super) fn journal_row<E: Entity>(
    entity: &EntityId,
    sequence: u64,
    named: &Named,
    events: &[E::Event],
) -> Mutation {
    let mut framed = Vec::new();
    for event in events {
        let event = E::encode_event(event);
        framed.extend_from_slice(&u32::try_from(event.len()).unwrap().to_be_bytes());
        framed.extend(event);
    }
    let record = JournalRecord {
        sequence,
        recorded_at: named.now,
        source: named.source.clone(),
        command_id: named.command_id.clone(),
        principal: PrincipalId::new("nurse"),
        message: None,
        event_kind: E::KIND,
        event: framed,
    };
    Mutation::set(keys::journal(entity_ref(entity), sequence), packed(encode_record(&record)))
}

pub(super) fn done_row(entity: &EntityId, named: &Named) -> Mutation {
    let id = named.command_id.as_str().as_bytes();
    let key = keys::command_done(entity_ref(entity), named.source.as_str(), id);
    let record = DedupeRecord {
        content: MessageDigest::of(id),
        outcome: DedupeOutcome::Accepted,
        reply: Vec::new(),
        at: named.now,
    };
    Mutation::set(key, encode_dedupe(&record))
}

pub(super) fn snapshot_row(entity: &EntityId, kept: &Kept<Patient>) -> Mutation {
    let state = Patient::encode_state(&kept.state);
    let record = SnapshotRecord {
        sequence: kept.sequence,
        state_hash: MessageDigest::of(&state).0,
        kind: EntityKind::Patient,
        state,
        outbox_next: 0,
    };
    Mutation::set(keys::snapshot(entity_ref(entity)), packed(encode_snapshot(&record)))
}

pub(super) fn entity_ref(entity: &EntityId) -> keys::EntityRef<'_> {
    keys::EntityRef {
        hash: entity.hash(),
        tenant: entity.tenant().as_str(),
        kind: entity.kind().number(),
        key: entity.key(),
    }
}
