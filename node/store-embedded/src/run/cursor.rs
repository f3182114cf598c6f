//! Entries of a run in either direction, block by block, without taking them apart further than
//! their positions.

use std::ops::Range;

use actors_store::{KeyRange, ReadError};
use bytes::Bytes;

use super::CLEARED;
use super::reader::{Damage, Run};
use crate::codec::{Fields, index};
use crate::merge::{Direction, Entry};
use crate::row::Prefix;

/// Where an entry lies in its block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    key_at: usize,
    value_at: usize,
    value_bytes: u32,
}

impl Span {
    fn key<'a>(&self, block: &'a [u8]) -> &'a [u8] {
        &block[self.key_at..self.value_at]
    }

    fn value<'a>(&self, block: &'a [u8]) -> Option<&'a [u8]> {
        let present = self.value_bytes != CLEARED;
        present.then(|| &block[self.value_at..self.value_at + index(self.value_bytes)])
    }
}

/// Finds the entries of a block; nothing when they do not fill it exactly.
pub(super) fn parse(block: &[u8], spans: &mut Vec<Span>) -> Option<()> {
    spans.clear();
    let mut fields = Fields::new(block, 0);
    while !fields.is_empty() {
        let (key_bytes, value_bytes) = (fields.u32()?, fields.u32()?);
        let key_at = fields.skip(index(key_bytes))?;
        let stored_bytes = if value_bytes == CLEARED { 0 } else { index(value_bytes) };
        let value_at = fields.skip(stored_bytes)?;
        spans.push(Span { key_at, value_at, value_bytes });
    }
    Some(())
}

/// See [`Run::cursor`].
pub(crate) struct RunCursor<'a> {
    run: &'a Run,
    range: &'a KeyRange,
    /// Leave damaged blocks out instead of failing.
    lenient: bool,
    /// Blocks not looked at.
    blocks: Range<usize>,
    block: Bytes,
    spans: Vec<Span>,
    /// Entries of the present block that are not done, the present one included.
    left: Range<usize>,
    present: Option<(Prefix, Span)>,
}

impl<'a> RunCursor<'a> {
    pub(super) fn new(
        run: &'a Run,
        range: &'a KeyRange,
        blocks: Range<usize>,
        lenient: bool,
    ) -> Self {
        let (block, spans) = (Bytes::new(), Vec::new());
        Self { run, range, lenient, blocks, block, spans, left: 0..0, present: None }
    }

    /// Prefix of the present key.
    pub(crate) fn prefix(&self) -> Option<Prefix> {
        self.present.as_ref().map(|(prefix, _)| *prefix)
    }

    /// The present entry.
    pub(crate) fn entry(&self) -> Option<Entry<'_>> {
        let (_, span) = self.present.as_ref()?;
        Some((span.key(&self.block), span.value(&self.block)))
    }

    /// Goes to the next entry; after a damaged block there is none.
    pub(crate) fn advance(&mut self, direction: Direction) -> Result<(), ReadError> {
        loop {
            let next = match direction {
                Direction::Forward => self.left.next(),
                Direction::Backward => self.left.next_back(),
            };
            self.present = next.map(|position| {
                let span = self.spans[position];
                (Prefix::of(span.key(&self.block)), span)
            });
            if self.present.is_some() {
                return Ok(());
            }
            let next = match direction {
                Direction::Forward => self.blocks.next(),
                Direction::Backward => self.blocks.next_back(),
            };
            let Some(position) = next else { return Ok(()) };
            match self.load(position) {
                Ok(()) => {}
                Err(_damage) if self.lenient => {}
                Err(damage) => {
                    self.blocks = 0..0;
                    return Err(self.run.read_error(damage));
                }
            }
        }
    }

    fn load(&mut self, position: usize) -> Result<(), Damage> {
        self.left = 0..0;
        self.block = self.run.payload(position)?;
        let block: &[u8] = &self.block;
        parse(block, &mut self.spans).ok_or_else(|| self.run.senseless(position))?;
        let begin = self.spans.partition_point(|span| *span.key(block) < *self.range.begin);
        let end = self.spans.partition_point(|span| *span.key(block) < *self.range.end);
        self.left = begin..end.max(begin);
        Ok(())
    }
}
