//! MLLP framing: an incremental decoder that takes frames split anywhere, and the encoder.
//!
//! A frame is `0x0B`, the message, `0x1C 0x0D`. Nothing is dropped silently: whatever is not a
//! whole frame comes out as a [`FrameError`] with its bytes. Reading sockets is the gateway's.

use crate::error::{Hl7Error, Position};
use crate::limits::OVERSIZE_KEPT_BYTES_MAX;
use schema_types::error_code::ErrorCode;
use schema_types::phi::Phi;

/// Starts a frame.
pub const START_BLOCK: u8 = 0x0B;
/// Ends a frame, together with [`CARRIAGE_RETURN`].
pub const END_BLOCK: u8 = 0x1C;
/// Follows the end block.
pub const CARRIAGE_RETURN: u8 = 0x0D;

/// The content of one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The bytes between start and end block.
    pub bytes: Phi<Vec<u8>>,
}

/// What is wrong with a piece of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameProblem {
    /// Bytes stand outside any frame.
    StartMissing,
    /// The frame ended without its end block: a new one began or the stream ended.
    Truncated,
    /// An end block stands inside the frame.
    EndInside,
    /// The piece is larger than the limit; only its first bytes were kept.
    TooLarge,
}

/// A piece of the stream that is not a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameError {
    /// What is wrong.
    pub problem: FrameProblem,
    /// The bytes, for quarantine; of an oversize piece at most the first
    /// [`OVERSIZE_KEPT_BYTES_MAX`].
    pub bytes: Phi<Vec<u8>>,
}

impl FrameError {
    /// The error as the sender is told.
    #[must_use]
    pub fn error(&self) -> Hl7Error {
        let (code, reason) = match self.problem {
            FrameProblem::StartMissing => (ErrorCode::Hl7Frame, "bytes outside a frame"),
            FrameProblem::Truncated => (ErrorCode::Hl7Frame, "the frame has no end block"),
            FrameProblem::EndInside => (ErrorCode::Hl7Frame, "an end block inside the frame"),
            FrameProblem::TooLarge => {
                (ErrorCode::Hl7TooLarge, "the message is larger than the limit")
            }
        };
        Hl7Error::new(code, Position::default(), reason)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between frames; `kept` holds stray bytes.
    Between,
    /// In a frame; `kept` holds its content so far.
    Inside,
    /// An end block was seen; the next byte decides.
    Ending,
    /// Too large: skip to the next start or end block.
    Skipping,
    /// Skipping, and an end block was seen.
    SkippingEnding,
}

/// Splits a byte stream into frames. Memory is bounded by the limit and the bytes pushed since
/// the iterator was last drained (LIM-1).
#[derive(Debug)]
pub struct FrameDecoder {
    message_bytes_max: usize,
    state: State,
    kept: Phi<Vec<u8>>,
    end_inside: bool,
    input: Phi<Vec<u8>>,
    consumed: usize,
}

impl FrameDecoder {
    /// A decoder whose frames may hold at most `message_bytes_max` bytes.
    #[must_use]
    pub fn new(message_bytes_max: usize) -> Self {
        Self {
            message_bytes_max,
            state: State::Between,
            kept: Phi::default(),
            end_inside: false,
            input: Phi::default(),
            consumed: 0,
        }
    }

    /// Adds bytes that were read. Take everything out with `next` before pushing again.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut input = std::mem::take(&mut self.input).into_exposed();
        input.drain(..self.consumed.min(input.len()));
        input.extend_from_slice(bytes);
        self.consumed = 0;
        self.input = Phi::new(input);
    }

    /// Whether a frame is complete but for the carriage return after its end block. Some senders
    /// leave it out and wait for the answer: after a short silence call [`Self::end_of_burst`].
    #[must_use]
    pub fn is_waiting_for_carriage_return(&self) -> bool {
        self.state == State::Ending && self.consumed == self.input.expose().len()
    }

    /// Ends a frame whose end block came without its carriage return, if one is waiting.
    pub fn end_of_burst(&mut self) -> Option<Result<Frame, FrameError>> {
        if self.is_waiting_for_carriage_return() { Some(self.end_frame()) } else { None }
    }

    /// The stream ended: what was left unfinished, if anything. Drain the iterator first.
    pub fn finish(mut self) -> Option<Result<Frame, FrameError>> {
        match self.state {
            State::Between => self.take_stray().map(Err),
            State::Inside => Some(Err(self.take_kept(FrameProblem::Truncated))),
            State::Ending => Some(self.end_frame()),
            State::Skipping | State::SkippingEnding => None,
        }
    }

    fn take_kept(&mut self, problem: FrameProblem) -> FrameError {
        self.end_inside = false;
        FrameError { problem, bytes: std::mem::take(&mut self.kept) }
    }

