//! Files: single messages, several messages one after the other, HL7 batches (FHS, BHS, BTS, FTS)
//! and recorded MLLP streams, taken apart into messages.
//!
//! Every byte that is not blank ends up in an item: nothing is dropped silently. What the messages
//! mean is not looked at.

use crate::error::{Hl7Error, Position, SegmentName};
use crate::limits::{BATCH_MESSAGES_MAX, MESSAGE_BYTES_MAX};
use crate::mllp::{END_BLOCK, FrameDecoder, START_BLOCK};
use schema_types::error_code::ErrorCode;
use schema_types::phi::Phi;

/// A piece of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchItem {
    /// The raw bytes of one message.
    Message {
        /// Which message of the file, from 1.
        index: usize,
        /// From MSH to its last segment.
        bytes: Phi<Vec<u8>>,
    },
    /// Bytes that belong to no message, for quarantine.
    Refused {
        /// Why.
        error: Hl7Error,
        /// The bytes.
        bytes: Phi<Vec<u8>>,
    },
    /// Batch headers, trailers or counts do not agree; the messages are delivered all the same.
    Warning(Hl7Error),
}

/// Takes a file apart. Items come in file order; there is always at least one.
#[must_use]
pub fn split(bytes: &[u8]) -> Vec<BatchItem> {
    let mut splitter = Splitter::default();
    let utf16 =
        matches!(bytes, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [b'M', 0, ..] | [0, b'M', ..]);
    if utf16 {
        // Line ends are two bytes wide: such a file is one message.
        splitter.message(bytes);
    } else if bytes.iter().any(|byte| matches!(*byte, START_BLOCK | END_BLOCK)) {
        splitter.frames(bytes);
    } else {
        splitter.plain(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes));
    }
    if splitter.items.is_empty() {
        splitter.refuse(ErrorCode::Hl7NotAMessage, "there is no MSH", bytes);
    }
    splitter.items
}

#[derive(Default)]
struct Splitter {
    items: Vec<BatchItem>,
    messages: usize,
    /// Messages in the file when the open batch began.
    batch: Option<usize>,
    /// Batches closed when the open file began.
    file: Option<usize>,
    batches: usize,
    saw_batch: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    MessageHeader,
    FileHeader,
    BatchHeader,
    BatchTrailer,
    FileTrailer,
    Other,
}

impl Splitter {
    fn frames(&mut self, bytes: &[u8]) {
        let mut decoder = FrameDecoder::new(MESSAGE_BYTES_MAX);
        decoder.push(bytes);
        let found: Vec<_> = decoder.by_ref().collect();
        for piece in found.into_iter().chain(decoder.finish()) {
            match piece {
                Ok(frame) => self.plain(frame.bytes.expose()),
                Err(error) => self
                    .items
                    .push(BatchItem::Refused { error: error.error(), bytes: error.bytes.clone() }),
            }
        }
    }

    fn plain(&mut self, bytes: &[u8]) {
        let before = self.items.len();
        (self.batch, self.file, self.saw_batch) = (None, None, false);
        let mut piece = 0;
        let mut in_message = false;
        for (start, end) in lines(bytes) {
            let line = &bytes[start..end];
            let kind = kind_of(line);
            if kind == Line::Other {
                continue;
            }
            self.piece(&bytes[piece..start], in_message);
            in_message = kind == Line::MessageHeader;
            piece = if in_message { start } else { end };
            self.structure(kind, line);
        }
        self.piece(&bytes[piece..], in_message);
        self.end(before);
        if self.items.len() == before && !self.saw_batch && !bytes.trim_ascii().is_empty() {
            self.refuse(ErrorCode::Hl7NotAMessage, "there is no MSH", bytes);
        }
    }

    /// What stands between two lines that structure the file.
    fn piece(&mut self, bytes: &[u8], is_message: bool) {
        let is_blank = bytes.trim_ascii().is_empty();
        match (is_message, is_blank) {
            (true, _) => self.message(bytes),
            (false, true) => {}
            (false, false) => {
                self.refuse(ErrorCode::Hl7NotAMessage, "segments without an MSH", bytes);
            }
        }
    }

