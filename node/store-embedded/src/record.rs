//! One log record: a batch of mutations under one version, with a checksum over header and
//! payload and a chain to the record before it. Where records lie in files is in `log`.

use std::ops::Range;

use actors_store::{Mutation, Versionstamp};
use bytes::Bytes;

use crate::codec::{Fields, Reader, checksum, index, length32};
use crate::limits::RECORD_ALIGNMENT_BYTES;

/// Bytes before the payload.
pub(crate) const HEADER_BYTES: usize = 64;
/// Bytes of a mutation beside its keys and values, at most.
pub(crate) const MUTATION_BYTES_MAX: usize = 9;
const MAGIC: u32 = 0x4452_434D;
const CHECKED_FROM: usize = 8;

const TAG_SET: u8 = 1;
const TAG_CLEAR: u8 = 2;
const TAG_CLEAR_RANGE: u8 = 3;
const TAG_ADD: u8 = 4;

/// What the header of a record says, the checksum aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    /// Checksum of the record before this one: a missing or exchanged record breaks the chain.
    pub(crate) previous_crc: u32,
    /// Which store wrote it.
    pub(crate) store_id: u64,
    /// Which segment it was written for: a reused segment holds stale records.
    pub(crate) segment: u64,
    /// Number of the record; dense.
    pub(crate) sequence: u64,
    /// Version of its commits, or of the last commit for a record without mutations.
    pub(crate) version: u64,
    /// How often the store had been opened.
    pub(crate) epoch: u64,
    /// All records up to this one were durable before this one was written. A damaged record
    /// that a later one names here was acknowledged; one that none names was not.
    pub(crate) durable_sequence: u64,
}

/// A record that passed its checksum.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) header: RecordHeader,
    pub(crate) crc: u32,
    /// Length in the file, padding included.
    pub(crate) stored_bytes: usize,
    pub(crate) payload: Bytes,
}

/// Starts a record in an empty buffer.
pub(crate) fn start(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.resize(HEADER_BYTES, 0);
}

/// Appends one mutation, placeholders filled in with the versionstamp.
pub(crate) fn push(buffer: &mut Vec<u8>, mutation: &Mutation, stamp: &Versionstamp) {
    match mutation {
        Mutation::Set { key, value } => two(buffer, TAG_SET, key, value),
        Mutation::Clear { key } => one(buffer, TAG_CLEAR, key),
        Mutation::ClearRange { range } => two(buffer, TAG_CLEAR_RANGE, &range.begin, &range.end),
        Mutation::Add { key, delta } => {
            one(buffer, TAG_ADD, key);
            buffer.extend_from_slice(&delta.to_le_bytes());
        }
        Mutation::SetVersionstampedKey { key, offset, value } => {
            two(buffer, TAG_SET, key, value);
            let at = buffer.len() - value.len() - key.len() + offset;
            buffer[at..at + stamp.len()].copy_from_slice(stamp);
        }
        Mutation::SetVersionstampedValue { key, value, offset } => {
            two(buffer, TAG_SET, key, value);
            let at = buffer.len() - value.len() + offset;
            buffer[at..at + stamp.len()].copy_from_slice(stamp);
        }
    }
}

fn one(buffer: &mut Vec<u8>, tag: u8, key: &[u8]) {
    buffer.push(tag);
    buffer.extend_from_slice(&length32(key.len()).to_le_bytes());
    buffer.extend_from_slice(key);
}

fn two(buffer: &mut Vec<u8>, tag: u8, first: &[u8], second: &[u8]) {
    buffer.push(tag);
    buffer.extend_from_slice(&length32(first.len()).to_le_bytes());
    buffer.extend_from_slice(&length32(second.len()).to_le_bytes());
    buffer.extend_from_slice(first);
    buffer.extend_from_slice(second);
}

/// Length in the file of a record whose header and payload have this length.
pub(crate) fn stored_bytes(unpadded: usize) -> usize {
    unpadded.next_multiple_of(RECORD_ALIGNMENT_BYTES)
}

