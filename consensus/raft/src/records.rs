//! Raft's values in a form of our own, for the log and the wire: another version of openraft
//! changes the conversions here and no byte on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use openraft::entry::EntryPayload;
use openraft::{CommittedLeaderId, LogId, Membership, SnapshotMeta, StoredMembership, Vote};
use serde::{Deserialize, Serialize};

use crate::codec::Blob;
use crate::config::Incarnation;
use crate::raft_types::{Batch, Entry, Member};

/// Which entry: its index and the term and leader that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) term: u64,
    pub(crate) leader: u64,
    pub(crate) index: u64,
}

impl From<LogId<u64>> for Position {
    fn from(id: LogId<u64>) -> Self {
        Self { term: id.leader_id.term, leader: id.leader_id.node_id, index: id.index }
    }
}

impl From<Position> for LogId<u64> {
    fn from(position: Position) -> Self {
        Self::new(CommittedLeaderId::new(position.term, position.leader), position.index)
    }
}

/// Whom a node voted for, and whether that one won.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Ballot {
    pub(crate) term: u64,
    pub(crate) node: u64,
    pub(crate) won: bool,
}

impl From<Vote<u64>> for Ballot {
    fn from(vote: Vote<u64>) -> Self {
        Self { term: vote.leader_id.term, node: vote.leader_id.node_id, won: vote.committed }
    }
}

impl From<Ballot> for Vote<u64> {
    fn from(ballot: Ballot) -> Self {
        if ballot.won {
            Self::new_committed(ballot.term, ballot.node)
        } else {
            Self::new(ballot.term, ballot.node)
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct MemberRecord {
    pub(crate) address: String,
    pub(crate) incarnation: Incarnation,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct MembersRecord {
    /// One set of voters, or two while they change.
    pub(crate) voters: Vec<BTreeSet<u64>>,
    pub(crate) nodes: BTreeMap<u64, MemberRecord>,
}

impl From<&Membership<u64, Member>> for MembersRecord {
    fn from(membership: &Membership<u64, Member>) -> Self {
        let record = |member: &Member| MemberRecord {
            address: member.address.clone(),
            incarnation: member.incarnation,
        };
        Self {
            voters: membership.get_joint_config().clone(),
            nodes: membership.nodes().map(|(&id, member)| (id, record(member))).collect(),
        }
    }
}

impl From<MembersRecord> for Membership<u64, Member> {
    fn from(record: MembersRecord) -> Self {
        let member = |record: MemberRecord| Member {
            address: record.address,
            incarnation: record.incarnation,
        };
        let nodes: BTreeMap<u64, Member> =
            record.nodes.into_iter().map(|(id, record)| (id, member(record))).collect();
        Self::new(record.voters, nodes)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Payload {
    Blank,
    /// An encoded list of commands.
    Commands(Blob),
    Members(MembersRecord),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EntryRecord {
    pub(crate) position: Position,
    pub(crate) payload: Payload,
}

impl From<&Entry> for EntryRecord {
    fn from(entry: &Entry) -> Self {
        let payload = match &entry.payload {
            EntryPayload::Blank => Payload::Blank,
            EntryPayload::Normal(batch) => Payload::Commands(Blob(batch.commands.to_vec())),
            EntryPayload::Membership(membership) => Payload::Members(membership.into()),
        };
        Self { position: entry.log_id.into(), payload }
    }
}

impl From<EntryRecord> for Entry {
    fn from(record: EntryRecord) -> Self {
        let payload = match record.payload {
            Payload::Blank => EntryPayload::Blank,
            Payload::Commands(Blob(commands)) => {
                EntryPayload::Normal(Batch { commands: Arc::from(commands), logged: None })
            }
            Payload::Members(members) => EntryPayload::Membership(members.into()),
        };
        Self { log_id: record.position.into(), payload }
    }
}

/// What a snapshot holds, beside its data.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct SnapshotRecord {
    pub(crate) last: Option<Position>,
    pub(crate) members_at: Option<Position>,
    pub(crate) members: MembersRecord,
    pub(crate) id: String,
}

impl From<&SnapshotMeta<u64, Member>> for SnapshotRecord {
    fn from(meta: &SnapshotMeta<u64, Member>) -> Self {
        Self {
            last: meta.last_log_id.map(Position::from),
            members_at: meta.last_membership.log_id().map(Position::from),
            members: meta.last_membership.membership().into(),
            id: meta.snapshot_id.clone(),
        }
    }
}

impl From<SnapshotRecord> for SnapshotMeta<u64, Member> {
    fn from(record: SnapshotRecord) -> Self {
        let members_at = record.members_at.map(LogId::from);
        Self {
            last_log_id: record.last.map(LogId::from),
            last_membership: StoredMembership::new(members_at, record.members.into()),
            snapshot_id: record.id,
        }
    }
}
