//! Pages of a patient's timeline, newest first, read from the journal. Records retired into the
//! patient are included; each record that is read is audited as an access of its own.

use crate::failure::Failure;
use crate::limits::{JOINED_RECORDS_MAX, TIMELINE_ITEMS_MAX};
use crate::service::Service;
use crate::timeline::{self, Item};
use actors_patient::Patient;
use actors_patient::command::{Command, Read};
use actors_runtime::SubmitError;
use actors_runtime::limits::REPLAY_ROWS_MAX;
use actors_runtime::load::{self, JournalReader};
use node_ingest::gateway::Caller;
use schema_types::ids::EntityId;
use schema_types::time::Timestamp;
use schema_wire::rpc_capnp as wire;
use std::collections::BTreeMap;

/// The place of an item: its time, its record's hash, its order in the journal.
type Place = (Timestamp, u64, u64);

/// Which part of a timeline is wanted.
pub(crate) struct Wanted {
    from: Timestamp,
    to: Timestamp,
    limit: usize,
    /// Items before this place only.
    before: Option<Place>,
}

impl Wanted {
    pub(crate) fn read(
        window: wire::time_window::Reader<'_>,
        limit: u32,
        cursor: &[u8],
    ) -> Result<Self, Failure> {
        let to = match window.get_to_unix_micros() {
            0 => Timestamp::MAX,
            micros => Timestamp::from_unix_micros(micros),
        };
        let limit = match usize::try_from(limit).unwrap_or(usize::MAX) {
            0 => TIMELINE_ITEMS_MAX,
            limit => limit.min(TIMELINE_ITEMS_MAX),
        };
        let from = window.get_from_unix_micros();
        let from = if from == 0 { Timestamp::MIN } else { Timestamp::from_unix_micros(from) };
        let before = if cursor.is_empty() { None } else { Some(place(cursor)?) };
        Ok(Self { from, to, limit, before })
    }

    fn wants(&self, place: Place) -> bool {
        let (at, _, _) = place;
        self.from <= at && at < self.to && self.before.is_none_or(|before| place < before)
    }
}

fn place(cursor: &[u8]) -> Result<Place, Failure> {
    let (words, []) = cursor.as_chunks::<8>() else {
        return Err(Failure::bad_request("the cursor is not one of a timeline"));
    };
    match words {
        [at, record, sequence] => Ok((
            Timestamp::from_unix_micros(i64::from_be_bytes(*at)),
            u64::from_be_bytes(*record),
            u64::from_be_bytes(*sequence),
        )),
        _ => Err(Failure::bad_request("the cursor is not one of a timeline")),
    }
}

/// A page.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) items: BTreeMap<Place, Item>,
    is_cut: bool,
}

impl Page {
    fn add(&mut self, place: Place, item: Item, limit: usize) {
        self.items.insert(place, item);
        if self.items.len() > limit {
            self.items.pop_first();
            self.is_cut = true;
        }
    }

    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Item> {
        self.items.values().rev()
    }

    /// The cursor of what is older.
    pub(crate) fn next(&self) -> Option<Vec<u8>> {
        let ((at, record, sequence), _) = self.items.first_key_value().filter(|_| self.is_cut)?;
        let words = [at.unix_micros().to_be_bytes(), record.to_be_bytes(), sequence.to_be_bytes()];
        Some(words.concat())
    }
}

/// Reads a page.
pub(crate) async fn page(
    service: &Service,
    caller: &Caller,
    patient: &EntityId,
    wanted: &Wanted,
) -> Result<Page, Failure> {
    let mut page = Page::default();
    let mut waiting = vec![patient.clone()];
    let mut seen = Vec::new();
    while let Some(record) = waiting.pop() {
        if seen.contains(&record) || seen.len() >= JOINED_RECORDS_MAX {
            continue;
        }
        // What the entity says of an empty interval is nothing; it judges and audits the access.
        let read = Read::Timeline { from: Timestamp::MAX, to: Timestamp::MAX };
        service.ask::<Patient>(caller, record.clone(), Command::Read(read)).await?;
        let snapshot = service.gateway.runtime.snapshot().await?;
        waiting.extend(load::load::<Patient>(&*snapshot, &record).await?.state.links.into_keys());
        drop(snapshot);
        read_journal(service, &record, wanted, &mut page).await?;
        seen.push(record);
    }
    Ok(page)
}

async fn read_journal(
    service: &Service,
    record: &EntityId,
    wanted: &Wanted,
    page: &mut Page,
) -> Result<(), Failure> {
    let snapshot = service.gateway.runtime.snapshot().await?;
    let mut reader = JournalReader::new(record, 1);
    let mut rows_read = 0_usize;
    while let Some(rows) = reader.next_page::<Patient>(&*snapshot).await? {
        rows_read += rows.len();
        if rows_read > REPLAY_ROWS_MAX {
            return Err(SubmitError::TooLarge { bytes: rows_read }.into());
        }
        for row in rows {
            for item in timeline::items_of(&row.record, row.events) {
                let place = (item.at(), record.hash(), item.order());
                if wanted.wants(place) {
                    page.add(place, item, wanted.limit);
                }
            }
        }
    }
    Ok(())
}
