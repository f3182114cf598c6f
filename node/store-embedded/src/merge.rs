//! Merging of sorted sources into one: the newest source wins for a key. Reads, checkpoints and
//! compaction all go through it; where the sources come from is not known here.

use std::cmp::Ordering;

use actors_store::ReadError;

use crate::part::PartCursor;
use crate::row::Prefix;
use crate::run::RunCursor;

/// Direction in which the sources run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

/// A key with its value, or with the mark that it was cleared.
pub(crate) type Entry<'a> = (&'a [u8], Option<&'a [u8]>);

/// One source in key order, or against it, with at most one entry per key. It stands on its
/// first entry when it is handed in.
pub(crate) enum Source<'a> {
    Part(PartCursor<'a>),
    Run(RunCursor<'a>),
}

impl Source<'_> {
    /// Prefix of the present key; reads no other memory.
    fn prefix(&self) -> Option<Prefix> {
        match self {
            Self::Part(cursor) => cursor.prefix(),
            Self::Run(cursor) => cursor.prefix(),
        }
    }

    fn entry(&self) -> Option<Entry<'_>> {
        match self {
            Self::Part(cursor) => cursor.entry(),
            Self::Run(cursor) => cursor.entry(),
        }
    }

    fn advance(&mut self, direction: Direction) -> Result<(), ReadError> {
        match self {
            Self::Part(cursor) => {
                cursor.advance(direction);
                Ok(())
            }
            Self::Run(cursor) => cursor.advance(direction),
        }
    }
}

/// The merged source; cleared keys are still in it.
pub(crate) struct Merge<'a> {
    sources: Vec<Source<'a>>,
    prefixes: Vec<Prefix>,
    /// Positions of sources that have an entry, the next one first, each before its children.
    heap: Vec<usize>,
    direction: Direction,
}

impl<'a> Merge<'a> {
    /// Sources from the newest to the oldest.
    pub(crate) fn new(sources: Vec<Source<'a>>, direction: Direction) -> Self {
        let heads: Vec<Option<Prefix>> = sources.iter().map(Source::prefix).collect();
        let heap = (0..sources.len()).filter(|position| heads[*position].is_some()).collect();
        let prefixes = heads.into_iter().map(Option::unwrap_or_default).collect();
        let mut merge = Self { sources, prefixes, heap, direction };
        for position in (0..merge.heap.len() / 2).rev() {
            merge.sift_down(position);
        }
        merge
    }

    /// The present key with its value, or with the mark that it was cleared.
    pub(crate) fn entry(&self) -> Option<Entry<'_>> {
        self.sources[*self.heap.first()?].entry()
    }

    /// Goes to the next key, past older entries of the present one.
    pub(crate) fn advance(&mut self) -> Result<(), ReadError> {
        while let Some(position) = self.second() {
            if self.by_key(self.heap[0], self.heap[position]) != Ordering::Equal {
                break;
            }
            self.step(position)?;
        }
        if self.heap.is_empty() { Ok(()) } else { self.step(0) }
    }

    /// Where the source is that comes after the first one.
    fn second(&self) -> Option<usize> {
        match self.heap.len() {
            0 | 1 => None,
            2 => Some(1),
            _more => Some(if self.comes_before(self.heap[2], self.heap[1]) { 2 } else { 1 }),
        }
    }

    fn step(&mut self, position: usize) -> Result<(), ReadError> {
        let source = self.heap[position];
        self.sources[source].advance(self.direction)?;
        match self.sources[source].prefix() {
            Some(prefix) => self.prefixes[source] = prefix,
            None => {
                self.heap.swap_remove(position);
            }
        }
        self.sift_down(position);
        Ok(())
    }

    fn by_key(&self, first: usize, second: usize) -> Ordering {
        self.prefixes[first].cmp(&self.prefixes[second]).then_with(|| {
            let key = |source: usize| self.sources[source].entry().map(|(key, _)| key);
            key(first).cmp(&key(second))
        })
    }

    fn comes_before(&self, first: usize, second: usize) -> bool {
        let by_key = self.by_key(first, second);
        let by_key = match self.direction {
            Direction::Forward => by_key,
            Direction::Backward => by_key.reverse(),
        };
        by_key.then(first.cmp(&second)) == Ordering::Less
    }

    fn sift_down(&mut self, mut position: usize) {
        loop {
            let mut first = position;
            for child in [2 * position + 1, 2 * position + 2] {
                if child < self.heap.len() && self.comes_before(self.heap[child], self.heap[first])
                {
                    first = child;
                }
            }
            if first == position {
                return;
            }
            self.heap.swap(first, position);
            position = first;
        }
    }
}
