//! Raft's messages over the connections of `net`, as openraft wants them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use openraft::error::{
    InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, SnapshotMismatch,
    Unreachable,
};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use openraft::{LogId, SnapshotSegmentId};
use schema_types::cluster::NodeId;

use crate::limits::{RECONNECT_PAUSE_MS_MAX, SNAPSHOT_CHUNK_TIMEOUT_MS};
use crate::net::client::{CallError, PeerAddress, Peers};
use crate::net::message::{Append, Request, Response, SnapshotPiece};
use crate::raft_types::{Member, TypeConfig};

type Failure<E = openraft::error::Infallible> = RPCError<u64, Member, RaftError<u64, E>>;

/// Makes the clients that openraft asks for; they share the connections.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) peers: Arc<Peers>,
}

/// The way to one node.
pub(crate) struct PeerNetwork {
    peers: Arc<Peers>,
    to: PeerAddress,
}

pub(crate) fn address_of(node: u64, member: &Member) -> PeerAddress {
    PeerAddress {
        node: NodeId(node),
        address: member.address.clone(),
        incarnation: member.incarnation,
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = PeerNetwork;

    async fn new_client(&mut self, target: u64, node: &Member) -> PeerNetwork {
        PeerNetwork { peers: Arc::clone(&self.peers), to: address_of(target, node) }
    }
}

impl PeerNetwork {
    async fn call<E: std::error::Error>(
        &self,
        request: &Request,
        timeout: Duration,
    ) -> Result<Response, Failure<E>> {
        match self.peers.call(&self.to, request, timeout).await {
            Ok(response) => Ok(response),
            Err(error @ CallError::NotSent(_)) => {
                Err(RPCError::Unreachable(Unreachable::new(&error)))
            }
            Err(error @ CallError::NoAnswer) => Err(RPCError::Network(NetworkError::new(&error))),
        }
    }
}

fn unexpected<E: std::error::Error>() -> Failure<E> {
    let error = io::Error::new(io::ErrorKind::InvalidData, "refused or unexpected answer");
    RPCError::Network(NetworkError::new(&error))
}

impl RaftNetwork<TypeConfig> for PeerNetwork {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, Failure> {
        let request = Request::Append(Append::from(rpc));
        let Response::Append(appended) = self.call(&request, option.hard_ttl()).await? else {
            return Err(unexpected());
        };
        Ok(appended.into())
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, Failure<InstallSnapshotError>> {
        let begin = |offset| SnapshotSegmentId { id: rpc.meta.snapshot_id.clone(), offset };
        let mismatch = SnapshotMismatch { expect: begin(0), got: begin(rpc.offset) };
        let request = Request::Snapshot(SnapshotPiece::from(rpc));
        let timeout = Duration::from_millis(SNAPSHOT_CHUNK_TIMEOUT_MS);
        let response = self.call(&request, timeout).await?;
        if response == Response::SnapshotMismatch {
            let error = RaftError::APIError(mismatch.into());
            return Err(RPCError::RemoteError(RemoteError::new(self.to.node.0, error)));
        }
        let Response::SnapshotTaken { ballot } = response else { return Err(unexpected()) };
        Ok(InstallSnapshotResponse { vote: ballot.into() })
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<u64>,
        option: RPCOption,
    ) -> Result<VoteResponse<u64>, Failure> {
        let response = self.call(&Request::from(rpc), option.hard_ttl()).await?;
        let Response::Vote { ballot, granted, last } = response else { return Err(unexpected()) };
        let last_log_id = last.map(LogId::from);
        Ok(VoteResponse { vote: ballot.into(), vote_granted: granted, last_log_id })
    }

    /// Short at first: a peer that restarts should not lose its leader for a whole lease.
    fn backoff(&self) -> Backoff {
        let longest = Duration::from_millis(RECONNECT_PAUSE_MS_MAX / 5);
        let first = Duration::from_millis(50);
        Backoff::new(std::iter::successors(Some(first), move |pause| {
            Some((*pause * 2).min(longest))
        }))
    }
}
