//! Who belongs to the cluster: learners are added, voters chosen among them, members removed. One
//! change at a time; openraft 0.9 leaves a change half done when its leader falls, so whoever
//! leads finishes it.

use std::collections::{BTreeMap, BTreeSet};

use openraft::ChangeMembers;
use openraft::error::{ChangeMembershipError, ClientWriteError, InitializeError, RaftError};
use schema_types::cluster::NodeId;
use tokio::time::Instant;

use crate::core::{Core, Leader};
use crate::error::{IdReused, MembershipError};
use crate::limits::{KNOWN_NODES_MAX, MEMBERS_MAX, PROMOTION_LAG_ENTRIES_MAX, VOTERS_MAX};
use crate::net::client::CallError;
use crate::net::hello::HelloError;
use crate::net::message::{MembershipChange, Request, Response};
use crate::raft_types::{Member, Metrics};

type WriteError = RaftError<u64, ClientWriteError<u64, Member>>;

impl Core {
    /// Makes a new cluster of this node alone.
    pub(crate) async fn initialize(&self) -> Result<(), MembershipError> {
        let address = self.options.address.clone();
        let member = Member { address, incarnation: self.me.incarnation };
        let members = BTreeMap::from([(self.me.node.0, member)]);
        match self.raft.initialize(members).await {
            Ok(()) => Ok(()),
            Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {
                Err(MembershipError::AlreadyInitialized)
            }
            Err(RaftError::APIError(InitializeError::NotInMembers(not))) => {
                Err(MembershipError::NotAMember { node: not.node_id })
            }
            Err(RaftError::Fatal(fatal)) => {
                Err(MembershipError::Stopped { reason: fatal.to_string() })
            }
        }
    }

