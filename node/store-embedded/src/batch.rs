//! A batch while it is put together: the log record, and the rows that it makes in the overlay.
//! Commits and recovery go through the same steps, so both come to the same rows.

use std::ops::Range;

use actors_store::mutation::add_little_endian;
use actors_store::{KeyRange, Mutation, ReadError, Version, Versionstamp};
use bytes::Bytes;

use crate::codec::{index, length32};
use crate::limits::{BATCH_UNSORTED_MAX, CHUNK_KEPT_BYTES};
use crate::merge::Direction;
use crate::part::Part;
use crate::record::{self, Change};
use crate::row::{Row, Wanted, append, by_key, same_key};
use crate::view::Layers;

/// The chunk of the record that is being written.
const RECORD: u32 = 0;
/// The chunk of bytes that are in no record: sums and keys found in a cleared range.
const EXTRA: u32 = 1;
/// First chunk taken over from elsewhere.
const FIRST_TAKEN: u32 = 2;

/// See the module.
#[derive(Default)]
pub(crate) struct Batch {
    /// The log record; its header is filled in when it is written.
    pub(crate) record: Vec<u8>,
    extra: Vec<u8>,
    taken: Vec<Bytes>,
    rows: Vec<Row>,
    /// So many rows are in order; a later row of the same key is the newer one.
    sorted: usize,
    /// Hashes of the keys written since they were last asked for.
    hashes: Vec<u32>,
}

/// Where the bytes of changes lie: a chunk, and what their positions count from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    chunk: u32,
    base: usize,
}

impl Batch {
    /// An empty batch in a buffer that is used again, with room for some rows.
    pub(crate) fn new(buffer: Vec<u8>, rows: usize) -> Self {
        let (rows, hashes) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        let mut batch = Self { record: buffer, rows, hashes, ..Self::default() };
        record::start(&mut batch.record);
        batch
    }

    fn bytes(&self, chunk: u32) -> &[u8] {
        bytes_of((&self.record[..], &self.extra[..], &self.taken[..]), chunk)
    }

    /// Number of rows, versions of one key counted each.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Bytes copied from small records, and of what changes came to.
    pub(crate) fn extra_bytes(&self) -> usize {
        self.extra.len()
    }

