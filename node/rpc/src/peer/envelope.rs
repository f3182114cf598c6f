//! What travels between two gateways: batches of requests, replies, refusals and heartbeats behind
//! the token of their session. What is larger than a batch goes in parts. Little-endian; the bytes
//! of a request are copied once into a batch and once out of it. Decoding never panics and
//! allocates nothing.

use super::assembly::Part;
use super::budget::Room;
use super::limits::{BATCH_BYTES, PART_BYTES_MAX};
use std::collections::VecDeque;

/// Names a session on both of its sides. Nobody else knows it, so it proves from whom a batch is,
/// and an answer of an earlier session never meets a call of a later one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Token(pub(crate) [u8; TOKEN_BYTES]);

const TOKEN_BYTES: usize = 16;

const KIND_REQUEST: u8 = 1;
const KIND_REPLY: u8 = 2;
const KIND_REFUSAL: u8 = 3;
const KIND_PING: u8 = 4;
const KIND_PONG: u8 = 5;
const KIND_LEAVING: u8 = 6;
const KIND_REQUEST_PART: u8 = 7;
const KIND_REPLY_PART: u8 = 8;

/// The most that an item takes beside its bytes.
const ITEM_HEAD_BYTES_MAX: usize = 1 + 8 + 4 + 4;

/// Why a request was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusalCode {
    Overloaded,
    Malformed,
    ShuttingDown,
    HandlerFailed,
    DeadlineExceeded,
    ReplyRefused,
}

const CODES: [(u8, RefusalCode); 6] = [
    (1, RefusalCode::Overloaded),
    (2, RefusalCode::Malformed),
    (3, RefusalCode::ShuttingDown),
    (4, RefusalCode::HandlerFailed),
    (5, RefusalCode::DeadlineExceeded),
    (6, RefusalCode::ReplyRefused),
];

/// One item of a batch.
#[derive(Clone, Copy)]
#[cfg_attr(test, derive(Debug))]
pub(crate) enum Item<'a> {
    /// A request, or the last piece of one.
    Request {
        id: u64,
        deadline_ms: u32,
        bytes: &'a [u8],
    },
    RequestPart(Part<'a>),
    /// A reply, or the last piece of one.
    Reply {
        id: u64,
        bytes: &'a [u8],
    },
    ReplyPart(Part<'a>),
    Refusal {
        id: u64,
        code: RefusalCode,
        retry_after_ms: u32,
    },
    Ping {
        sent_at_micros: u64,
    },
    Pong {
        sent_at_micros: u64,
    },
    Leaving,
}

impl Item<'_> {
    /// Appends the item. Lengths are checked by whoever makes it.
    fn encode(&self, into: &mut Vec<u8>) {
        let start = |into: &mut Vec<u8>, kind: u8, number: u64| {
            into.push(kind);
            into.extend_from_slice(&number.to_le_bytes());
        };
        let block = |into: &mut Vec<u8>, bytes: &[u8]| {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            into.extend_from_slice(&length.to_le_bytes());
            into.extend_from_slice(bytes);
        };
        match self {
            Self::Request { id, deadline_ms, bytes } => {
                start(into, KIND_REQUEST, *id);
                into.extend_from_slice(&deadline_ms.to_le_bytes());
                block(into, bytes);
            }
            Self::RequestPart(part) => {
                start(into, KIND_REQUEST_PART, part.id);
                into.extend_from_slice(&part.bytes_total.to_le_bytes());
                block(into, part.bytes);
            }
            Self::ReplyPart(part) => {
                start(into, KIND_REPLY_PART, part.id);
                into.extend_from_slice(&part.bytes_total.to_le_bytes());
                block(into, part.bytes);
            }
            Self::Reply { id, bytes } => {
                start(into, KIND_REPLY, *id);
                block(into, bytes);
            }
            Self::Refusal { id, code, retry_after_ms } => {
                start(into, KIND_REFUSAL, *id);
                let byte =
                    CODES.iter().find(|(_, known)| known == code).map_or(0, |(byte, _)| *byte);
                into.push(byte);
                into.extend_from_slice(&retry_after_ms.to_le_bytes());
            }
            Self::Ping { sent_at_micros } => start(into, KIND_PING, *sent_at_micros),
            Self::Pong { sent_at_micros } => start(into, KIND_PONG, *sent_at_micros),
            Self::Leaving => start(into, KIND_LEAVING, 0),
        }
    }

    fn payload(&self) -> &[u8] {
        match self {
            Self::Request { bytes, .. } | Self::Reply { bytes, .. } => bytes,
            Self::RequestPart(part) | Self::ReplyPart(part) => part.bytes,
            Self::Refusal { .. } | Self::Ping { .. } | Self::Pong { .. } | Self::Leaving => &[],
        }
    }

    /// The most that the item takes in a batch.
    fn bytes_max(&self) -> usize {
        self.payload().len() + ITEM_HEAD_BYTES_MAX
    }

    /// One piece of an item that is too large for a batch: a part, or the last piece.
    fn piece<'b>(&self, bytes: &'b [u8], is_last: bool) -> Item<'b> {
        let bytes_total = u32::try_from(self.payload().len()).unwrap_or(u32::MAX);
        match *self {
            Self::Request { id, deadline_ms, .. } if is_last => {
                Item::Request { id, deadline_ms, bytes }
            }
            Self::Request { id, .. } => Item::RequestPart(Part { id, bytes_total, bytes }),
            Self::Reply { id, .. } if is_last => Item::Reply { id, bytes },
            Self::Reply { id, .. } => Item::ReplyPart(Part { id, bytes_total, bytes }),
            // These are never too large for a batch.
            Self::RequestPart(part) => Item::RequestPart(Part { bytes, ..part }),
            Self::ReplyPart(part) => Item::ReplyPart(Part { bytes, ..part }),
            Self::Refusal { id, code, retry_after_ms } => {
                Item::Refusal { id, code, retry_after_ms }
            }
            Self::Ping { sent_at_micros } => Item::Ping { sent_at_micros },
            Self::Pong { sent_at_micros } => Item::Pong { sent_at_micros },
            Self::Leaving => Item::Leaving,
        }
    }
}

pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// Given back when the batch leaves.
    rooms: Vec<Room>,
}

impl Batch {
    fn new(token: Token, item: &Item<'_>) -> Self {
        let mut bytes = Vec::with_capacity(token.0.len() + item.bytes_max());
        bytes.extend_from_slice(&token.0);
        item.encode(&mut bytes);
        Self { bytes, rooms: Vec::new() }
    }
}

/// An item that is ready to be put in line. A large one is cut and copied before, so that nobody
/// waits for that.
pub(crate) enum Cargo<'a> {
    Small { item: Item<'a>, room: Option<Room> },
    Large(Vec<Batch>),
}

impl<'a> Cargo<'a> {
    /// `room` is given back when the last of it leaves.
    pub(crate) fn new(token: Token, item: Item<'a>, room: Option<Room>) -> Self {
        let payload = item.payload();
        if payload.len() <= PART_BYTES_MAX {
            return Self::Small { item, room };
        }
        let count = payload.len().div_ceil(PART_BYTES_MAX);
        let pieces = payload.chunks(PART_BYTES_MAX).enumerate();
        let batch = |(at, bytes)| Batch::new(token, &item.piece(bytes, at + 1 == count));
        let mut batches: Vec<Batch> = pieces.map(batch).collect();
        if let Some(last) = batches.last_mut() {
            last.rooms.extend(room);
        }
        Self::Large(batches)
    }
}

/// Batches that wait to be sent, the oldest first.
pub(crate) struct Batches {
    token: Token,
    waiting: VecDeque<Batch>,
    bytes: usize,
}

impl Batches {
    pub(crate) fn new(token: Token) -> Self {
        Self { token, waiting: VecDeque::new(), bytes: 0 }
    }