    /// Changes the membership, here or at the leader.
    pub(crate) async fn change(&self, change: MembershipChange) -> Result<(), MembershipError> {
        let deadline = self.propose_deadline();
        loop {
            let changed = match self.leader() {
                Leader::Here => self.change_here(change.clone()).await,
                Leader::There(to) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let request = Request::Change(change.clone());
                    match self.peers.call(&to, &request, left).await {
                        Ok(Response::Changed(changed)) => changed,
                        Ok(_refused) => Err(MembershipError::NotLeader),
                        Err(CallError::NotSent(_)) => Err(MembershipError::NotLeader),
                        Err(CallError::NoAnswer) => Err(MembershipError::OutcomeUnknown),
                    }
                }
                Leader::Unknown => Err(MembershipError::NotLeader),
            };
            if changed != Err(MembershipError::NotLeader) || !self.pause(deadline).await {
                return changed;
            }
        }
    }

    /// Changes the membership if this node leads.
    pub(crate) async fn change_here(
        &self,
        change: MembershipChange,
    ) -> Result<(), MembershipError> {
        let _alone = self.changing.try_lock().map_err(|_held| MembershipError::InProgress)?;
        if !matches!(self.leader(), Leader::Here) {
            return Err(MembershipError::NotLeader);
        }
        let deadline = self.propose_deadline();
        let work = async {
            self.finish_change().await?;
            match change {
                MembershipChange::AddLearner { node, address } => {
                    self.add_learner(node, address).await
                }
                MembershipChange::SetVoters(voters) => self.set_voters(voters, deadline).await,
                MembershipChange::Remove { node } => self.remove(node).await,
            }
        };
        let done = tokio::time::timeout_at(deadline, work).await;
        done.unwrap_or(Err(MembershipError::OutcomeUnknown))
    }

    /// Finishes a change of the voters that was left half done, if this node leads.
    pub(crate) async fn finish_left_change(&self) {
        let Ok(_alone) = self.changing.try_lock() else { return };
        let work = self.finish_change();
        let done = tokio::time::timeout_at(self.propose_deadline(), work).await;
        if let Ok(Err(error)) = done {
            tracing::debug!(%error, "change of the voters stays unfinished for now");
        }
    }

    async fn finish_change(&self) -> Result<(), MembershipError> {
        let metrics = self.metrics();
        let configs = metrics.membership_config.membership().get_joint_config();
        let Some(goal) = configs.last().filter(|_| configs.len() > 1).cloned() else {
            return Ok(());
        };
        self.write(ChangeMembers::ReplaceAllVoters(goal)).await
    }

    async fn write(&self, change: ChangeMembers<u64, Member>) -> Result<(), MembershipError> {
        let written = self.raft.change_membership(change, true).await;
        written.map(|_response| ()).map_err(|error| refusal_of(&error))
    }

    async fn add_learner(&self, node: u64, address: String) -> Result<(), MembershipError> {
        let found = match self.peers.ask(NodeId(node), &address).await {
            Ok(incarnation) => incarnation,
            Err(HelloError::IdReused(reused)) => return Err(reused.into()),
            Err(error) => return Err(MembershipError::Unreachable { reason: error.to_string() }),
        };
        let known = self.state_machine.known();
        if let Some(&known) = known.get(&node).filter(|known| **known != found) {
            return Err(IdReused { node, known, found }.into());
        }
        let metrics = self.metrics();
        let membership = metrics.membership_config.membership();
        let member = Member { address, incarnation: found };
        match membership.get_node(&node) {
            Some(present) if *present == member => Ok(()),
            // The same disk at another address.
            Some(_moved) => {
                self.write(ChangeMembers::SetNodes(BTreeMap::from([(node, member)]))).await
            }
            None if membership.nodes().count() >= MEMBERS_MAX || known.len() >= KNOWN_NODES_MAX => {
                Err(MembershipError::TooMany)
            }
            None => self.write(ChangeMembers::AddNodes(BTreeMap::from([(node, member)]))).await,
        }
    }

    async fn set_voters(
        &self,
        voters: BTreeSet<u64>,
        deadline: Instant,
    ) -> Result<(), MembershipError> {
        if voters.len().is_multiple_of(2) || voters.len() > VOTERS_MAX {
            return Err(MembershipError::VoterCount { voters: voters.len() });
        }
        let metrics = self.metrics();
        let membership = metrics.membership_config.membership();
        if let Some(&node) = voters.iter().find(|node| membership.get_node(node).is_none()) {
            return Err(MembershipError::NotAMember { node });
        }
        self.wait_for_learners(&voters, deadline).await?;
        self.write(ChangeMembers::ReplaceAllVoters(voters)).await
    }

    /// A voter that lags would hold up every commit that needs it.
    async fn wait_for_learners(
        &self,
        voters: &BTreeSet<u64>,
        deadline: Instant,
    ) -> Result<(), MembershipError> {
        // The change itself needs time too.
        let patience = deadline.saturating_duration_since(Instant::now()) / 2;
        let until = Instant::now() + patience;
        loop {
            let metrics = self.metrics();
            let Some((node, entries)) = lagging(&metrics, voters) else { return Ok(()) };
            if !self.pause(until).await {
                return Err(MembershipError::Lags { node, entries });
            }
        }
    }

    async fn remove(&self, node: u64) -> Result<(), MembershipError> {
        let metrics = self.metrics();
        let membership = metrics.membership_config.membership();
        if membership.get_node(&node).is_none() {
            return Err(MembershipError::NotAMember { node });
        }
        if membership.voter_ids().any(|voter| voter == node) {
            return Err(MembershipError::IsVoter { node });
        }
        self.write(ChangeMembers::RemoveNodes(BTreeSet::from([node]))).await
    }
}

/// The first of these nodes that lags too far behind, and by how many entries.
fn lagging(metrics: &Metrics, voters: &BTreeSet<u64>) -> Option<(u64, u64)> {
    let replication = metrics.replication.as_ref()?;
    let next = metrics.last_log_index.map_or(0, |last| last + 1);
    voters.iter().filter(|&&node| node != metrics.id).find_map(|node| {
        let matched = replication.get(node).copied().flatten();
        let behind = next.saturating_sub(matched.map_or(0, |id| id.index + 1));
        (behind > PROMOTION_LAG_ENTRIES_MAX || matched.is_none()).then_some((*node, behind))
    })
}

fn refusal_of(error: &WriteError) -> MembershipError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => {
            // It may have been taken and replaced: openraft does not tell the two apart.
            MembershipError::OutcomeUnknown
        }
        RaftError::APIError(ClientWriteError::ChangeMembershipError(refused)) => match refused {
            ChangeMembershipError::InProgress(_) => MembershipError::InProgress,
            ChangeMembershipError::EmptyMembership(_) => MembershipError::VoterCount { voters: 0 },
            ChangeMembershipError::LearnerNotFound(missing) => {
                MembershipError::NotAMember { node: missing.node_id }
            }
        },
        RaftError::Fatal(fatal) => MembershipError::Stopped { reason: fatal.to_string() },
    }
}
