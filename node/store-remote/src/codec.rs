//! Fields of messages: integers little-endian and of fixed width, byte strings with their length
//! before them. Nothing here panics or allocates by what a peer merely announces.

use actors_store::{
    CommitError, CommitLane, CommitRequest, Committed, KeyRange, Mutation, RangePage, RangeQuery,
    ReadError,
};
use bytes::{Buf, Bytes};

use crate::error::ProtocolError;
use crate::limits::{ITEMS_MAX, REASON_BYTES_MAX};

type Decoded<T> = Result<T, ProtocolError>;

const CUT: ProtocolError = ProtocolError::Malformed { what: "a message is cut short" };

/// Fewest bytes that a mutation, a range or an item of a page takes.
const ITEM_BYTES_MIN: usize = 5;

/// Reads fields off the body of a frame.
#[derive(Debug)]
pub(crate) struct Fields {
    bytes: Bytes,
}

impl Fields {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { bytes }
    }

    fn has(&self, count: usize) -> Decoded<()> {
        if self.bytes.len() < count { Err(CUT) } else { Ok(()) }
    }

    pub(crate) fn u8(&mut self) -> Decoded<u8> {
        self.has(1)?;
        Ok(self.bytes.get_u8())
    }

    pub(crate) fn u16(&mut self) -> Decoded<u16> {
        self.has(2)?;
        Ok(self.bytes.get_u16_le())
    }

    pub(crate) fn u32(&mut self) -> Decoded<u32> {
        self.has(4)?;
        Ok(self.bytes.get_u32_le())
    }

    pub(crate) fn u64(&mut self) -> Decoded<u64> {
        self.has(8)?;
        Ok(self.bytes.get_u64_le())
    }

    pub(crate) fn u128(&mut self) -> Decoded<u128> {
        self.has(16)?;
        Ok(self.bytes.get_u128_le())
    }

    /// A length or an offset in memory.
    pub(crate) fn size(&mut self) -> Decoded<usize> {
        Ok(usize::try_from(self.u32()?).unwrap_or(usize::MAX))
    }

    pub(crate) fn flag(&mut self) -> Decoded<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _other => Err(ProtocolError::Malformed { what: "a flag is neither 0 nor 1" }),
        }
    }

    fn exactly(&mut self, count: usize) -> Decoded<Bytes> {
        self.has(count)?;
        Ok(self.bytes.split_to(count))
    }

    /// A byte string; shares the memory of the frame.
    pub(crate) fn bytes(&mut self) -> Decoded<Bytes> {
        let count = self.size()?;
        self.exactly(count)
    }

    fn text(&mut self) -> Decoded<String> {
        Ok(String::from_utf8_lossy(&self.bytes()?).into_owned())
    }

    /// How many items follow; no more than can be in what is left.
    fn count(&mut self) -> Decoded<usize> {
        let count = self.size()?;
        if count > ITEMS_MAX || count.saturating_mul(ITEM_BYTES_MIN) > self.bytes.len() {
            return Err(ProtocolError::Malformed { what: "there are fewer items than announced" });
        }
        Ok(count)
    }

    pub(crate) fn end(self) -> Decoded<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        Err(ProtocolError::Malformed { what: "a message goes on behind its end" })
    }

    fn range(&mut self) -> Decoded<KeyRange> {
        Ok(KeyRange { begin: self.bytes()?, end: self.bytes()? })
    }

    fn ranges(&mut self) -> Decoded<Vec<KeyRange>> {
        (0..self.count()?).map(|_| self.range()).collect()
    }

    pub(crate) fn query(&mut self) -> Decoded<RangeQuery> {
        Ok(RangeQuery {
            limit: self.size()?,
            reverse: self.flag()?,
            begin: self.bytes()?,
            end: self.bytes()?,
        })
    }

    pub(crate) fn page(&mut self) -> Decoded<RangePage> {
        let more = self.flag()?;
        let items = (0..self.count()?).map(|_| {
            let (key, value) = (self.size()?, self.size()?);
            let total = key.checked_add(value).ok_or(CUT)?;
            // Copied, so that an item which is held for long holds no page in memory.
            let mut both = Bytes::copy_from_slice(&self.exactly(total)?);
            let key = both.split_to(key);
            Ok((key, both))
        });
        Ok(RangePage { items: items.collect::<Decoded<_>>()?, more })
    }

    fn mutation(&mut self) -> Decoded<Mutation> {
        match self.u8()? {
            1 => Ok(Mutation::Set { key: self.bytes()?, value: self.bytes()? }),
            2 => Ok(Mutation::Clear { key: self.bytes()? }),
            3 => Ok(Mutation::ClearRange { range: self.range()? }),
            4 => Ok(Mutation::Add { key: self.bytes()?, delta: self.u64()?.cast_signed() }),
            5 => Ok(Mutation::SetVersionstampedKey {
                offset: self.size()?,
                key: self.bytes()?,
                value: self.bytes()?,
            }),
            6 => Ok(Mutation::SetVersionstampedValue {
                offset: self.size()?,
                key: self.bytes()?,
                value: self.bytes()?,
            }),
            _other => Err(ProtocolError::Malformed { what: "a mutation of an unknown kind" }),
        }
    }

    pub(crate) fn commit_request(&mut self) -> Decoded<CommitRequest> {
        let lane = match self.flag()? {
            true => Some(CommitLane { id: self.u64()?, generation: self.u64()? }),
            false => None,
        };
        Ok(CommitRequest {
            lane,
            read_version: self.u64()?,
            read_conflicts: self.ranges()?,
            write_conflicts: self.ranges()?,
            mutations: (0..self.count()?).map(|_| self.mutation()).collect::<Decoded<_>>()?,
        })
    }

    pub(crate) fn committed(&mut self) -> Decoded<Committed> {
        let version = self.u64()?;
        let stamp = self.exactly(actors_store::mutation::VERSIONSTAMP_BYTES)?;
        let versionstamp = stamp.as_ref().try_into().map_err(|_| CUT)?;
        Ok(Committed { version, versionstamp })
    }

    pub(crate) fn read_error(&mut self) -> Decoded<ReadError> {
        match self.u8()? {
            1 => Ok(ReadError::TooOld),
            2 => Ok(ReadError::Corrupt { place: self.text()? }),
            3 => Ok(ReadError::Stopped { reason: self.text()? }),
            4 => Ok(ReadError::Failed { reason: self.text()? }),
            _other => Err(ProtocolError::Malformed { what: "a read error of an unknown kind" }),
        }
    }

    pub(crate) fn commit_error(&mut self) -> Decoded<CommitError> {
        match self.u8()? {
            1 => Ok(CommitError::Conflict),
            2 => Ok(CommitError::TooOld),
            3 => Ok(CommitError::TooLarge { bytes: self.size()?, bytes_max: self.size()? }),
            4 => Ok(CommitError::KeyTooLarge { bytes: self.size()?, bytes_max: self.size()? }),
            5 => Ok(CommitError::ValueTooLarge { bytes: self.size()?, bytes_max: self.size()? }),
            6 => Ok(CommitError::Invalid { reason: known_reason(&self.text()?) }),
            7 => Ok(CommitError::Overloaded { retry_after_ms: self.u64()? }),
            8 => Ok(CommitError::NoSpace),
            9 => Ok(CommitError::Abandoned),
            10 => Ok(CommitError::UnknownResult { reason: self.text()? }),
            11 => Ok(CommitError::Stopped { reason: self.text()? }),
            _other => Err(ProtocolError::Malformed { what: "a commit error of an unknown kind" }),
        }
    }
}

