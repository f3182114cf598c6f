//! Carries out the requests of other nodes. A node speaks of votes and entries only in its own
//! name.

use std::sync::Arc;
use std::time::Duration;

use openraft::error::RaftError;
use openraft::raft::{InstallSnapshotRequest, VoteRequest};
use openraft::{LogId, Vote};
use schema_types::cluster::NodeId;
use tokio::time::Instant;

use crate::codec::Blob;
use crate::config::Incarnation;
use crate::core::Core;
use crate::error::{IdReused, StopReason};
use crate::limits::SNAPSHOT_BYTES_MAX;
use crate::net::message::{
    Append, MembershipChange, Refusal, Request, Response, SnapshotPiece, not_leader,
};
use crate::net::server::{Handler, Handling};
use crate::raft_types::TypeConfig;
use crate::records::{Ballot, Position};

/// The server's view of the node.
pub(crate) struct NodeHandler(pub(crate) Arc<Core>);

impl Handler for NodeHandler {
    fn handle(&self, from: NodeId, request: Request) -> Handling {
        let core = Arc::clone(&self.0);
        Box::pin(async move {
            match request {
                Request::Append(append) => take_append(&core, from, append).await,
                Request::Vote { ballot, last } => take_vote(&core, from, ballot, last).await,
                Request::Snapshot(piece) => take_piece(&core, from, piece).await,
                Request::Propose { command, timeout_ms } => {
                    take_proposal(&core, command, timeout_ms).await
                }
                Request::ReadIndex => take_read(&core).await,
                Request::Change(change) => take_change(&core, change).await,
            }
        })
    }

    fn known_incarnation(&self, node: NodeId) -> Option<Incarnation> {
        let known = self.0.state_machine.known_incarnation(node.0);
        known.filter(|_| !node_env::planted!("raft-wiped-disk-may-vote"))
    }

    fn reused(&self, reused: IdReused) {
        self.0.stop.stop(StopReason::IdReused(reused));
    }
}

const STOPPED: Response = Response::Refused(Refusal::Stopped);

/// A leader or candidate has to be the one who speaks.
fn in_own_name(from: NodeId, ballot: Ballot) -> bool {
    let own = from.0 == ballot.node;
    if !own {
        tracing::warn!(%from, claimed = ballot.node, "node speaks in the name of another");
    }
    own
}

async fn take_append(core: &Core, from: NodeId, append: Append) -> Response {
    if !in_own_name(from, append.ballot()) {
        return STOPPED;
    }
    let answered = core.raft.append_entries(append.into()).await;
    answered.map_or(STOPPED, |answer| Response::Append(answer.into()))
}

async fn take_vote(core: &Core, from: NodeId, ballot: Ballot, last: Option<Position>) -> Response {
    if !in_own_name(from, ballot) {
        return STOPPED;
    }
    let request = VoteRequest::new(Vote::from(ballot), last.map(LogId::from));
    core.raft.vote(request).await.map_or(STOPPED, Response::from)
}

async fn take_piece(core: &Core, from: NodeId, piece: SnapshotPiece) -> Response {
    let end = usize::try_from(piece.offset).ok().and_then(|at| at.checked_add(piece.data.0.len()));
    let bounded = end.is_some_and(|end| end <= SNAPSHOT_BYTES_MAX);
    if !bounded || !in_own_name(from, piece.ballot()) {
        return STOPPED;
    }
    let request = InstallSnapshotRequest::<TypeConfig>::from(piece);
    match core.raft.install_snapshot(request).await {
        Ok(answer) => Response::SnapshotTaken { ballot: answer.vote.into() },
        Err(RaftError::APIError(_mismatch)) => Response::SnapshotMismatch,
        Err(RaftError::Fatal(_)) => STOPPED,
    }
}

async fn take_proposal(core: &Core, command: Blob, timeout_ms: u64) -> Response {
    let timeout = Duration::from_millis(timeout_ms.min(core.options.config.propose_timeout_ms));
    match core.propose_here(command.0, Instant::now() + timeout).await {
        Ok(outcome) => Response::Outcome(Blob(outcome)),
        Err(refusal) => Response::Refused(refusal),
    }
}

async fn take_read(core: &Core) -> Response {
    let timeout = Duration::from_millis(core.options.config.read_timeout_ms);
    match core.read_index_here(Instant::now() + timeout).await {
        Some(index) => Response::ReadIndex(index),
        None => Response::Refused(not_leader(None)),
    }
}

async fn take_change(core: &Core, change: MembershipChange) -> Response {
    Response::Changed(core.change_here(change).await)
}
