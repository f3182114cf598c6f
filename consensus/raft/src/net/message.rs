//! Requests and answers between nodes, and their conversion from and to openraft's. Variants are
//! only ever added at the end.

use std::collections::BTreeSet;

use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, VoteRequest, VoteResponse,
};
use openraft::{LogId, Vote};
use schema_types::cluster::NodeId;
use serde::{Deserialize, Serialize};

use crate::codec::Blob;
use crate::error::MembershipError;
use crate::raft_types::{Entry, TypeConfig};
use crate::records::{Ballot, EntryRecord, Position, SnapshotRecord};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Request {
    Append(Append),
    Vote {
        ballot: Ballot,
        last: Option<Position>,
    },
    Snapshot(SnapshotPiece),
    /// A command, forwarded to the leader.
    Propose {
        command: Blob,
        timeout_ms: u64,
    },
    /// From which index on a read is linearizable.
    ReadIndex,
    Change(MembershipChange),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Response {
    Append(Appended),
    Vote {
        ballot: Ballot,
        granted: bool,
        last: Option<Position>,
    },
    SnapshotTaken {
        ballot: Ballot,
    },
    /// A piece of a snapshot that does not follow the one before: begin again.
    SnapshotMismatch,
    Outcome(Blob),
    ReadIndex(Option<u64>),
    Changed(Result<(), MembershipError>),
    Refused(Refusal),
}

/// Why a request was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    NotLeader {
        hint: Option<u64>,
    },
    NoQuorum,
    Overloaded,
    /// It was begun and may still have its effect.
    OutcomeUnknown,
    NotUnderstood,
    /// The node has stopped or is about to.
    Stopped,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Append {
    ballot: Ballot,
    previous: Option<Position>,
    committed: Option<Position>,
    entries: Vec<EntryRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Appended {
    Success,
    Partial(Option<Position>),
    Conflict,
    HigherVote(Ballot),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotPiece {
    ballot: Ballot,
    record: SnapshotRecord,
    pub(crate) offset: u64,
    pub(crate) data: Blob,
    done: bool,
}

/// A change of the membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MembershipChange {
    AddLearner { node: u64, address: String },
    SetVoters(BTreeSet<u64>),
    Remove { node: u64 },
}

impl Append {
    /// Whose entries they are.
    pub(crate) fn ballot(&self) -> Ballot {
        self.ballot
    }
}

impl SnapshotPiece {
    /// Whose snapshot it is.
    pub(crate) fn ballot(&self) -> Ballot {
        self.ballot
    }
}

impl From<AppendEntriesRequest<TypeConfig>> for Append {
    fn from(request: AppendEntriesRequest<TypeConfig>) -> Self {
        Self {
            ballot: request.vote.into(),
            previous: request.prev_log_id.map(Position::from),
            committed: request.leader_commit.map(Position::from),
            entries: request.entries.iter().map(EntryRecord::from).collect(),
        }
    }
}

impl From<Append> for AppendEntriesRequest<TypeConfig> {
    fn from(append: Append) -> Self {
        Self {
            vote: append.ballot.into(),
            prev_log_id: append.previous.map(LogId::from),
            leader_commit: append.committed.map(LogId::from),
            entries: append.entries.into_iter().map(Entry::from).collect(),
        }
    }
}

impl From<AppendEntriesResponse<u64>> for Appended {
    fn from(response: AppendEntriesResponse<u64>) -> Self {
        match response {
            AppendEntriesResponse::Success => Self::Success,
            AppendEntriesResponse::PartialSuccess(matching) => {
                Self::Partial(matching.map(Position::from))
            }
            AppendEntriesResponse::Conflict => Self::Conflict,
            AppendEntriesResponse::HigherVote(vote) => Self::HigherVote(vote.into()),
        }
    }
}

impl From<Appended> for AppendEntriesResponse<u64> {
    fn from(appended: Appended) -> Self {
        match appended {
            Appended::Success => Self::Success,
            Appended::Partial(matching) => Self::PartialSuccess(matching.map(LogId::from)),
            Appended::Conflict => Self::Conflict,
            Appended::HigherVote(ballot) => Self::HigherVote(ballot.into()),
        }
    }
}

impl From<VoteRequest<u64>> for Request {
    fn from(request: VoteRequest<u64>) -> Self {
        let last = request.last_log_id.map(Position::from);
        Self::Vote { ballot: request.vote.into(), last }
    }
}

impl From<VoteResponse<u64>> for Response {
    fn from(response: VoteResponse<u64>) -> Self {
        Self::Vote {
            ballot: response.vote.into(),
            granted: response.vote_granted,
            last: response.last_log_id.map(Position::from),
        }
    }
}

impl From<InstallSnapshotRequest<TypeConfig>> for SnapshotPiece {
    fn from(request: InstallSnapshotRequest<TypeConfig>) -> Self {
        Self {
            ballot: request.vote.into(),
            record: SnapshotRecord::from(&request.meta),
            offset: request.offset,
            data: Blob(request.data),
            done: request.done,
        }
    }
}

impl From<SnapshotPiece> for InstallSnapshotRequest<TypeConfig> {
    fn from(piece: SnapshotPiece) -> Self {
        Self {
            vote: Vote::from(piece.ballot),
            meta: piece.record.into(),
            offset: piece.offset,
            data: piece.data.0,
            done: piece.done,
        }
    }
}

/// A refusal that names another leader.
pub(crate) fn not_leader(hint: Option<NodeId>) -> Refusal {
    Refusal::NotLeader { hint: hint.map(|node| node.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;
    use crate::records::Payload;

    #[test]
    fn an_append_comes_back_through_openraft() {
        let position = |index| Position { term: 2, leader: 1, index };
        let entry = |index, payload| EntryRecord { position: position(index), payload };
        let append = Append {
            ballot: Ballot { term: 2, node: 1, won: true },
            previous: Some(position(4)),
            committed: Some(position(3)),
            entries: vec![
                entry(5, Payload::Blank),
                entry(6, Payload::Commands(Blob(vec![1, 2, 3]))),
                entry(7, Payload::Members(crate::records::MembersRecord::default())),
            ],
        };
        let bytes = codec::encode(&Request::Append(append.clone())).unwrap();
        let Request::Append(decoded) = codec::decode(&bytes).unwrap() else { panic!("append") };
        let raft = AppendEntriesRequest::<TypeConfig>::from(decoded);
        assert_eq!(Append::from(raft), append);
    }

    #[test]
    fn the_encoding_of_each_variant_stays_what_it_is() {
        let cases = [
            (codec::encode(&Request::ReadIndex).unwrap(), vec![1, 4]),
            (
                codec::encode(&Request::Propose { command: Blob(vec![7]), timeout_ms: 5 }).unwrap(),
                vec![1, 3, 1, 7, 5],
            ),
            (codec::encode(&Response::Refused(Refusal::NoQuorum)).unwrap(), vec![1, 7, 1]),
            (codec::encode(&Response::ReadIndex(Some(3))).unwrap(), vec![1, 5, 1, 3]),
            (codec::encode(&Response::Append(Appended::Conflict)).unwrap(), vec![1, 0, 2]),
        ];
        for (bytes, expected) in cases {
            assert_eq!(bytes, expected);
        }
    }
}
