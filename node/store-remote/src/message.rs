//! The messages of the protocol: what a client asks, what the server answers, and the greeting
//! with which both begin. The layout of the greeting's first two fields, and of farewells, stays
//! the same in all versions, so that two versions can tell each other that they differ.

use actors_store::{
    CommitError, CommitRequest, Committed, RangePage, RangeQuery, ReadError, Version,
};
use bytes::Bytes;

use crate::codec::{self, Fields};
use crate::error::{Farewell, ProtocolError};
use crate::frame::{self, Frame};

/// Version of the protocol that this crate speaks.
pub const PROTOCOL_VERSION: u16 = 1;
/// First bytes of a greeting.
const MAGIC: u64 = u64::from_le_bytes(*b"MEDSTORE");

mod kind {
    pub(super) const HELLO: u8 = 1;
    pub(super) const BEGIN: u8 = 2;
    pub(super) const GET: u8 = 3;
    pub(super) const RANGE: u8 = 4;
    pub(super) const COMMIT: u8 = 5;
    pub(super) const RELEASE: u8 = 6;
    pub(super) const HEARTBEAT: u8 = 7;
    pub(super) const WELCOME: u8 = 65;
    pub(super) const FAREWELL: u8 = 66;
    pub(super) const BEGAN: u8 = 67;
    pub(super) const VALUE: u8 = 68;
    pub(super) const PAGE: u8 = 69;
    pub(super) const READ_FAILED: u8 = 70;
    pub(super) const COMMITTED: u8 = 71;
    pub(super) const COMMIT_FAILED: u8 = 72;
}

/// Which connection of which process of which client this is. The later pair of incarnation and
/// connection ends the earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) client_id: u128,
    pub(crate) incarnation: u64,
    /// Drawn by the process: tells two processes with one incarnation apart.
    pub(crate) instance: u64,
    /// Counts the connections of the process.
    pub(crate) connection: u64,
}

/// What the server promises to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Welcome {
    /// Commits in flight that the server takes.
    pub(crate) commits_max: usize,
    /// Their bytes.
    pub(crate) commit_bytes_max: usize,
}

/// How a greeting was understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Greeting<T> {
    Understood(T),
    Farewell(Farewell, u16),
}

/// What a client asks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// The snapshot gets the id of this request.
    Begin,
    Get {
        snapshot: u64,
        key: Bytes,
    },
    Range {
        snapshot: u64,
        query: RangeQuery,
    },
    Commit(CommitRequest),
    Release {
        snapshot: u64,
    },
    Heartbeat,
}

/// What the server says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Began { version: Version },
    Value(Option<Bytes>),
    Page(RangePage),
    ReadFailed(ReadError),
    Committed(Committed),
    CommitFailed(CommitError),
    Heartbeat,
    Farewell(Farewell),
}

pub(crate) fn put_hello(out: &mut Vec<u8>, version: u16, hello: &Hello) {
    frame::put(out, kind::HELLO, 0, |out| {
        codec::put_u64(out, MAGIC);
        out.extend_from_slice(&version.to_le_bytes());
        out.extend_from_slice(&hello.client_id.to_le_bytes());
        codec::put_u64(out, hello.incarnation);
        codec::put_u64(out, hello.instance);
        codec::put_u64(out, hello.connection);
    });
}

/// Understands the first frame of a client.
pub(crate) fn hello(frame: Frame) -> Greeting<Hello> {
    let (kind, mut fields) = (frame.kind, Fields::new(frame.body));
    let (magic, version) = (fields.u64(), fields.u16());
    match (kind, magic, version) {
        (kind::HELLO, Ok(MAGIC), Ok(PROTOCOL_VERSION)) => {}
        (kind::HELLO, Ok(MAGIC), Ok(theirs)) => {
            return Greeting::Farewell(Farewell::Version, theirs);
        }
        (_, _, _) => return Greeting::Farewell(Farewell::NoGreeting, 0),
    }
    let hello = || -> Result<Hello, ProtocolError> {
        let hello = Hello {
            client_id: fields.u128()?,
            incarnation: fields.u64()?,
            instance: fields.u64()?,
            connection: fields.u64()?,
        };
        fields.end()?;
        Ok(hello)
    };
    match hello() {
        Ok(hello) => Greeting::Understood(hello),
        Err(_) => Greeting::Farewell(Farewell::Protocol, PROTOCOL_VERSION),
    }
}

pub(crate) fn put_welcome(out: &mut Vec<u8>, welcome: &Welcome) {
    frame::put(out, kind::WELCOME, 0, |out| {
        out.extend_from_slice(&PROTOCOL_VERSION.to_le_bytes());
        codec::put_u64(out, u64::try_from(welcome.commits_max).unwrap_or(u64::MAX));
        codec::put_u64(out, u64::try_from(welcome.commit_bytes_max).unwrap_or(u64::MAX));
    });
}

/// Understands the first frame of a server.
pub(crate) fn welcome(frame: Frame) -> Result<Greeting<Welcome>, ProtocolError> {
    let (kind, mut fields) = (frame.kind, Fields::new(frame.body));
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    match kind {
        kind::WELCOME => {
            let version = fields.u16()?;
            if version != PROTOCOL_VERSION {
                return Ok(Greeting::Farewell(Farewell::Version, version));
            }
            let welcome =
                Welcome { commits_max: size(fields.u64()?), commit_bytes_max: size(fields.u64()?) };
            fields.end()?;
            Ok(Greeting::Understood(welcome))
        }
        kind::FAREWELL => {
            let (farewell, version) = farewell(&mut fields)?;
            Ok(Greeting::Farewell(farewell, version))
        }
        _other => Err(ProtocolError::Malformed { what: "the server does not greet" }),
    }
}

