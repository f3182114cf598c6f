//! What a running node can do: propose and read, here or at the leader. Changes of the membership
//! are in `membership`, requests of other nodes in `handler`.

use std::sync::Arc;
use std::time::Duration;

use schema_types::cluster::NodeId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::batcher::Waiting;
use crate::codec::Blob;
use crate::config::Options;
use crate::limits::LEADER_RETRY_PAUSE_MS;
use crate::log_store::LogStore;
use crate::machine::ErasedMachine;
use crate::net::client::{CallError, PeerAddress, Peers};
use crate::net::hello::Me;
use crate::net::message::{Refusal, Request, Response, not_leader};
use crate::network::address_of;
use crate::raft_types::{Metrics, Raft};
use crate::state_machine::StateMachine;
use crate::status::Status;
use crate::stop::StopCell;

/// A running node.
pub(crate) struct Core {
    pub(crate) options: Options,
    pub(crate) me: Me,
    pub(crate) raft: Raft,
    pub(crate) peers: Arc<Peers>,
    pub(crate) log: LogStore,
    pub(crate) state_machine: StateMachine,
    pub(crate) machine: Arc<dyn ErasedMachine>,
    pub(crate) stop: StopCell,
    pub(crate) batch: mpsc::Sender<Waiting>,
    pub(crate) applied: Arc<watch::Sender<u64>>,
    /// Held while the membership changes.
    pub(crate) changing: tokio::sync::Mutex<()>,
}

/// Who leads, as seen from this node.
pub(crate) enum Leader {
    Here,
    There(PeerAddress),
    Unknown,
}

impl Core {
    pub(crate) fn metrics(&self) -> Metrics {
        self.raft.metrics().borrow().clone()
    }

    pub(crate) fn status(&self) -> Status {
        let log = (self.log.bytes(), self.log.appends());
        Status::of(&self.metrics(), self.me.incarnation, log)
    }

    pub(crate) fn leader(&self) -> Leader {
        let metrics = self.metrics();
        let Some(leader) = metrics.current_leader else { return Leader::Unknown };
        if leader == metrics.id {
            return Leader::Here;
        }
        let membership = metrics.membership_config.membership();
        membership
            .get_node(&leader)
            .map_or(Leader::Unknown, |member| Leader::There(address_of(leader, member)))
    }

    fn leader_hint(&self) -> Option<NodeId> {
        self.metrics().current_leader.map(NodeId)
    }

    pub(crate) fn propose_deadline(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.options.config.propose_timeout_ms)
    }

    /// Proposes here or at the leader, and looks for the leader until the deadline as long as it
    /// is certain that the command was not proposed.
    pub(crate) async fn propose(&self, command: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        let deadline = self.propose_deadline();
        loop {
            let answer = match self.leader() {
                Leader::Here => self.propose_here(command.clone(), deadline).await,
                Leader::There(to) => self.propose_there(&to, &command, deadline).await,
                Leader::Unknown => Err(not_leader(None)),
            };
            let retried = matches!(&answer, Err(Refusal::NotLeader { .. } | Refusal::NoQuorum));
            if !retried || !self.pause(deadline).await {
                return answer;
            }
        }
    }

    /// Proposes here if this node leads.
    pub(crate) async fn propose_here(
        &self,
        command: Vec<u8>,
        deadline: Instant,
    ) -> Result<Vec<u8>, Refusal> {
        if !self.machine.understands(&command) {
            return Err(Refusal::NotUnderstood);
        }
        self.check_leads()?;
        let (reply, answer) = oneshot::channel();
        let queued = self.batch.try_send(Waiting { command, reply });
        queued.map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refusal::Overloaded,
            mpsc::error::TrySendError::Closed(_) => Refusal::Stopped,
        })?;
        let answered = tokio::time::timeout_at(deadline, answer).await;
        answered.unwrap_or(Ok(Err(Refusal::OutcomeUnknown))).unwrap_or(Err(Refusal::OutcomeUnknown))
    }

    /// A leader that has not heard from a majority for two election timeouts, or not at all
    /// since it started, takes nothing: openraft 0.9 would let it append for ever. One that lost
    /// its vote is about to give up the lead.
    fn check_leads(&self) -> Result<(), Refusal> {
        if !matches!(self.leader(), Leader::Here) {
            return Err(not_leader(self.leader_hint()));
        }
        let metrics = self.metrics();
        let voters: Vec<u64> = metrics.membership_config.membership().voter_ids().collect();
        if voters == [metrics.id] {
            return Ok(());
        }
        if !voters.contains(&metrics.id) {
            return Err(not_leader(None));
        }
        let silent_ms_max = self.options.config.election_timeout_ms_max * 2;
        let heard = metrics.millis_since_quorum_ack.is_some_and(|ms| ms <= silent_ms_max);
        if heard { Ok(()) } else { Err(Refusal::NoQuorum) }
    }

    async fn propose_there(
        &self,
        to: &PeerAddress,
        command: &[u8],
        deadline: Instant,
    ) -> Result<Vec<u8>, Refusal> {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let request = Request::Propose { command: Blob(command.to_vec()), timeout_ms };
        match self.peers.call(to, &request, left).await {
            Ok(Response::Outcome(outcome)) => Ok(outcome.0),
            Ok(Response::Refused(refusal)) => Err(refusal),
            Ok(_unexpected) => Err(Refusal::OutcomeUnknown),
            Err(CallError::NotSent(_)) => Err(not_leader(Some(to.node))),
            Err(CallError::NoAnswer) => Err(Refusal::OutcomeUnknown),
        }
    }

    /// Waits a moment; false when the deadline has passed.
    pub(crate) async fn pause(&self, deadline: Instant) -> bool {
        let until = Instant::now() + Duration::from_millis(LEADER_RETRY_PAUSE_MS);
        tokio::time::sleep_until(until.min(deadline)).await;
        Instant::now() < deadline
    }

    /// Waits until this node has applied all that was committed when it was called (ReadIndex):
    /// the leader asks a majority whether it still leads. False when nobody could confirm.
    pub(crate) async fn confirm_read(&self) -> bool {
        let timeout = Duration::from_millis(self.options.config.read_timeout_ms);
        let deadline = Instant::now() + timeout;
        let index = loop {
            let index = match self.leader() {
                Leader::Here => self.read_index_here(deadline).await,
                Leader::There(to) => self.read_index_there(&to, deadline).await,
                Leader::Unknown => None,
            };
            match index {
                Some(index) => break index,
                None if self.pause(deadline).await => {}
                None => return false,
            }
        };
        let Some(index) = index else { return true };
        let mut applied = self.applied.subscribe();
        let reached = applied.wait_for(|&applied| applied >= index);
        matches!(tokio::time::timeout_at(deadline, reached).await, Ok(Ok(_)))
    }

    /// The read index if this node leads and a majority says so; inside, nothing while the log
    /// is empty.
    pub(crate) async fn read_index_here(&self, deadline: Instant) -> Option<Option<u64>> {
        let asked = tokio::time::timeout_at(deadline, self.raft.get_read_log_id()).await;
        let (read, _applied) = asked.ok()?.ok()?;
        Some(read.map(|id| id.index))
    }

    async fn read_index_there(&self, to: &PeerAddress, deadline: Instant) -> Option<Option<u64>> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.peers.call(to, &Request::ReadIndex, left).await {
            Ok(Response::ReadIndex(index)) => Some(index),
            Ok(_refused) => None,
            Err(_lost) => None,
        }
    }
}
