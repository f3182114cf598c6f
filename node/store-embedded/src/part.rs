//! Parts: sorted, immutable pieces of the overlay. Each committed batch is one; small ones are
//! merged into larger ones. Which parts there are is the overlay's business.

use std::ops::Range;
use std::sync::Arc;

use actors_store::{KeyRange, Version};
use bytes::Bytes;

use crate::codec::{index, length32};
use crate::limits::CHUNK_KEPT_BYTES;
use crate::merge::{Direction, Entry};
use crate::row::{Prefix, Row, Wanted, by_key, chunk_of, same_key};

/// Rows for each fence.
const FENCE_ROWS: usize = 64;
/// Rows of a part up to which a search costs no more than its filter.
const UNFILTERED_ROWS_MAX: usize = 16;
/// Rows whose bytes are fetched together, and how many bytes of each.
const TOUCHED_ROWS: usize = 8;
const TOUCHED_BYTES: usize = 320;
const KEY_TOUCHED_BYTES: usize = 128;
/// Rows of a sort that are looked at together.
const SORTED_ROWS: usize = 64;
const CACHE_LINE_BYTES: usize = 64;
/// Bits of the filter for each row.
const FILTER_BITS: usize = 16;

/// See the module.
pub(crate) struct Part {
    /// By key, then from the newest version to the oldest.
    rows: Box<[Row]>,
    chunks: Vec<Bytes>,
    filter: Box<[u64]>,
    /// Prefixes of every so many rows, the first included: they stay in the processor's cache.
    fences: Box<[Prefix]>,
    /// Memory that it holds, in bytes.
    pub(crate) bytes: usize,
}

impl Part {
    /// A part of sorted rows.
    pub(crate) fn new(rows: Vec<Row>, chunks: Vec<Bytes>) -> Self {
        let rows = rows.into_boxed_slice();
        let filter = filter_of(&rows);
        let fences: Box<[Prefix]> = rows.iter().step_by(FENCE_ROWS).map(|row| row.prefix).collect();
        let of_chunks: usize = chunks.iter().map(|chunk| chunk.len() + size_of::<Bytes>()).sum();
        let of_search = size_of_val(&*filter) + size_of_val(&*fences);
        let bytes = size_of_val(&*rows) + of_search + of_chunks + size_of::<Self>();
        Self { rows, chunks, filter, fences, bytes }
    }

