//! Loading an entity: snapshot, then the journal behind it (DET-1).

use crate::audit_log::entity_ref;
use crate::blob;
use crate::error::SubmitError;
use crate::limits::PAGE_ITEMS_MAX;
use actors_core::Entity;
use actors_store::keys::{self, Family};
use actors_store::{RangeQuery, Snapshot};
use schema_types::ids::{EntityId, MessageDigest};
use schema_wire::journal::{JournalRecord, SnapshotRecord};

/// An entity's state and the journal sequence up to which it is folded.
#[derive(Debug, Clone)]
pub struct Loaded<S> {
    /// The state.
    pub state: S,
    /// The last event folded in; 0 when there is none.
    pub sequence: u64,
    /// Events folded in behind the snapshot.
    pub events_since_snapshot: u32,
}

/// A journal row: what a command did.
#[derive(Debug, Clone)]
pub struct JournalRow<V> {
    /// The stored envelope.
    pub record: JournalRecord,
    /// The command's events in order; the first has the record's sequence.
    pub events: Vec<V>,
}

/// The digest that names a state: equal states have equal digests (DET-1).
#[must_use]
pub fn state_hash<E: Entity>(state: &E::State) -> [u8; 32] {
    MessageDigest::of(&E::encode_state(state)).0
}

/// Loads an entity from its snapshot and journal.
///
/// # Errors
/// [`SubmitError::Damaged`] when a snapshot does not match its digest, a row does not decode or a
/// sequence number is missing.
pub async fn load<E: Entity>(
    snapshot: &dyn Snapshot,
    entity: &EntityId,
) -> Result<Loaded<E::State>, SubmitError> {
    let mut loaded = match snapshot.get(&keys::snapshot(entity_ref(entity))).await? {
        Some(value) => from_snapshot::<E>(snapshot, &value).await?,
        None => Loaded { state: E::State::default(), sequence: 0, events_since_snapshot: 0 },
    };
    let mut reader = JournalReader::new(entity, loaded.sequence + 1);
    while let Some(rows) = reader.next_page::<E>(snapshot).await? {
        for row in rows {
            if row.record.sequence != loaded.sequence + 1 {
                return Err(SubmitError::Damaged { place: "gap in a journal".to_owned() });
            }
            for event in &row.events {
                E::evolve(&mut loaded.state, event);
                loaded.sequence += 1;
                loaded.events_since_snapshot = loaded.events_since_snapshot.saturating_add(1);
            }
        }
        if node_env::planted!("activation-reads-first-page") {
            break;
        }
    }
    Ok(loaded)
}

async fn from_snapshot<E: Entity>(
    snapshot: &dyn Snapshot,
    value: &[u8],
) -> Result<Loaded<E::State>, SubmitError> {
    let damaged = |what: &str| SubmitError::Damaged { place: what.to_owned() };
    let content = blob::unpack(snapshot, value).await?;
    let record = schema_wire::journal::decode_snapshot(&content)
        .map_err(|error| damaged(&error.to_string()))?;
    if MessageDigest::of(&record.state).0 != record.state_hash {
        return Err(damaged("snapshot digest"));
    }
    let state = E::decode_state(&record.state)?;
    Ok(Loaded { state, sequence: record.sequence, events_since_snapshot: 0 })
}

/// The snapshot record of a state.
pub(crate) fn snapshot_record<E: Entity>(state: &E::State, sequence: u64) -> SnapshotRecord {
    let state = E::encode_state(state);
    let ahead = u64::from(node_env::planted!("snapshot-claims-next-event"));
    SnapshotRecord {
        sequence: sequence + ahead,
        state_hash: MessageDigest::of(&state).0,
        kind: E::KIND,
        state,
        outbox_next: 0,
    }
}

/// Reads an entity's journal page by page.
pub struct JournalReader {
    query: Option<RangeQuery>,
}

impl JournalReader {
    /// Reads from `sequence` on.
    #[must_use]
    pub fn new(entity: &EntityId, sequence: u64) -> Self {
        let range = keys::journal_from(entity_ref(entity), sequence);
        Self { query: Some(RangeQuery::forward(range, PAGE_ITEMS_MAX)) }
    }

    /// The next rows; `None` at the end.
    ///
    /// # Errors
    /// [`SubmitError::Damaged`] when a row does not decode.
    pub async fn next_page<E: Entity>(
        &mut self,
        snapshot: &dyn Snapshot,
    ) -> Result<Option<Vec<JournalRow<E::Event>>>, SubmitError> {
        let Some(query) = self.query.take() else { return Ok(None) };
        let page = snapshot.range(query.clone()).await?;
        self.query = query.after(&page);
        let mut rows = Vec::with_capacity(page.items.len());
        for (key, value) in &page.items {
            let content = blob::unpack(snapshot, value).await?;
            let row = decode_row::<E>(&content)?;
            let sequence = keys::parse_sequenced(Family::Journal, key).map(|(_, number)| number);
            if sequence.ok() != Some(row.record.sequence) {
                return Err(SubmitError::Damaged { place: "journal key".to_owned() });
            }
            rows.push(row);
        }
        Ok(Some(rows))
    }
}

fn decode_row<E: Entity>(content: &[u8]) -> Result<JournalRow<E::Event>, SubmitError> {
    let damaged = |reason: String| SubmitError::Damaged { place: reason };
    let record =
        schema_wire::journal::decode_record(content).map_err(|error| damaged(error.to_string()))?;
    if record.event_kind != E::KIND {
        return Err(damaged("journal row of another kind of entity".to_owned()));
    }
    let mut events = Vec::new();
    for event in unframe(&record.event)? {
        events.push(E::decode_event(event)?);
    }
    Ok(JournalRow { record, events })
}

/// The events of one command as one value: each preceded by its length, four bytes big-endian.
pub(crate) fn frame(events: &[Vec<u8>]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(events.iter().map(|event| event.len() + 4).sum());
    for event in events {
        // An event is far below 4 GiB: the wire format refuses larger ones.
        framed.extend_from_slice(&u32::try_from(event.len()).unwrap_or(u32::MAX).to_be_bytes());
        framed.extend_from_slice(event);
    }
    framed
}

pub(crate) fn unframe(mut framed: &[u8]) -> Result<Vec<&[u8]>, SubmitError> {
    let damaged = || SubmitError::Damaged { place: "journal row framing".to_owned() };
    let mut events = Vec::new();
    while !framed.is_empty() {
        let (length, rest) = framed.split_first_chunk::<4>().ok_or_else(damaged)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| damaged())?;
        let (event, rest) = rest.split_at_checked(length).ok_or_else(damaged)?;
        events.push(event);
        framed = rest;
    }
    Ok(events)
}
