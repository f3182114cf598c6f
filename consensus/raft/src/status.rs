//! What a node knows about itself and the cluster, as data for operators and agents.

use std::collections::BTreeMap;

use openraft::ServerState;
use schema_types::cluster::NodeId;

use crate::config::Incarnation;
use crate::raft_types::Metrics;

/// What a node is in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Follows the leader without a vote, or belongs to no cluster yet.
    Learner,
    /// Follows the leader and votes.
    Follower,
    /// Asks for votes.
    Candidate,
    /// Leads, as far as it knows.
    Leader,
    /// Has stopped.
    Stopped,
}

/// One member as this node knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberStatus {
    /// Where it is.
    pub address: String,
    /// Which disk it has.
    pub incarnation: Incarnation,
    /// Whether it votes.
    pub votes: bool,
    /// Index up to which its log is known to agree; only the leader knows.
    pub matched_index: Option<u64>,
}

/// What a node knows at one moment. Indexes count entries from 0; nothing means none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The node.
    pub node: NodeId,
    /// Its disk.
    pub incarnation: Incarnation,
    /// What it is.
    pub role: Role,
    /// Term of its vote.
    pub term: u64,
    /// Leader that it follows; may have lost the lead already.
    pub leader: Option<NodeId>,
    /// For a leader, milliseconds since a majority answered it; nothing before that.
    pub quorum_heard_ms_ago: Option<u64>,
    /// Members, voters and learners.
    pub members: BTreeMap<NodeId, MemberStatus>,
    /// Whether the voters are just changing.
    pub voters_change: bool,
    /// Last entry in its log.
    pub last_log_index: Option<u64>,
    /// Last entry applied.
    pub applied_index: Option<u64>,
    /// Last entry in its snapshot.
    pub snapshot_index: Option<u64>,
    /// Last entry that the log gave up.
    pub purged_index: Option<u64>,
    /// Bytes of the entries in its log.
    pub log_bytes: u64,
    /// Appends to its log since it started: one sync each.
    pub log_appends: u64,
}

impl Status {
    /// Ids of the voters.
    pub fn voters(&self) -> impl Iterator<Item = NodeId> {
        self.members.iter().filter(|(_, member)| member.votes).map(|(&node, _)| node)
    }

    pub(crate) fn of(metrics: &Metrics, incarnation: Incarnation, log: (u64, u64)) -> Self {
        let membership = metrics.membership_config.membership();
        let voters: Vec<u64> = membership.voter_ids().collect();
        let matched = |node: &u64| {
            let replication = metrics.replication.as_ref()?;
            replication.get(node).copied().flatten().map(|id| id.index)
        };
        let member = |(node, member): (&u64, &crate::raft_types::Member)| {
            let status = MemberStatus {
                address: member.address.clone(),
                incarnation: member.incarnation,
                votes: voters.contains(node),
                matched_index: matched(node),
            };
            (NodeId(*node), status)
        };
        Self {
            node: NodeId(metrics.id),
            incarnation,
            role: role_of(metrics.state),
            term: metrics.current_term,
            leader: metrics.current_leader.map(NodeId),
            quorum_heard_ms_ago: metrics.millis_since_quorum_ack,
            members: membership.nodes().map(member).collect(),
            voters_change: membership.get_joint_config().len() > 1,
            last_log_index: metrics.last_log_index,
            applied_index: metrics.last_applied.map(|id| id.index),
            snapshot_index: metrics.snapshot.map(|id| id.index),
            purged_index: metrics.purged.map(|id| id.index),
            log_bytes: log.0,
            log_appends: log.1,
        }
    }
}

fn role_of(state: ServerState) -> Role {
    match state {
        ServerState::Learner => Role::Learner,
        ServerState::Follower => Role::Follower,
        ServerState::Candidate => Role::Candidate,
        ServerState::Leader => Role::Leader,
        ServerState::Shutdown => Role::Stopped,
    }
}