    fn take_stray(&mut self) -> Option<FrameError> {
        if self.kept.expose().is_empty() {
            return None;
        }
        Some(self.take_kept(FrameProblem::StartMissing))
    }

    fn end_frame(&mut self) -> Result<Frame, FrameError> {
        self.state = State::Between;
        if self.end_inside {
            return Err(self.take_kept(FrameProblem::EndInside));
        }
        Ok(Frame { bytes: std::mem::take(&mut self.kept) })
    }

    /// Keeps a byte; past the limit gives up the piece and keeps only its beginning.
    fn keep(&mut self, bytes: &[u8]) -> Option<FrameError> {
        let mut kept = std::mem::take(&mut self.kept).into_exposed();
        let room = self.message_bytes_max.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let too_large = bytes.len() > room;
        if too_large {
            kept.truncate(OVERSIZE_KEPT_BYTES_MAX);
            kept.shrink_to_fit();
            self.state = State::Skipping;
        }
        self.kept = Phi::new(kept);
        too_large.then(|| self.take_kept(FrameProblem::TooLarge))
    }

    /// One step: the number of bytes used and what came out.
    fn step(&mut self, rest: &[u8]) -> (usize, Option<Result<Frame, FrameError>>) {
        let Some(first) = rest.first().copied() else { return (0, None) };
        match self.state {
            State::Between => self.step_between(first, rest),
            State::Inside => self.step_inside(first, rest),
            State::Ending => self.step_ending(first),
            State::Skipping => match first {
                START_BLOCK => self.begin(None),
                END_BLOCK => self.move_to(State::SkippingEnding, 1),
                _ => (plain_length(rest), None),
            },
            State::SkippingEnding => match first {
                CARRIAGE_RETURN | b'\n' => self.move_to(State::Between, 1),
                START_BLOCK | END_BLOCK => self.move_to(State::Skipping, 0),
                _ => self.move_to(State::Skipping, 1),
            },
        }
    }

    fn step_between(
        &mut self,
        first: u8,
        rest: &[u8],
    ) -> (usize, Option<Result<Frame, FrameError>>) {
        match first {
            START_BLOCK => {
                let stray = self.take_stray();
                self.begin(stray)
            }
            END_BLOCK => (1, self.take_stray().map(Err)),
            CARRIAGE_RETURN | b'\n' if self.kept.expose().is_empty() => (1, None),
            _ => {
                let length = plain_length(rest);
                (length, self.keep(&rest[..length]).map(Err))
            }
        }
    }

    fn step_inside(
        &mut self,
        first: u8,
        rest: &[u8],
    ) -> (usize, Option<Result<Frame, FrameError>>) {
        match first {
            START_BLOCK => {
                let cut = self.take_kept(FrameProblem::Truncated);
                self.begin(Some(cut))
            }
            END_BLOCK => self.move_to(State::Ending, 1),
            _ => {
                let length = plain_length(rest);
                (length, self.keep(&rest[..length]).map(Err))
            }
        }
    }

    fn step_ending(&mut self, next: u8) -> (usize, Option<Result<Frame, FrameError>>) {
        match next {
            CARRIAGE_RETURN | b'\n' => (1, Some(self.end_frame())),
            START_BLOCK => (0, Some(self.end_frame())),
            _ => {
                self.end_inside = true;
                self.state = State::Inside;
                (0, self.keep(&[END_BLOCK]).map(Err))
            }
        }
    }

    fn begin(&mut self, before: Option<FrameError>) -> (usize, Option<Result<Frame, FrameError>>) {
        self.state = State::Inside;
        self.end_inside = false;
        (1, before.map(Err))
    }

    fn move_to(&mut self, state: State, used: usize) -> (usize, Option<Result<Frame, FrameError>>) {
        self.state = state;
        (used, None)
    }
}

impl Iterator for FrameDecoder {
    type Item = Result<Frame, FrameError>;

    /// The next frame or error; `None` when more bytes must be pushed.
    fn next(&mut self) -> Option<Self::Item> {
        let input = std::mem::take(&mut self.input);
        let mut output = None;
        while output.is_none() && self.consumed < input.expose().len() {
            let (used, found) = self.step(&input.expose()[self.consumed..]);
            self.consumed += used;
            output = found;
        }
        self.input = input;
        output
    }
}

/// How many bytes from the start are neither start nor end block; at least one.
fn plain_length(rest: &[u8]) -> usize {
    rest.iter()
        .position(|byte| matches!(*byte, START_BLOCK | END_BLOCK))
        .unwrap_or(rest.len())
        .max(1)
}

/// The message in a frame.
#[must_use]
pub fn encode_frame(message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(message.len() + 3);
    frame.push(START_BLOCK);
    frame.extend_from_slice(message);
    frame.extend_from_slice(&[END_BLOCK, CARRIAGE_RETURN]);
    frame
}
