//! The outer form of calls and answers, and the one place that knows the format of their bodies.

use crate::error::SubmitError;
use actors_core::{AuditNote, Rejection};
use schema_types::audit::AuditAction;
use schema_types::error_code::ErrorCode;
use schema_types::ids::EntityKind;
use schema_types::phi::expose_to_peer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;

/// The version of the form that this node writes, and the only one that it reads.
pub const FORM_VERSION: u8 = 1;

/// Bytes before the body.
const HEAD_BYTES: usize = 6;
/// Nesting of a body. The deepest reply needs a dozen levels; what is nested deeper is no reply.
const DEPTH_MAX: usize = 64;
/// The operation under which a call that was not understood is told of.
const OPERATION: &str = "remote-call";

/// What bytes are, by a number that is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Rows, or names of entities, with their audit record.
    Record,
    /// A command to an entity of this kind.
    Submit(EntityKind),
    /// What came of a call.
    Answer,
    /// What became of a group, for an owner that holds a member of it.
    Settle,
    /// A group to be committed by the owner of one of its members.
    Commit,
    /// A command to an entity of this kind that is then held for a group.
    Prepare(EntityKind),
}

impl Form {
    /// What is added to the number of a kind of entity.
    const SUBMIT: u8 = 16;
    const PREPARE: u8 = 32;

    const fn number(self) -> u8 {
        match self {
            Self::Record => 1,
            Self::Answer => 2,
            Self::Settle => 3,
            Self::Commit => 4,
            Self::Submit(kind) => Self::SUBMIT + kind.number(),
            Self::Prepare(kind) => Self::PREPARE + kind.number(),
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Record),
            2 => Some(Self::Answer),
            3 => Some(Self::Settle),
            4 => Some(Self::Commit),
            Self::PREPARE.. => EntityKind::from_number(number - Self::PREPARE).map(Self::Prepare),
            _ => {
                number.checked_sub(Self::SUBMIT).and_then(EntityKind::from_number).map(Self::Submit)
            }
        }
    }

    /// The fault of bytes that are this where something else is expected.
    pub(super) const fn unexpected(self) -> Fault {
        Fault::Unexpected(self.number())
    }
}

/// Why bytes are not understood, or were not written. Repeats nothing of them (PHI-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// Not even a head, or another length than it says.
    #[error("cut or with bytes behind the end")]
    Length,
    /// Another version of the form.
    #[error("version {0} of the form is not known to this node")]
    Version(u8),
    /// A number of no call, or an answer where a call is expected, or the other way round.
    #[error("form {0} is not expected here")]
    Unexpected(u8),
    /// The body is not what the head says: damaged, or with words of a newer release.
    #[error("the body is not understood")]
    Body,
    /// A body that no sender of this release writes.
    #[error("the parts of the call contradict each other")]
    Contradiction,
    /// More bytes than one may have.
    #[error("larger than {0} bytes")]
    TooLarge(usize),
}

impl Fault {
    /// What the sender of a call is told: nothing was done.
    pub(super) fn refusal(self) -> SubmitError {
        let code = match self {
            Self::TooLarge(bytes) => return SubmitError::TooLarge { bytes },
            Self::Version(_) | Self::Unexpected(_) => ErrorCode::NotAvailable,
            Self::Length | Self::Body | Self::Contradiction => ErrorCode::BadRequest,
        };
        let audit = AuditNote::new(AuditAction::Execute, OPERATION);
        SubmitError::Rejected(Rejection::wrong(code, format!("call of a node: {self}"), audit))
    }
}

/// Writes bytes of a form, at most `bytes_max`.
pub(super) fn write<T: Serialize>(
    form: Form,
    body: &T,
    bytes_max: usize,
) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::with_capacity(1_024);
    bytes.extend_from_slice(&[FORM_VERSION, form.number(), 0, 0, 0, 0]);
    let mut sink = Sink { bytes, bytes_max, is_full: false };
    let mut serializer = rmp_serde::Serializer::new(&mut sink).with_struct_map();
    let written = expose_to_peer(|| body.serialize(&mut serializer));
    let Sink { mut bytes, is_full, .. } = sink;
    if is_full {
        return Err(Fault::TooLarge(bytes_max));
    }
    written.map_err(|_| Fault::Body)?;
    let length = u32::try_from(bytes.len() - HEAD_BYTES).map_err(|_| Fault::TooLarge(bytes_max))?;
    bytes[2..HEAD_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

/// Takes the head off.
pub(super) fn open(bytes: &[u8], bytes_max: usize) -> Result<(Form, &[u8]), Fault> {
    if bytes.len() > bytes_max {
        return Err(Fault::TooLarge(bytes_max));
    }
    // The version comes first: another one may have another head.
    match bytes.first() {
        Some(&FORM_VERSION) => {}
        Some(version) => return Err(Fault::Version(*version)),
        None => return Err(Fault::Length),
    }
    let Some((&[_, number, a, b, c, d], body)) = bytes.split_first_chunk::<HEAD_BYTES>() else {
        return Err(Fault::Length);
    };
    if u32::try_from(body.len()) != Ok(u32::from_be_bytes([a, b, c, d])) {
        return Err(Fault::Length);
    }
    Form::from_number(number).map(|form| (form, body)).ok_or(Fault::Unexpected(number))
}

/// Reads a body.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(body);
    deserializer.set_max_depth(DEPTH_MAX);
    // The reason would repeat what it could not read.
    T::deserialize(&mut deserializer).map_err(|_| Fault::Body)
}

/// Bytes that end at a limit, so that nothing larger is ever put together.
struct Sink {
    bytes: Vec<u8>,
    bytes_max: usize,
    is_full: bool,
}

impl io::Write for Sink {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.write_all(part).map(|()| part.len())
    }

    fn write_all(&mut self, part: &[u8]) -> io::Result<()> {
        if part.len() > self.bytes_max - self.bytes.len().min(self.bytes_max) {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(part);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