    /// Adds an item to the newest batch or to one more, or the batches of a large one.
    pub(crate) fn push(&mut self, cargo: Cargo<'_>) {
        let (item, room) = match cargo {
            Cargo::Small { item, room } => (item, room),
            Cargo::Large(batches) => {
                self.bytes += batches.iter().map(|batch| batch.bytes.len()).sum::<usize>();
                self.waiting.extend(batches);
                return;
            }
        };
        let fits = |last: &&mut Batch| last.bytes.len() + item.bytes_max() <= BATCH_BYTES;
        if let Some(last) = self.waiting.back_mut().filter(fits) {
            let before = last.bytes.len();
            item.encode(&mut last.bytes);
            last.rooms.extend(room);
            self.bytes += last.bytes.len() - before;
            return;
        }
        let mut batch = Batch::new(self.token, &item);
        batch.rooms.extend(room);
        self.bytes += batch.bytes.len();
        self.waiting.push_back(batch);
    }

    /// Takes the oldest batch.
    pub(crate) fn pop(&mut self) -> Option<Vec<u8>> {
        let batch = self.waiting.pop_front()?;
        self.bytes -= batch.bytes.len();
        Some(batch.bytes)
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
    }
}

const _: () = assert!(TOKEN_BYTES + ITEM_HEAD_BYTES_MAX + PART_BYTES_MAX <= BATCH_BYTES);

/// A batch that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads the items of a batch, one after the other.
pub(crate) struct BatchReader<'a> {
    rest: &'a [u8],
}

