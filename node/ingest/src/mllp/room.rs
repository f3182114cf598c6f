//! How many bytes of an unfinished message a connection holds, and whether there is room for more
//! among all connections (LIM-1).

use super::limits::CONNECTION_FREE_BYTES_MAX;
use schema_hl7::mllp::{END_BLOCK, START_BLOCK};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The room of one connection.
pub(super) struct Room {
    /// Shared; one permit stands for [`CONNECTION_FREE_BYTES_MAX`] bytes.
    shared: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
    bytes: usize,
    /// The rest of a message past the limit is thrown away as it comes.
    is_skipping: bool,
    /// Bytes read last that belong to what comes after the last finished piece.
    tail_bytes: usize,
    /// Whether a frame began among them.
    is_start_in_tail: bool,
}

impl Room {
    pub(super) const fn new(shared: Arc<Semaphore>) -> Self {
        Self {
            shared,
            held: None,
            bytes: 0,
            is_skipping: false,
            tail_bytes: 0,
            is_start_in_tail: false,
        }
    }

    /// Bytes of the unfinished message; 0 between messages.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Counts bytes that were read; `false` when there is no room for them.
    pub(super) fn add(&mut self, read: &[u8]) -> bool {
        let end = read.iter().rposition(|byte| *byte == END_BLOCK);
        let tail = &read[end.map_or(0, |end| end + 1)..];
        let is_blank = tail.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
        self.tail_bytes = if is_blank { 0 } else { tail.len() };
        self.is_start_in_tail = tail.contains(&START_BLOCK);
        if self.is_skipping {
            if !read.contains(&START_BLOCK) {
                return true;
            }
            self.is_skipping = false;
            self.bytes = 0;
        }
        self.bytes += read.len();
        self.reserve()
    }

    fn reserve(&mut self) -> bool {
        let wanted = self.bytes / CONNECTION_FREE_BYTES_MAX;
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Some(missing) = wanted.checked_sub(held).filter(|missing| *missing > 0) else {
            return true;
        };
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        let Ok(more) = Arc::clone(&self.shared).try_acquire_many_owned(missing) else {
            return false;
        };
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        true
    }

    /// A piece left the decoder and was dealt with; what remains came after it.
    pub(super) fn release(&mut self, was_too_large: bool) {
        self.held = None;
        self.is_skipping = was_too_large && !self.is_start_in_tail;
        self.bytes = if self.is_skipping { 0 } else { self.tail_bytes };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_shared_and_given_back_lim_1() {
        let shared = Arc::new(Semaphore::new(2));
        let (mut first, mut second) = (Room::new(shared.clone()), Room::new(shared.clone()));
        let block = vec![b'x'; CONNECTION_FREE_BYTES_MAX];
        assert!(first.add(&block) && first.add(&block));
        assert_eq!(shared.available_permits(), 0);
        assert!(second.add(&block[1..]), "the first bytes of a connection are free");
        assert!(!second.add(&block), "there is no room for more");
        assert!(first.add(b"x\x1C\r\x0BMSH"));
        first.release(false);
        assert_eq!((first.bytes(), shared.available_permits()), (5, 2));
        assert!(second.add(&block));
    }

    #[test]
    fn thrown_away_bytes_take_no_room() {
        let mut room = Room::new(Arc::new(Semaphore::new(0)));
        assert!(room.add(b"\x0Bxx"));
        assert!(room.add(b"xxxx"));
        room.release(true);
        assert!(room.add(&vec![b'x'; 10 * CONNECTION_FREE_BYTES_MAX]));
        assert_eq!(room.bytes(), 0);
        assert!(room.add(b"x\x1C\r\x0BMSH"), "the next frame counts again");
        assert_eq!(room.bytes(), 7);
    }
}