/// The port wants reasons that live for ever; those that a store gives behind its validation,
/// which the client does itself, are few.
fn known_reason(text: &str) -> &'static str {
    const KNOWN: [&str; 2] = ["the read version is in the future", "there are too many lanes"];
    let known = KNOWN.iter().find(|known| **known == text);
    known.copied().unwrap_or("the store at the other end finds the request invalid")
}

fn put_size(out: &mut Vec<u8>, size: usize) {
    out.extend_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes());
}

pub(crate) fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_size(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// A reason, cut to its limit.
fn put_text(out: &mut Vec<u8>, text: &str) {
    let mut end = text.len().min(REASON_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    put_bytes(out, &text.as_bytes()[..end]);
}

fn put_range(out: &mut Vec<u8>, range: &KeyRange) {
    put_bytes(out, &range.begin);
    put_bytes(out, &range.end);
}

fn put_ranges(out: &mut Vec<u8>, ranges: &[KeyRange]) {
    put_size(out, ranges.len());
    ranges.iter().for_each(|range| put_range(out, range));
}

pub(crate) fn put_query(out: &mut Vec<u8>, query: &RangeQuery) {
    put_size(out, query.limit);
    out.push(u8::from(query.reverse));
    put_bytes(out, &query.begin);
    put_bytes(out, &query.end);
}

pub(crate) fn put_page(out: &mut Vec<u8>, page: &RangePage) {
    out.push(u8::from(page.more));
    put_size(out, page.items.len());
    for (key, value) in &page.items {
        put_size(out, key.len());
        put_size(out, value.len());
        out.extend_from_slice(key);
        out.extend_from_slice(value);
    }
}

fn put_mutation(out: &mut Vec<u8>, mutation: &Mutation) {
    match mutation {
        Mutation::Set { key, value } => {
            out.push(1);
            put_bytes(out, key);
            put_bytes(out, value);
        }
        Mutation::Clear { key } => {
            out.push(2);
            put_bytes(out, key);
        }
        Mutation::ClearRange { range } => {
            out.push(3);
            put_range(out, range);
        }
        Mutation::Add { key, delta } => {
            out.push(4);
            put_bytes(out, key);
            put_u64(out, delta.cast_unsigned());
        }
        Mutation::SetVersionstampedKey { key, offset, value } => {
            out.push(5);
            put_size(out, *offset);
            put_bytes(out, key);
            put_bytes(out, value);
        }
        Mutation::SetVersionstampedValue { key, value, offset } => {
            out.push(6);
            put_size(out, *offset);
            put_bytes(out, key);
            put_bytes(out, value);
        }
    }
}

pub(crate) fn put_commit_request(out: &mut Vec<u8>, request: &CommitRequest) {
    match request.lane {
        None => out.push(0),
        Some(lane) => {
            out.push(1);
            put_u64(out, lane.id);
            put_u64(out, lane.generation);
        }
    }
    put_u64(out, request.read_version);
    put_ranges(out, &request.read_conflicts);
    put_ranges(out, &request.write_conflicts);
    put_size(out, request.mutations.len());
    request.mutations.iter().for_each(|mutation| put_mutation(out, mutation));
}

pub(crate) fn put_committed(out: &mut Vec<u8>, committed: &Committed) {
    put_u64(out, committed.version);
    out.extend_from_slice(&committed.versionstamp);
}

pub(crate) fn put_read_error(out: &mut Vec<u8>, error: &ReadError) {
    match error {
        ReadError::TooOld => out.push(1),
        ReadError::Corrupt { place } => {
            out.push(2);
            put_text(out, place);
        }
        ReadError::Stopped { reason } => {
            out.push(3);
            put_text(out, reason);
        }
        ReadError::Failed { reason } => {
            out.push(4);
            put_text(out, reason);
        }
    }
}

pub(crate) fn put_commit_error(out: &mut Vec<u8>, error: &CommitError) {
    let mut sizes = |code: u8, bytes: usize, bytes_max: usize| {
        out.push(code);
        put_size(out, bytes);
        put_size(out, bytes_max);
    };
    match error {
        CommitError::TooLarge { bytes, bytes_max } => sizes(3, *bytes, *bytes_max),
        CommitError::KeyTooLarge { bytes, bytes_max } => sizes(4, *bytes, *bytes_max),
        CommitError::ValueTooLarge { bytes, bytes_max } => sizes(5, *bytes, *bytes_max),
        CommitError::Conflict => out.push(1),
        CommitError::TooOld => out.push(2),
        CommitError::NoSpace => out.push(8),
        CommitError::Abandoned => out.push(9),
        CommitError::Invalid { reason } => {
            out.push(6);
            put_text(out, reason);
        }
        CommitError::Overloaded { retry_after_ms } => {
            out.push(7);
            put_u64(out, *retry_after_ms);
        }
        CommitError::UnknownResult { reason } => {
            out.push(10);
            put_text(out, reason);
        }
        CommitError::Stopped { reason } => {
            out.push(11);
            put_text(out, reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(put: impl FnOnce(&mut Vec<u8>)) -> Fields {
        let mut out = Vec::new();
        put(&mut out);
        Fields::new(Bytes::from(out))
    }

    #[test]
    fn every_error_comes_out_as_it_went_in() {
        let reason = || "why".to_owned();
        for error in [
            CommitError::Conflict,
            CommitError::TooOld,
            CommitError::TooLarge { bytes: 7, bytes_max: 6 },
            CommitError::KeyTooLarge { bytes: 5, bytes_max: 4 },
            CommitError::ValueTooLarge { bytes: 3, bytes_max: 2 },
            CommitError::Invalid { reason: "there are too many lanes" },
            CommitError::Overloaded { retry_after_ms: 9 },
            CommitError::NoSpace,
            CommitError::Abandoned,
            CommitError::UnknownResult { reason: reason() },
            CommitError::Stopped { reason: reason() },
        ] {
            let mut fields = fields(|out| put_commit_error(out, &error));
            assert_eq!(fields.commit_error(), Ok(error));
            assert_eq!(fields.end(), Ok(()));
        }
        for error in [
            ReadError::TooOld,
            ReadError::Corrupt { place: reason() },
            ReadError::Stopped { reason: reason() },
            ReadError::Failed { reason: reason() },
        ] {
            let mut fields = fields(|out| put_read_error(out, &error));
            assert_eq!(fields.read_error(), Ok(error));
            assert_eq!(fields.end(), Ok(()));
        }
    }

    fn request() -> CommitRequest {
        let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
        let range = KeyRange::new("a", "b");
        CommitRequest {
            read_version: u64::MAX,
            read_conflicts: vec![range.clone(), KeyRange::single(b"k")],
            write_conflicts: vec![range.clone()],
            mutations: vec![
                Mutation::set("k", "v"),
                Mutation::clear(""),
                Mutation::ClearRange { range },
                Mutation::Add { key: bytes("n"), delta: -5 },
                Mutation::SetVersionstampedKey { key: bytes("p"), offset: 3, value: bytes("q") },
                Mutation::SetVersionstampedValue { key: bytes("r"), value: bytes("s"), offset: 4 },
            ],
            lane: Some(CommitLane { id: 1, generation: u64::MAX }),
        }
    }

    #[test]
    fn a_commit_comes_out_as_it_went_in_and_no_part_of_it_does() {
        let mut out = Vec::new();
        put_commit_request(&mut out, &request());
        let mut whole = Fields::new(Bytes::from(out.clone()));
        assert_eq!(whole.commit_request(), Ok(request()));
        assert_eq!(whole.end(), Ok(()));
        for end in 0..out.len() {
            let mut part = Fields::new(Bytes::copy_from_slice(&out[..end]));
            assert!(part.commit_request().is_err(), "{end} bytes");
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters_lim_1() {
        let reason = "x".repeat(REASON_BYTES_MAX - 1) + "é and more";
        let mut fields = fields(|out| put_read_error(out, &ReadError::Failed { reason }));
        let expected = ReadError::Failed { reason: "x".repeat(REASON_BYTES_MAX - 1) };
        assert_eq!(fields.read_error(), Ok(expected));
    }

    #[test]
    fn nothing_is_reserved_for_items_that_are_not_there_lim_1() {
        for count in [1, 2, u32::MAX] {
            let mut fields = fields(|out| {
                out.push(0);
                out.extend_from_slice(&count.to_le_bytes());
                out.extend_from_slice(&[0; 4]);
            });
            assert!(fields.page().is_err(), "{count}");
        }
    }
}