impl<'a> BatchReader<'a> {
    /// The token of a batch, and its items.
    pub(crate) fn new(batch: &'a [u8]) -> Result<(Token, Self), Malformed> {
        let (token, rest) = batch.split_first_chunk::<TOKEN_BYTES>().ok_or(Malformed)?;
        Ok((Token(*token), Self { rest }))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn narrow(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn wide(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    fn block(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.narrow()?).map_err(|_| Malformed)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn part(&mut self, id: u64) -> Result<Part<'a>, Malformed> {
        Ok(Part { id, bytes_total: self.narrow()?, bytes: self.block()? })
    }

    /// The next item; `None` after the last.
    pub(crate) fn next(&mut self) -> Result<Option<Item<'a>>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let [kind] = self.take()?;
        let number = self.wide()?;
        Ok(Some(match kind {
            KIND_REQUEST => {
                let deadline_ms = self.narrow()?;
                Item::Request { id: number, deadline_ms, bytes: self.block()? }
            }
            KIND_REQUEST_PART => Item::RequestPart(self.part(number)?),
            KIND_REPLY => Item::Reply { id: number, bytes: self.block()? },
            KIND_REPLY_PART => Item::ReplyPart(self.part(number)?),
            KIND_REFUSAL => {
                let [byte] = self.take()?;
                let code = CODES.iter().find(|(known, _)| *known == byte).ok_or(Malformed)?.1;
                Item::Refusal { id: number, code, retry_after_ms: self.narrow()? }
            }
            KIND_PING => Item::Ping { sent_at_micros: number },
            KIND_PONG => Item::Pong { sent_at_micros: number },
            KIND_LEAVING => Item::Leaving,
            _ => return Err(Malformed),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::budget::Budget;

    const TOKEN: Token = Token([7; 16]);

    fn push(batches: &mut Batches, item: Item<'_>) {
        batches.push(Cargo::new(TOKEN, item, None));
    }

    fn items(bytes: &[u8]) -> Vec<Item<'_>> {
        vec![
            Item::Request { id: 1, deadline_ms: 250, bytes },
            Item::Reply { id: 2, bytes: b"" },
            Item::Refusal { id: 3, code: RefusalCode::Overloaded, retry_after_ms: 20 },
            Item::Refusal { id: 3, code: RefusalCode::ReplyRefused, retry_after_ms: 0 },
            Item::Ping { sent_at_micros: u64::MAX },
            Item::Pong { sent_at_micros: 5 },
            Item::RequestPart(Part { id: 6, bytes_total: 9, bytes }),
            Item::ReplyPart(Part { id: 6, bytes_total: 9, bytes }),
            Item::Leaving,
            Item::Reply { id: u64::MAX, bytes },
        ]
    }

    fn read_all(batch: &[u8]) -> Result<Vec<String>, Malformed> {
        let (_, mut reader) = BatchReader::new(batch)?;
        let mut found = Vec::new();
        while let Some(item) = reader.next()? {
            found.push(format!("{item:?}"));
        }
        Ok(found)
    }

    #[test]
    fn items_come_back_in_order_and_share_a_batch() {
        let mut batches = Batches::new(TOKEN);
        items(b"abc").into_iter().for_each(|item| push(&mut batches, item));
        let expected: Vec<_> = items(b"abc").iter().map(|item| format!("{item:?}")).collect();
        let batch = batches.pop().unwrap();
        assert!(batches.is_empty());
        assert!(BatchReader::new(&batch).unwrap().0 == TOKEN);
        assert_eq!(read_all(&batch), Ok(expected));
    }

    #[test]
    fn a_large_item_goes_in_parts_that_follow_each_other_and_no_batch_is_larger() {
        for extra in [0, 1, PART_BYTES_MAX - 1, PART_BYTES_MAX, 3 * PART_BYTES_MAX + 5] {
            let large: Vec<u8> = (0..=250).cycle().take(PART_BYTES_MAX + extra).collect();
            let mut batches = Batches::new(TOKEN);
            push(&mut batches, Item::Reply { id: 1, bytes: b"a" });
            push(&mut batches, Item::Request { id: 2, deadline_ms: 9, bytes: &large });
            push(&mut batches, Item::Reply { id: 3, bytes: b"b" });
            let (mut order, mut whole) = (Vec::new(), Vec::new());
            while let Some(batch) = batches.pop() {
                assert!(batch.len() <= BATCH_BYTES, "{} bytes", batch.len());
                let mut reader = BatchReader::new(&batch).unwrap().1;
                while let Some(item) = reader.next().unwrap() {
                    match item {
                        Item::RequestPart(part) => {
                            assert_eq!((part.id, part.bytes_total as usize), (2, large.len()));
                            whole.extend_from_slice(part.bytes);
                        }
                        Item::Request { id, deadline_ms: 9, bytes } => {
                            whole.extend_from_slice(bytes);
                            order.push(id);
                        }
                        Item::Reply { id, .. } => order.push(id),
                        Item::Request { .. }
                        | Item::ReplyPart(_)
                        | Item::Refusal { .. }
                        | Item::Ping { .. }
                        | Item::Pong { .. }
                        | Item::Leaving => panic!("{item:?}"),
                    }
                }
            }
            assert_eq!((batches.bytes(), order), (0, vec![1, 2, 3]));
            assert!(whole == large, "{} bytes came back changed", large.len());
        }
    }

    #[test]
    fn room_is_given_back_when_the_last_of_an_item_leaves() {
        let budget = Budget::new(100);
        for bytes in [vec![0; 9], vec![0; PART_BYTES_MAX * 2]] {
            let mut batches = Batches::new(TOKEN);
            let item = Item::Reply { id: 1, bytes: &bytes };
            batches.push(Cargo::new(TOKEN, item, budget.enter(9)));
            let count = batches.waiting.len();
            for _ in 1..count {
                batches.pop();
                assert_eq!(budget.used(), 9);
            }
            batches.pop();
            assert_eq!(budget.used(), 0);
            batches.push(Cargo::new(TOKEN, item, budget.enter(9)));
            batches.clear();
            assert_eq!((budget.used(), batches.bytes()), (0, 0));
        }
    }

    #[test]
    fn a_cut_or_changed_batch_is_an_error_or_other_items_and_never_a_panic() {
        let mut batches = Batches::new(TOKEN);
        push(&mut batches, Item::Request { id: 9, deadline_ms: 1, bytes: b"abcdef" });
        let refusal = Item::Refusal { id: 9, code: RefusalCode::Malformed, retry_after_ms: 0 };
        push(&mut batches, refusal);
        push(&mut batches, Item::ReplyPart(Part { id: 3, bytes_total: 4, bytes: b"xy" }));
        let batch = batches.pop().unwrap();
        let ends = [16, 16 + 1 + 8 + 4 + 4 + 6, 16 + 23 + 1 + 8 + 1 + 4];
        for end in 0..batch.len() {
            assert_eq!(read_all(&batch[..end]).is_ok(), ends.contains(&end), "{end} bytes");
        }
        for at in 16..batch.len() {
            for byte in [0, 0x7F, 0xFF] {
                let mut changed = batch.clone();
                changed[at] = byte;
                drop(read_all(&changed));
            }
        }
    }
}