    /// Hashes of the keys written since the last call.
    pub(crate) fn written_hashes(&mut self) -> std::vec::Drain<'_, u32> {
        self.hashes.drain(..)
    }

    /// Appends a mutation to the record and makes its rows, on top of the layers below.
    ///
    /// # Errors
    /// When the layers cannot be read.
    pub(crate) fn push(
        &mut self,
        version: Version,
        mutation: &Mutation,
        stamp: &Versionstamp,
        below: &Layers,
    ) -> Result<(), ReadError> {
        let at = self.record.len();
        record::push(&mut self.record, mutation, stamp);
        let Some((change, _)) = record::change(&self.record, at) else {
            return Err(senseless());
        };
        self.apply(version, Place { chunk: RECORD, base: 0 }, &change, below)
    }

    /// Takes a copy of the payload of a record that was read: sharing it would hold the whole log
    /// segment in memory. Small ones are copied together.
    pub(crate) fn take(&mut self, payload: &[u8]) -> Place {
        if payload.len() >= CHUNK_KEPT_BYTES {
            self.taken.push(Bytes::copy_from_slice(payload));
            return Place { chunk: FIRST_TAKEN + length32(self.taken.len() - 1), base: 0 };
        }
        let base = self.extra.len();
        self.extra.extend_from_slice(payload);
        Place { chunk: EXTRA, base }
    }

    /// Makes the rows of one change, on top of the layers below.
    ///
    /// # Errors
    /// When the layers cannot be read; the change has no rows then.
    pub(crate) fn apply(
        &mut self,
        version: Version,
        place: Place,
        change: &Change,
        below: &Layers,
    ) -> Result<(), ReadError> {
        let Place { chunk, base } = place;
        let of = |range: &Range<usize>| base + range.start..base + range.end;
        match change {
            Change::Set { key } => self.row(version, chunk, of(key), false),
            Change::Clear { key } => self.row(version, chunk, of(key), true),
            Change::Add { key, delta } => {
                let key = self.bytes(chunk)[of(key)].to_vec();
                let wanted = Wanted::new(&key);
                let stored = match self.newest(&wanted) {
                    Some(row) => row.value(self.bytes(row.chunk)).map(Bytes::copy_from_slice),
                    None => below.get(&wanted, Version::MAX)?,
                };
                let sum = add_little_endian(stored.as_deref(), *delta);
                self.extra_row(version, &key, Some(&sum))
            }
            Change::ClearRange { begin, end } => {
                let bytes = self.bytes(chunk);
                let bound = |range| Bytes::copy_from_slice(&bytes[of(range)]);
                let range = KeyRange { begin: bound(begin), end: bound(end) };
                self.clear_range(version, &range, below)
            }
        }
    }

    fn clear_range(
        &mut self,
        version: Version,
        range: &KeyRange,
        below: &Layers,
    ) -> Result<(), ReadError> {
        if range.is_empty() {
            return Ok(());
        }
        let inside = self.rows.iter().map(|row| (row, row.key(self.bytes(row.chunk))));
        let inside = inside.filter(|(row, key)| !row.cleared && range.contains(key));
        let mut present: Vec<Vec<u8>> = inside.map(|(_, key)| key.to_vec()).collect();
        let mut stored = below.merged(range, Version::MAX, Direction::Forward)?;
        while let Some((key, value)) = stored.entry() {
            if value.is_some() {
                present.push(key.to_vec());
            }
            stored.advance()?;
        }
        present.iter().try_for_each(|key| self.extra_row(version, key, None))
    }

    fn extra_row(
        &mut self,
        version: Version,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), ReadError> {
        append(&mut self.extra, key, value);
        let end = self.extra.len() - value.map_or(0, <[u8]>::len);
        self.row(version, EXTRA, end - key.len()..end, value.is_none())
    }

    fn row(
        &mut self,
        version: Version,
        chunk: u32,
        key: Range<usize>,
        cleared: bool,
    ) -> Result<(), ReadError> {
        let at = key.start;
        let row = Row::new(version, chunk, at, &self.bytes(chunk)[key], cleared);
        let row = row.ok_or_else(senseless)?;
        self.hashes.push(row.hash);
        self.rows.push(row);
        Ok(())
    }

    /// Newest row of a key in this batch.
    fn newest(&mut self, wanted: &Wanted<'_>) -> Option<Row> {
        self.sort_unless_few();
        let bytes = |chunk| bytes_of((&self.record[..], &self.extra[..], &self.taken[..]), chunk);
        let is =
            |row: &&Row| row.hash == wanted.short_hash() && row.key(bytes(row.chunk)) == wanted.key;
        let (sorted, recent) = self.rows.split_at(self.sorted);
        let found = recent.iter().rev().find(is).or_else(|| {
            let end = sorted.partition_point(|row| {
                row.prefix < wanted.prefix
                    || (row.prefix == wanted.prefix && row.key(bytes(row.chunk)) <= wanted.key)
            });
            sorted[..end].last().filter(is)
        });
        found.copied()
    }

    /// Whether any key of a range was written in this batch.
    pub(crate) fn holds_any(&mut self, range: &KeyRange) -> bool {
        self.sort_unless_few();
        let bytes = |chunk| bytes_of((&self.record[..], &self.extra[..], &self.taken[..]), chunk);
        let key = |row: &Row| row.key(bytes(row.chunk));
        let (sorted, recent) = self.rows.split_at(self.sorted);
        let first = sorted.partition_point(|row| *key(row) < *range.begin);
        sorted.get(first).is_some_and(|row| *key(row) < *range.end)
            || recent.iter().any(|row| range.contains(key(row)))
    }

    fn sort_unless_few(&mut self) {
        if self.rows.len() - self.sorted > BATCH_UNSORTED_MAX {
            self.sort();
        }
    }

    /// Sorts by key; rows of one key stay in the order in which they came.
    fn sort(&mut self) {
        let chunks = (&self.record[..], &self.extra[..], &self.taken[..]);
        self.rows.sort_by(|first, second| by_key(first, second, |chunk| bytes_of(chunks, chunk)));
        self.sorted = self.rows.len();
    }

    /// The part that this batch is, and its buffer for the next one. Of a key the newest row
    /// stays. `unpadded_bytes` of the record count.
    pub(crate) fn finish(mut self, unpadded_bytes: usize) -> (Part, Vec<u8>) {
        if self.sorted < self.rows.len() {
            self.sort();
        }
        let chunks = (&self.record[..], &self.extra[..], &self.taken[..]);
        let mut kept = 0;
        for position in 0..self.rows.len() {
            let row = self.rows[position];
            let next = self.rows.get(position + 1);
            let same = |next: &Row| same_key(&row, next, |chunk| bytes_of(chunks, chunk));
            if !next.is_some_and(same) {
                self.rows[kept] = row;
                kept += 1;
            }
        }
        self.rows.truncate(kept);
        // A buffer with much room to spare stays for the next record.
        let tight = self.record.capacity() / 2 <= unpadded_bytes;
        let (record, buffer) = if tight && unpadded_bytes >= CHUNK_KEPT_BYTES {
            (Bytes::from(self.record), Vec::new())
        } else {
            (Bytes::copy_from_slice(&self.record[..unpadded_bytes]), self.record)
        };
        let mut chunks = vec![record, Bytes::from(self.extra)];
        chunks.append(&mut self.taken);
        (Part::new(self.rows, chunks), buffer)
    }
}

fn bytes_of<'a>((record, extra, taken): (&'a [u8], &'a [u8], &'a [Bytes]), chunk: u32) -> &'a [u8] {
    match chunk {
        RECORD => record,
        EXTRA => extra,
        taken_over => &taken[index(taken_over - FIRST_TAKEN)],
    }
}

fn senseless() -> ReadError {
    ReadError::Failed { reason: "a change does not fit the limits of the store".to_owned() }
}
