//! Requests that wait for their replies, and what becomes of them when the connection is lost.

use std::sync::Arc;

use actors_store::{CommitError, CommitLane, Committed, RangePage, ReadError};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::client::snapshot::RemoteSnapshot;
use crate::error::ProtocolError;
use crate::message::Reply;

/// Why a read has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The server says why.
    Read(ReadError),
    /// The connection was lost, or is not there.
    Lost,
}

pub(crate) type Answer<T> = Result<T, NoAnswer>;
pub(crate) type CommitAnswer = Result<Committed, CommitError>;

/// A read that waits; it keeps its place among the reads in flight until it is answered.
pub(crate) struct Waiting<T> {
    pub(crate) reply: oneshot::Sender<Answer<T>>,
    pub(crate) _place: OwnedSemaphorePermit,
}

/// One request without a reply.
pub(crate) enum Pending {
    /// Calls that share one snapshot.
    Begin(Vec<oneshot::Sender<Answer<Arc<RemoteSnapshot>>>>),
    Get(Waiting<Option<Bytes>>),
    Range(Waiting<RangePage>),
    Commit(PendingCommit),
}

pub(crate) struct PendingCommit {
    pub(crate) reply: oneshot::Sender<CommitAnswer>,
    pub(crate) lane: Option<CommitLane>,
    pub(crate) bytes: usize,
}

/// An answer and whom it is for. Given outside of all locks: what nobody wants is dropped there.
pub(crate) enum Answered {
    Begin(Vec<oneshot::Sender<Answer<Arc<RemoteSnapshot>>>>, Answer<Arc<RemoteSnapshot>>),
    Get(Waiting<Option<Bytes>>, Answer<Option<Bytes>>),
    Range(Waiting<RangePage>, Answer<RangePage>),
    Commit(oneshot::Sender<CommitAnswer>, CommitAnswer),
}

impl Answered {
    /// Tells whoever still waits.
    pub(crate) fn tell(self) {
        match self {
            Self::Begin(waiting, answer) => {
                for reply in waiting {
                    drop(reply.send(answer.clone()));
                }
            }
            Self::Get(waiting, answer) => drop(waiting.reply.send(answer)),
            Self::Range(waiting, answer) => drop(waiting.reply.send(answer)),
            Self::Commit(reply, answer) => drop(reply.send(answer)),
        }
    }
}

const MISMATCH: ProtocolError =
    ProtocolError::Malformed { what: "a reply does not fit its request" };

impl Pending {
    /// Pairs a request with its reply.
    pub(crate) fn answered(
        self,
        reply: Reply,
        snapshot: impl FnOnce(u64) -> Arc<RemoteSnapshot>,
    ) -> Result<Answered, ProtocolError> {
        Ok(match (self, reply) {
            (Self::Begin(waiting), Reply::Began { version }) => {
                Answered::Begin(waiting, Ok(snapshot(version)))
            }
            (Self::Get(waiting), Reply::Value(value)) => Answered::Get(waiting, Ok(value)),
            (Self::Range(waiting), Reply::Page(page)) => Answered::Range(waiting, Ok(page)),
            (Self::Commit(commit), Reply::Committed(committed)) => {
                Answered::Commit(commit.reply, Ok(committed))
            }
            (Self::Commit(commit), Reply::CommitFailed(error)) => {
                Answered::Commit(commit.reply, Err(error))
            }
            (Self::Commit(_), _) => return Err(MISMATCH),
            (read, Reply::ReadFailed(error)) => {
                read.unanswered(NoAnswer::Read(error)).ok_or(MISMATCH)?
            }
            (_, _) => return Err(MISMATCH),
        })
    }

    /// A read that gets no answer; nothing for a commit.
    pub(crate) fn unanswered(self, why: NoAnswer) -> Option<Answered> {
        match self {
            Self::Begin(waiting) => Some(Answered::Begin(waiting, Err(why))),
            Self::Get(waiting) => Some(Answered::Get(waiting, Err(why))),
            Self::Range(waiting) => Some(Answered::Range(waiting, Err(why))),
            Self::Commit(_) => None,
        }
    }
}