    fn message(&mut self, bytes: &[u8]) {
        if self.messages >= BATCH_MESSAGES_MAX {
            self.refuse(ErrorCode::Hl7TooLarge, "the file has too many messages", bytes);
            return;
        }
        self.messages += 1;
        let bytes = Phi::new(bytes.to_vec());
        self.items.push(BatchItem::Message { index: self.messages, bytes });
    }

    fn structure(&mut self, kind: Line, line: &[u8]) {
        match kind {
            Line::FileHeader => {
                self.close_batch("BTS", None);
                if self.file.replace(self.batches).is_some() {
                    self.warn("FTS", "a second FHS without an FTS between");
                }
            }
            Line::BatchHeader => {
                self.close_batch("BTS", None);
                self.batch = Some(self.messages);
            }
            Line::BatchTrailer if self.batch.is_none() => {
                self.warn("BTS", "a batch trailer without its header");
            }
            Line::BatchTrailer => self.close_batch("BTS", Some(count_of(line))),
            Line::FileTrailer => self.close_file(line),
            Line::MessageHeader | Line::Other => {}
        }
        self.saw_batch |= !matches!(kind, Line::MessageHeader | Line::Other);
    }

    /// Ends the open batch, if there is one; without a trailer that is worth a warning.
    fn close_batch(&mut self, name: &str, trailer: Option<Count>) {
        let Some(begin) = self.batch.take() else { return };
        self.batches += 1;
        match trailer {
            None => self.warn(name, "the batch has no trailer"),
            Some(count) => self.check(name, count, self.messages - begin),
        }
    }

    fn close_file(&mut self, line: &[u8]) {
        self.close_batch("BTS", None);
        match self.file.take() {
            None => self.warn("FTS", "a file trailer without its header"),
            Some(begin) => self.check("FTS", count_of(line), self.batches - begin),
        }
    }

    fn check(&mut self, name: &str, count: Count, found: usize) {
        match count {
            Count::NotStated => {}
            Count::Stated(count) if count == found => {}
            Count::Stated(_) => self.warn(name, "the count is not what the file holds"),
            Count::Unreadable => self.warn(name, "the count is not a number"),
        }
    }

    fn end(&mut self, before: usize) {
        self.close_batch("BTS", None);
        if self.file.take().is_some() {
            self.warn("FTS", "the file has no trailer");
        }
        let is_content = |item: &BatchItem| !matches!(item, BatchItem::Warning(_));
        let has_content = self.items.iter().skip(before).any(is_content);
        if self.saw_batch && !has_content {
            self.warn("BHS", "the batch holds no message");
        }
    }

    fn warn(&mut self, segment: &str, reason: &'static str) {
        let position = Position::segment(segment, 1);
        self.items.push(BatchItem::Warning(Hl7Error::new(ErrorCode::Hl7Batch, position, reason)));
    }

    fn refuse(&mut self, code: ErrorCode, reason: &'static str, bytes: &[u8]) {
        let error = Hl7Error::new(code, Position::default(), reason);
        self.items.push(BatchItem::Refused { error, bytes: Phi::new(bytes.to_vec()) });
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Count {
    NotStated,
    Stated(usize),
    Unreadable,
}

/// BTS-1 or FTS-1.
fn count_of(line: &[u8]) -> Count {
    let Some(separator) = line.get(3) else { return Count::NotStated };
    let field = line.split(|byte| byte == separator).nth(1).unwrap_or_default().trim_ascii();
    if field.is_empty() {
        return Count::NotStated;
    }
    let number = std::str::from_utf8(field).ok().and_then(|text| text.parse().ok());
    number.map_or(Count::Unreadable, Count::Stated)
}

fn kind_of(line: &[u8]) -> Line {
    match SegmentName::at_start_of(line).as_ref().map(SegmentName::as_str) {
        Some("MSH") => Line::MessageHeader,
        Some("FHS") => Line::FileHeader,
        Some("BHS") => Line::BatchHeader,
        Some("BTS") => Line::BatchTrailer,
        Some("FTS") => Line::FileTrailer,
        Some(_) | None => Line::Other,
    }
}

/// Start and end of every line, ended by a carriage return or a line feed.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut at = 0;
    bytes.split(|byte| matches!(byte, b'\r' | b'\n')).map(move |line| {
        let start = at;
        at += line.len() + 1;
        (start, start + line.len())
    })
}