pub(crate) fn put_farewell(out: &mut Vec<u8>, farewell: Farewell) {
    frame::put(out, kind::FAREWELL, 0, |out| {
        out.push(farewell.code());
        out.extend_from_slice(&PROTOCOL_VERSION.to_le_bytes());
    });
}

fn farewell(fields: &mut Fields) -> Result<(Farewell, u16), ProtocolError> {
    let code = fields.u8()?;
    let farewell = Farewell::from_code(code)
        .ok_or(ProtocolError::Malformed { what: "a farewell of an unknown kind" })?;
    Ok((farewell, fields.u16()?))
}

pub(crate) fn put_heartbeat(out: &mut Vec<u8>) {
    frame::put(out, kind::HEARTBEAT, 0, |_| {});
}

pub(crate) fn put_begin(out: &mut Vec<u8>, id: u64) {
    frame::put(out, kind::BEGIN, id, |_| {});
}

pub(crate) fn put_get(out: &mut Vec<u8>, id: u64, snapshot: u64, key: &[u8]) {
    frame::put(out, kind::GET, id, |out| {
        codec::put_u64(out, snapshot);
        codec::put_bytes(out, key);
    });
}

pub(crate) fn put_range(out: &mut Vec<u8>, id: u64, snapshot: u64, query: &RangeQuery) {
    frame::put(out, kind::RANGE, id, |out| {
        codec::put_u64(out, snapshot);
        codec::put_query(out, query);
    });
}

pub(crate) fn put_commit(out: &mut Vec<u8>, id: u64, request: &CommitRequest) {
    frame::put(out, kind::COMMIT, id, |out| codec::put_commit_request(out, request));
}

pub(crate) fn put_release(out: &mut Vec<u8>, snapshot: u64) {
    frame::put(out, kind::RELEASE, 0, |out| codec::put_u64(out, snapshot));
}

/// Understands a frame of a client that has greeted.
pub(crate) fn request(frame: Frame) -> Result<(u64, Request), ProtocolError> {
    let (kind, id, mut fields) = (frame.kind, frame.id, Fields::new(frame.body));
    let request = match kind {
        kind::BEGIN => Request::Begin,
        kind::GET => Request::Get { snapshot: fields.u64()?, key: fields.bytes()? },
        kind::RANGE => Request::Range { snapshot: fields.u64()?, query: fields.query()? },
        kind::COMMIT => Request::Commit(fields.commit_request()?),
        kind::RELEASE => Request::Release { snapshot: fields.u64()? },
        kind::HEARTBEAT => Request::Heartbeat,
        _other => return Err(ProtocolError::Malformed { what: "a request of an unknown kind" }),
    };
    fields.end()?;
    Ok((id, request))
}

pub(crate) fn put_read_reply<T>(
    out: &mut Vec<u8>,
    id: u64,
    result: &Result<T, ReadError>,
    put: impl FnOnce(&mut Vec<u8>, u64, &T),
) {
    match result {
        Ok(found) => put(out, id, found),
        Err(error) => {
            frame::put(out, kind::READ_FAILED, id, |out| codec::put_read_error(out, error));
        }
    }
}

pub(crate) fn put_began(out: &mut Vec<u8>, id: u64, version: &Version) {
    frame::put(out, kind::BEGAN, id, |out| codec::put_u64(out, *version));
}

pub(crate) fn put_value(out: &mut Vec<u8>, id: u64, value: &Option<Bytes>) {
    frame::put(out, kind::VALUE, id, |out| {
        out.push(u8::from(value.is_some()));
        if let Some(value) = value {
            codec::put_bytes(out, value);
        }
    });
}

pub(crate) fn put_page(out: &mut Vec<u8>, id: u64, page: &RangePage) {
    frame::put(out, kind::PAGE, id, |out| codec::put_page(out, page));
}

pub(crate) fn put_commit_reply(
    out: &mut Vec<u8>,
    id: u64,
    result: &Result<Committed, CommitError>,
) {
    match result {
        Ok(committed) => {
            frame::put(out, kind::COMMITTED, id, |out| codec::put_committed(out, committed));
        }
        Err(error) => {
            frame::put(out, kind::COMMIT_FAILED, id, |out| codec::put_commit_error(out, error));
        }
    }
}

/// Understands a frame of a server that has greeted.
pub(crate) fn reply(frame: Frame) -> Result<(u64, Reply), ProtocolError> {
    let (kind, id, mut fields) = (frame.kind, frame.id, Fields::new(frame.body));
    let reply = match kind {
        kind::BEGAN => Reply::Began { version: fields.u64()? },
        kind::VALUE => match fields.flag()? {
            // Copied, so that a value which is held for long holds no read buffer in memory.
            true => Reply::Value(Some(Bytes::copy_from_slice(&fields.bytes()?))),
            false => Reply::Value(None),
        },
        kind::PAGE => Reply::Page(fields.page()?),
        kind::READ_FAILED => Reply::ReadFailed(fields.read_error()?),
        kind::COMMITTED => Reply::Committed(fields.committed()?),
        kind::COMMIT_FAILED => Reply::CommitFailed(fields.commit_error()?),
        kind::HEARTBEAT => Reply::Heartbeat,
        kind::FAREWELL => Reply::Farewell(farewell(&mut fields)?.0),
        _other => return Err(ProtocolError::Malformed { what: "a reply of an unknown kind" }),
    };
    fields.end()?;
    Ok((id, reply))
}
