//! What travels between two gateways: batches of requests, replies, refusals and heartbeats behind
//! the token of their session. Little-endian; the bytes of a request are copied once into the
//! batch and once out of it. Decoding never panics and allocates nothing.

use super::limits::BATCH_BYTES;

/// Names a session on both of its sides. Nobody else knows it, so it proves from whom a batch is,
/// and an answer of an earlier session never meets a call of a later one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Token(pub(crate) [u8; 16]);

const KIND_REQUEST: u8 = 1;
const KIND_REPLY: u8 = 2;
const KIND_REFUSAL: u8 = 3;
const KIND_PING: u8 = 4;
const KIND_PONG: u8 = 5;
const KIND_LEAVING: u8 = 6;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    Request { id: u64, deadline_ms: u32, bytes: &'a [u8] },
    Reply { id: u64, bytes: &'a [u8] },
    Refusal { id: u64, code: RefusalCode, retry_after_ms: u32 },
    Ping { sent_at_micros: u64 },
    Pong { sent_at_micros: u64 },
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

    /// The most that the item takes in a batch.
    fn bytes_max(&self) -> usize {
        let payload = match self {
            Self::Request { bytes, .. } | Self::Reply { bytes, .. } => bytes.len(),
            Self::Refusal { .. } | Self::Ping { .. } | Self::Pong { .. } | Self::Leaving => 0,
        };
        payload + 32
    }
}

/// Batches that wait to be sent, the oldest first. An item that is larger than a batch is a batch
/// of its own.
pub(crate) struct Batches {
    token: Token,
    waiting: std::collections::VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Batches {
    pub(crate) fn new(token: Token) -> Self {
        Self { token, waiting: std::collections::VecDeque::new(), bytes: 0 }
    }

    /// Adds an item to the newest batch, or to one more.
    pub(crate) fn push(&mut self, item: &Item<'_>) {
        let room =
            self.waiting.back().is_some_and(|last| last.len() + item.bytes_max() <= BATCH_BYTES);
        if !room {
            let mut batch = Vec::with_capacity(item.bytes_max() + self.token.0.len());
            batch.extend_from_slice(&self.token.0);
            self.bytes += batch.len();
            self.waiting.push_back(batch);
        }
        if let Some(last) = self.waiting.back_mut() {
            let before = last.len();
            item.encode(last);
            self.bytes += last.len() - before;
        }
    }

    /// Takes the oldest batch.
    pub(crate) fn pop(&mut self) -> Option<Vec<u8>> {
        let batch = self.waiting.pop_front()?;
        self.bytes -= batch.len();
        Some(batch)
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
        let (token, rest) = batch.split_first_chunk::<16>().ok_or(Malformed)?;
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
            KIND_REPLY => Item::Reply { id: number, bytes: self.block()? },
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

    const TOKEN: Token = Token([7; 16]);

    fn items(bytes: &[u8]) -> Vec<Item<'_>> {
        vec![
            Item::Request { id: 1, deadline_ms: 250, bytes },
            Item::Reply { id: 2, bytes: b"" },
            Item::Refusal { id: 3, code: RefusalCode::Overloaded, retry_after_ms: 20 },
            Item::Refusal { id: 3, code: RefusalCode::ReplyRefused, retry_after_ms: 0 },
            Item::Ping { sent_at_micros: u64::MAX },
            Item::Pong { sent_at_micros: 5 },
            Item::Leaving,
            Item::Reply { id: u64::MAX, bytes },
        ]
    }

    fn read_all(batch: &[u8]) -> Result<Vec<Item<'_>>, Malformed> {
        let (_, mut reader) = BatchReader::new(batch)?;
        let mut found = Vec::new();
        while let Some(item) = reader.next()? {
            found.push(item);
        }
        Ok(found)
    }

    #[test]
    fn items_come_back_in_order_and_share_a_batch() {
        let mut batches = Batches::new(TOKEN);
        items(b"abc").iter().for_each(|item| batches.push(item));
        let batch = batches.pop().unwrap();
        assert!(batches.is_empty());
        assert!(BatchReader::new(&batch).unwrap().0 == TOKEN);
        assert_eq!(read_all(&batch), Ok(items(b"abc")));
    }

    #[test]
    fn a_large_item_is_a_batch_of_its_own_and_order_stays() {
        let large = vec![1_u8; BATCH_BYTES * 2];
        let half = vec![2_u8; BATCH_BYTES / 2];
        let mut batches = Batches::new(TOKEN);
        for (id, bytes) in [(1, &half), (2, &large), (3, &half), (4, &half)] {
            batches.push(&Item::Reply { id, bytes });
        }
        let mut ids = Vec::new();
        let mut count = 0;
        while let Some(batch) = batches.pop() {
            count += 1;
            for item in read_all(&batch).unwrap() {
                let Item::Reply { id, .. } = item else { panic!("{item:?}") };
                ids.push(id);
            }
        }
        assert_eq!((ids, count), (vec![1, 2, 3, 4], 4));
    }

    #[test]
    fn a_cut_or_changed_batch_is_an_error_or_other_items_and_never_a_panic() {
        let mut batches = Batches::new(TOKEN);
        batches.push(&Item::Request { id: 9, deadline_ms: 1, bytes: b"abcdef" });
        batches.push(&Item::Refusal { id: 9, code: RefusalCode::Malformed, retry_after_ms: 0 });
        let batch = batches.pop().unwrap();
        let second_at = 16 + 1 + 8 + 4 + 4 + 6;
        for end in 0..batch.len() {
            let is_whole = end == 16 || end == second_at;
            assert_eq!(read_all(&batch[..end]).is_ok(), is_whole, "{end} bytes");
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