    /// Several parts, newest first, as one. Versions that no reader from `published` on can see
    /// are left out.
    pub(crate) fn merged(parts: &[Arc<Self>], published: Version) -> Self {
        let count = parts.iter().map(|part| part.len()).sum();
        let mut rows: Vec<Row> = Vec::with_capacity(count);
        let mut copied = Vec::new();
        let mut chunks = vec![Bytes::new()];
        for part in parts {
            let kept: Vec<Option<u32>> =
                part.chunks.iter().map(|chunk| keep(chunk, &mut chunks)).collect();
            rows.extend(part.rows.iter().map(|row| match kept[index(row.chunk)] {
                Some(chunk) => Row { chunk, ..*row },
                None => row.moved(chunk_of(&part.chunks, row.chunk), &mut copied, 0),
            }));
        }
        chunks[0] = Bytes::from(copied);
        sort(&mut rows, &chunks);
        forget_unseen(&mut rows, &chunks, published);
        rows.shrink_to_fit();
        Self::new(rows, chunks)
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    fn key(&self, row: &Row) -> &[u8] {
        row.key(chunk_of(&self.chunks, row.chunk))
    }

    /// Position of the first row that is not before a key. The fences say among which few rows
    /// it is, or none of them.
    fn lower_bound(&self, prefix: Prefix, key: &[u8]) -> usize {
        let low = self.fences.partition_point(|fence| *fence < prefix);
        let same = self.fences[low..].iter().take_while(|fence| **fence == prefix).count();
        let begin = low.saturating_sub(1) * FENCE_ROWS;
        let end = ((low + same) * FENCE_ROWS).min(self.rows.len());
        begin + self.partition_point(begin..end, prefix, key)
    }

    /// As [`Part::lower_bound`] for a key that is expected soon behind a position.
    fn lower_bound_after(&self, from: usize, prefix: Prefix, key: &[u8]) -> usize {
        let near = (from + FENCE_ROWS).min(self.rows.len());
        let found = from + self.partition_point(from..near, prefix, key);
        if found < near || near == self.rows.len() {
            return found;
        }
        self.lower_bound(prefix, key).max(from)
    }

    fn partition_point(&self, rows: Range<usize>, prefix: Prefix, key: &[u8]) -> usize {
        self.rows[rows].partition_point(|row| {
            row.prefix < prefix || (row.prefix == prefix && self.key(row) < key)
        })
    }

    /// Newest entry of a key up to a version; the inner `None` is a cleared key.
    pub(crate) fn get(&self, wanted: &Wanted<'_>, version: Version) -> Option<Option<&[u8]>> {
        if !may_hold(&self.filter, wanted.short_hash()) {
            return None;
        }
        let first = self.lower_bound(wanted.prefix, wanted.key);
        let found = self.rows.get(first)?;
        if found.prefix != wanted.prefix || self.key(found) != wanted.key {
            return None;
        }
        let older = self.rows[first + 1..].iter().take_while(|row| row.again);
        let row = std::iter::once(found).chain(older).find(|row| row.version <= version)?;
        Some(row.value(chunk_of(&self.chunks, row.chunk)))
    }

    /// Whether any key of a range is in it, whatever the version.
    pub(crate) fn holds_any(&self, range: &KeyRange) -> bool {
        let first = self.lower_bound(Prefix::of(&range.begin), &range.begin);
        self.rows.get(first).is_some_and(|row| *self.key(row) < *range.end)
    }

    /// The newest entries up to a version of the keys in a range, cleared keys included.
    pub(crate) fn cursor(
        &self,
        range: &KeyRange,
        version: Version,
        direction: Direction,
    ) -> PartCursor<'_> {
        let begin = self.lower_bound(Prefix::of(&range.begin), &range.begin);
        let end = self.lower_bound_after(begin, Prefix::of(&range.end), &range.end);
        // Short ranges touch nothing.
        let touched = begin + TOUCHED_ROWS;
        let left = begin..end;
        let mut cursor = PartCursor { part: self, version, left, touched, present: None };
        cursor.advance(direction);
        cursor
    }
}

/// Sorts rows by key. The sort is stable and knows runs that are in order already: of one key,
/// newer versions stay first. Rows with equal prefixes are sorted group by group, because the
/// rest of their keys must be fetched from memory, which is done ahead and together.
fn sort(rows: &mut [Row], chunks: &[Bytes]) {
    rows.sort_by_key(|row| row.prefix);
    let (mut begin, mut touched) = (0, 0);
    while begin < rows.len() {
        if begin >= touched {
            touched = begin + SORTED_ROWS;
            for pair in rows[begin..].windows(2).take(SORTED_ROWS + TOUCHED_ROWS) {
                if pair[0].prefix == pair[1].prefix {
                    touch(&pair[0], chunks, KEY_TOUCHED_BYTES);
                    touch(&pair[1], chunks, KEY_TOUCHED_BYTES);
                }
            }
        }
        let prefix = rows[begin].prefix;
        let same = rows[begin + 1..].iter().take_while(|row| row.prefix == prefix).count();
        let end = begin + 1 + same;
        if same > 0 {
            rows[begin..end]
                .sort_by(|first, second| by_key(first, second, |chunk| chunk_of(chunks, chunk)));
        }
        begin = end;
    }
}

/// Reads the bytes of a row that will be needed soon. Rows point anywhere in memory; reading
/// several at once lets the processor fetch them together instead of one after the other.
fn touch(row: &Row, chunks: &[Bytes], bytes: usize) {
    let chunk = chunk_of(chunks, row.chunk);
    for line in (0..bytes).step_by(CACHE_LINE_BYTES) {
        std::hint::black_box(chunk.get(index(row.at) + line).copied());
    }
}

/// Keeps a chunk of its own if it is large; nothing when its rows should be copied together.
fn keep(chunk: &Bytes, chunks: &mut Vec<Bytes>) -> Option<u32> {
    if chunk.len() < CHUNK_KEPT_BYTES {
        return None;
    }
    chunks.push(chunk.clone());
    Some(length32(chunks.len() - 1))
}