/// Fills in the header, pads, and gives the checksum.
pub(crate) fn finish(buffer: &mut Vec<u8>, header: &RecordHeader) -> u32 {
    let payload_bytes = length32(buffer.len() - HEADER_BYTES);
    buffer[..4].copy_from_slice(&MAGIC.to_le_bytes());
    buffer[8..12].copy_from_slice(&payload_bytes.to_le_bytes());
    buffer[12..16].copy_from_slice(&header.previous_crc.to_le_bytes());
    let numbers = [
        header.store_id,
        header.segment,
        header.sequence,
        header.version,
        header.epoch,
        header.durable_sequence,
    ];
    for (position, number) in numbers.iter().enumerate() {
        let at = 16 + 8 * position;
        buffer[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    let crc = checksum(&[&buffer[CHECKED_FROM..]]);
    buffer[4..8].copy_from_slice(&crc.to_le_bytes());
    buffer.resize(stored_bytes(buffer.len()), 0);
    crc
}

/// The record of this store and segment at a position, or nothing when there is no whole,
/// undamaged one (a reused segment holds stale ones of other segments).
pub(crate) fn parse(segment: &Bytes, at: usize, owner: (u64, u64)) -> Option<Record> {
    if segment.len() < at.checked_add(HEADER_BYTES)? {
        return None;
    }
    let mut reader = Reader::new(segment.slice(at..));
    if reader.u32()? != MAGIC {
        return None;
    }
    let crc = reader.u32()?;
    let payload_bytes = reader.u32()?;
    let header = RecordHeader {
        previous_crc: reader.u32()?,
        store_id: reader.u64()?,
        segment: reader.u64()?,
        sequence: reader.u64()?,
        version: reader.u64()?,
        epoch: reader.u64()?,
        durable_sequence: reader.u64()?,
    };
    let is_foreign = (header.store_id, header.segment) != owner;
    if is_foreign && !node_env::planted!("log-segment-not-compared") {
        return None;
    }
    let payload = reader.take32(payload_bytes)?;
    let found = checksum(&[&segment[at + CHECKED_FROM..at + HEADER_BYTES], &payload]);
    if found != crc && !node_env::planted!("log-checksum-not-checked") {
        return None;
    }
    let stored_bytes = stored_bytes(HEADER_BYTES + payload.len());
    Some(Record { header, crc, stored_bytes, payload })
}

impl Record {
    /// The changes, or nothing when the payload makes no sense although its checksum holds.
    pub(crate) fn changes(&self) -> Option<Vec<Change>> {
        let mut changes = Vec::new();
        let mut at = 0;
        while at < self.payload.len() {
            let (change, next) = change(&self.payload, at)?;
            changes.push(change);
            at = next;
        }
        Some(changes)
    }
}

/// One logged mutation; keys are given by where they lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// The length of the value stands before the key, the value behind it.
    Set { key: Range<usize> },
    /// See the mutation.
    Clear { key: Range<usize> },
    /// See the mutation.
    ClearRange { begin: Range<usize>, end: Range<usize> },
    /// See the mutation.
    Add { key: Range<usize>, delta: i64 },
}

/// The change at a position of a payload, and where the next one is.
pub(crate) fn change(payload: &[u8], at: usize) -> Option<(Change, usize)> {
    let mut fields = Fields::new(payload, at);
    let tag = fields.u8()?;
    let first = index(fields.u32()?);
    let change = match tag {
        TAG_SET | TAG_CLEAR_RANGE => {
            let second = index(fields.u32()?);
            let (begin, middle) = (fields.skip(first)?, fields.skip(second)?);
            let key = begin..middle;
            if tag == TAG_SET {
                Change::Set { key }
            } else {
                Change::ClearRange { begin: key, end: middle..middle + second }
            }
        }
        TAG_CLEAR | TAG_ADD => {
            let begin = fields.skip(first)?;
            let key = begin..begin + first;
            if tag == TAG_CLEAR {
                Change::Clear { key }
            } else {
                Change::Add { key, delta: fields.i64()? }
            }
        }
        _unknown => return None,
    };
    Some((change, fields.position()))
}

#[cfg(test)]
mod tests {
    use actors_store::KeyRange;

    use super::*;

    const HEADER: RecordHeader = RecordHeader {
        previous_crc: 1,
        store_id: 2,
        segment: 3,
        sequence: 4,
        version: 5,
        epoch: 6,
        durable_sequence: 7,
    };

    const STAMP: Versionstamp = *b"0123456789";

    /// Changes as tag, two texts and a number.
    fn found(record: &Record) -> Option<Vec<(&'static str, String, String, i64)>> {
        let text = |range: &Range<usize>| {
            String::from_utf8(record.payload[range.clone()].to_vec()).unwrap()
        };
        let value = |key: &Range<usize>| {
            let length = record.payload[..key.start].last_chunk::<4>().copied().unwrap();
            text(&(key.end..key.end + index(u32::from_le_bytes(length))))
        };
        let changes = record.changes()?;
        let readable = changes.iter().map(|change| match change {
            Change::Set { key } => ("set", text(key), value(key), 0),
            Change::Clear { key } => ("clear", text(key), String::new(), 0),
            Change::ClearRange { begin, end } => ("range", text(begin), text(end), 0),
            Change::Add { key, delta } => ("add", text(key), String::new(), *delta),
        });
        Some(readable.collect())
    }

    fn expected() -> Option<Vec<(&'static str, String, String, i64)>> {
        let row = |what, first: &str, second: &str, number| {
            (what, first.to_owned(), second.to_owned(), number)
        };
        Some(vec![
            row("set", "key", "value", 0),
            row("set", "", "", 0),
            row("clear", "gone", "", 0),
            row("range", "p", "q", 0),
            row("add", "n", "", -9),
            row("set", "k0123456789", "v", 0),
            row("set", "k", "v0123456789", 0),
        ])
    }

    fn mutations() -> Vec<Mutation> {
        vec![
            Mutation::set(&b"key"[..], &b"value"[..]),
            Mutation::set(&b""[..], &b""[..]),
            Mutation::clear(&b"gone"[..]),
            Mutation::ClearRange { range: KeyRange::prefix(b"p") },
            Mutation::Add { key: Bytes::from_static(b"n"), delta: -9 },
            Mutation::SetVersionstampedKey {
                key: Bytes::from_static(b"k__________"),
                offset: 1,
                value: Bytes::from_static(b"v"),
            },
            Mutation::SetVersionstampedValue {
                key: Bytes::from_static(b"k"),
                value: Bytes::from_static(b"v__________"),
                offset: 1,
            },
        ]
    }

    fn record() -> (Vec<u8>, u32) {
        let mut buffer = Vec::new();
        start(&mut buffer);
        for mutation in mutations() {
            push(&mut buffer, &mutation, &STAMP);
        }
        let crc = finish(&mut buffer, &HEADER);
        (buffer, crc)
    }

    #[test]
    fn a_record_comes_back() {
        let (buffer, crc) = record();
        assert_eq!(buffer.len(), RECORD_ALIGNMENT_BYTES);
        let parsed = parse(&Bytes::from(buffer), 0, (2, 3)).unwrap();
        assert_eq!((parsed.header, parsed.crc), (HEADER, crc));
        assert_eq!(parsed.stored_bytes, RECORD_ALIGNMENT_BYTES);
        assert_eq!(found(&parsed), expected());
    }

    #[test]
    fn every_flipped_bit_is_noticed_or_lies_in_the_padding() {
        let (buffer, _) = record();
        let used =
            HEADER_BYTES + buffer[HEADER_BYTES..].iter().rposition(|&byte| byte != 0).unwrap() + 1;
        for position in 0..buffer.len() {
            let mut damaged = buffer.clone();
            damaged[position] ^= 1 << (position % 8);
            let parsed = parse(&Bytes::from(damaged), 0, (2, 3));
            if position < used {
                assert!(parsed.is_none(), "{position}");
            } else if let Some(parsed) = parsed {
                assert_eq!(found(&parsed), expected(), "{position}");
            }
        }
    }

    #[test]
    fn cut_records_are_noticed() {
        let (buffer, _) = record();
        for length in [0, 1, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 10] {
            assert!(
                parse(&Bytes::copy_from_slice(&buffer[..length]), 0, (2, 3)).is_none(),
                "{length}"
            );
        }
    }
}
