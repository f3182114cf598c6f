//! What the log holds, in memory: where each entry lies, and the newest ones as bytes. It follows
//! the blocks in order, the same way when they are written and when they are read again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::block::BlockBody;
use crate::limits::LOG_CACHE_BYTES_MAX;
use crate::records::Position;

/// Where an entry lies.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) position: Position,
    pub(crate) segment: u64,
    /// Offset in the file of the segment.
    pub(crate) offset: u64,
    pub(crate) length: usize,
    pub(crate) crc: u32,
    pub(crate) cached: Option<Arc<[u8]>>,
}

/// A block that cannot follow what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Impossible(pub(crate) &'static str);

#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) purged: Option<Position>,
    slots: BTreeMap<u64, Slot>,
    /// Index of the next entry.
    pub(crate) next: u64,
    cached_bytes: usize,
    /// Entries below this one are not in memory.
    cached_from: u64,
    /// Bytes of all entries present.
    bytes: u64,
}

impl Index {
    /// Last entry, or the last purged one when there is none.
    pub(crate) fn last(&self) -> Option<Position> {
        self.slots.last_key_value().map(|(_, slot)| slot.position).or(self.purged)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn get(&self, index: u64) -> Option<&Slot> {
        self.slots.get(&index)
    }

    /// The entries from `start` to before `end` that are present.
    pub(crate) fn range(&self, start: u64, end: u64) -> impl Iterator<Item = &Slot> {
        let end = end.max(start);
        self.slots.range(start..end).map(|(_, slot)| slot)
    }

    /// Segment of the oldest entry present.
    pub(crate) fn lowest_segment(&self) -> Option<u64> {
        self.slots.values().next().map(|slot| slot.segment)
    }

    /// Whether every entry between the purged ones and the end is present.
    pub(crate) fn is_whole(&self) -> bool {
        let first = self.purged.map_or(0, |purged| purged.index + 1);
        let present = self.slots.len() as u64;
        let begins = self.slots.first_key_value().is_none_or(|(&index, _)| index == first);
        begins && first + present == self.next
    }

    /// Follows a block whose payload begins at `payload_at` of a segment.
    pub(crate) fn follow(
        &mut self,
        body: &BlockBody,
        segment: u64,
        payload_at: u64,
    ) -> Result<(), Impossible> {
        match body {
            BlockBody::Start { purged, next } => self.start(*purged, *next),
            BlockBody::Entries(entries) => {
                for entry in entries {
                    let slot = Slot {
                        position: entry.position,
                        segment,
                        offset: payload_at + entry.offset as u64,
                        length: entry.length,
                        crc: entry.crc,
                        cached: None,
                    };
                    self.append(slot)?;
                }
                Ok(())
            }
            BlockBody::Truncate { from } => self.truncate(*from),
            BlockBody::Purge { through } => {
                self.purge(*through);
                Ok(())
            }
        }
    }

    /// At the first segment what came before is taken as said; later ones have to agree.
    fn start(&mut self, purged: Option<Position>, next: u64) -> Result<(), Impossible> {
        let fresh = self.slots.is_empty() && self.purged.is_none() && self.next == 0;
        if fresh {
            self.purged = purged;
            self.next = next;
            return Ok(());
        }
        let agrees = self.purged == purged && self.next == next;
        if agrees { Ok(()) } else { Err(Impossible("a segment does not follow the one before")) }
    }

    fn append(&mut self, slot: Slot) -> Result<(), Impossible> {
        if slot.position.index != self.next {
            return Err(Impossible("an entry does not follow the one before"));
        }
        self.next += 1;
        self.bytes += slot.length as u64;
        self.slots.insert(slot.position.index, slot);
        Ok(())
    }

    fn truncate(&mut self, from: u64) -> Result<(), Impossible> {
        if self.purged.is_some_and(|purged| from <= purged.index) {
            return Err(Impossible("purged entries are truncated"));
        }
        let removed = self.slots.split_off(&from);
        self.forget(removed.values());
        self.next = self.next.min(from);
        Ok(())
    }

    fn purge(&mut self, through: Position) {
        let kept = self.slots.split_off(&(through.index + 1));
        let removed = std::mem::replace(&mut self.slots, kept);
        self.forget(removed.values());
        if self.purged.is_none_or(|purged| purged.index < through.index) {
            self.purged = Some(through);
        }
        self.next = self.next.max(through.index + 1);
    }

    fn forget<'a>(&mut self, removed: impl Iterator<Item = &'a Slot>) {
        for slot in removed {
            self.bytes -= slot.length as u64;
            if slot.cached.is_some() {
                self.cached_bytes -= slot.length;
            }
        }
    }

    /// Keeps the bytes of a new entry, at the expense of the oldest (LIM-1).
    pub(crate) fn cache(&mut self, index: u64, bytes: Arc<[u8]>) {
        let Some(slot) = self.slots.get_mut(&index) else { return };
        self.cached_bytes += bytes.len();
        slot.cached = Some(bytes);
        self.cached_from = self.cached_from.min(index);
        while self.cached_bytes > LOG_CACHE_BYTES_MAX && self.cached_from < index {
            if let Some(slot) = self.slots.get_mut(&self.cached_from)
                && slot.cached.take().is_some()
            {
                self.cached_bytes -= slot.length;
            }
            self.cached_from += 1;
        }
    }
}