/// Leaves out what is older than the newest version that everyone sees, and marks the rows that
/// repeat a key.
fn forget_unseen(rows: &mut Vec<Row>, chunks: &[Bytes], published: Version) {
    let mut before: Option<Row> = None;
    let mut seen_by_all = false;
    rows.retain_mut(|row| {
        let again =
            before.is_some_and(|before| same_key(&before, row, |chunk| chunk_of(chunks, chunk)));
        let needed = !(again && seen_by_all);
        seen_by_all = (again && seen_by_all) || row.version <= published;
        before = Some(*row);
        row.again = again;
        needed
    });
}

/// A filter of one word per probe: the search of an absent key costs one access of memory.
fn filter_of(rows: &[Row]) -> Box<[u64]> {
    if rows.len() <= UNFILTERED_ROWS_MAX {
        return Box::default();
    }
    let bits = usize::try_from(u64::BITS).unwrap_or(64);
    let mut filter = vec![0; (rows.len() * FILTER_BITS).div_ceil(bits)].into_boxed_slice();
    for row in rows {
        let (word, mask) = probe(filter.len(), row.hash);
        filter[word] |= mask;
    }
    filter
}

fn probe(words: usize, hash: u32) -> (usize, u64) {
    let word = (u64::from(hash) * words as u64) >> u32::BITS;
    let bits = hash.wrapping_mul(0x9E37_79B9);
    let mask = [8, 14, 20, 26].iter().fold(0, |mask, shift| mask | 1 << ((bits >> shift) & 63));
    (usize::try_from(word).unwrap_or(0), mask)
}

fn may_hold(filter: &[u64], hash: u32) -> bool {
    if filter.is_empty() {
        return true;
    }
    let (word, mask) = probe(filter.len(), hash);
    filter[word] & mask == mask
}

/// See [`Part::cursor`].
pub(crate) struct PartCursor<'a> {
    part: &'a Part,
    version: Version,
    /// Rows not looked at; between keys on the side from which they are taken.
    left: Range<usize>,
    /// Up to which row touching ahead has nothing to do.
    touched: usize,
    present: Option<usize>,
}

impl<'a> PartCursor<'a> {
    /// Goes to the next entry.
    pub(crate) fn advance(&mut self, direction: Direction) {
        self.present = match direction {
            Direction::Forward => self.forward(),
            Direction::Backward => self.backward(),
        };
    }

    fn forward(&mut self) -> Option<usize> {
        if self.left.start >= self.touched {
            self.touch_ahead();
        }
        let rows = &self.part.rows[..self.left.end];
        let mut at = self.left.start;
        while rows.get(at)?.version > self.version {
            at += 1;
        }
        let mut next = at + 1;
        while rows.get(next).is_some_and(|row| row.again) {
            next += 1;
        }
        self.left.start = next;
        Some(at)
    }

    /// Fetches the rows behind the next few.
    fn touch_ahead(&mut self) {
        let begin = self.left.start + TOUCHED_ROWS;
        let end = (begin + TOUCHED_ROWS).min(self.left.end);
        self.touched = self.left.start + TOUCHED_ROWS;
        for row in self.part.rows.get(begin..end).unwrap_or_default() {
            touch(row, &self.part.chunks, TOUCHED_BYTES);
        }
    }

    fn backward(&mut self) -> Option<usize> {
        while !self.left.is_empty() {
            let end = self.left.end;
            let mut first = end - 1;
            while self.part.rows[first].again {
                first -= 1;
            }
            self.left.end = first;
            let mut versions = first..end;
            if let Some(found) = versions.find(|at| self.part.rows[*at].version <= self.version) {
                return Some(found);
            }
        }
        None
    }

    /// Prefix of the present key.
    pub(crate) fn prefix(&self) -> Option<Prefix> {
        self.present.map(|present| self.part.rows[present].prefix)
    }

    /// The present entry.
    pub(crate) fn entry(&self) -> Option<Entry<'a>> {
        let part = self.part;
        let row = &part.rows[self.present?];
        let bytes = chunk_of(&part.chunks, row.chunk);
        Some((row.key(bytes), row.value(bytes)))
    }
}
