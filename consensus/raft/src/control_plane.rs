//! The handle of a running node: propose, read, watch, change the membership, stop.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use openraft::AsyncRuntime;
use schema_types::cluster::NodeId;
use tokio::sync::{mpsc, oneshot, watch};

use crate::codec;
use crate::config::{Environment, Execution, Options};
use crate::core::Core;
use crate::error::{MembershipError, ProposeError, ReadError, StartError, StopReason};
use crate::limits::{CALLS_MAX, COMMAND_BYTES_MAX, RETRY_AFTER_MS};
use crate::machine::{Machine, Shared};
use crate::net::message::{MembershipChange, Refusal};
use crate::node::{self, Call, Start};
use crate::runtime::NodeRuntime;
use crate::status::Status;
use crate::stop::StopCell;

/// One node of the control plane. Clones are the same node; it stops when the last one is
/// dropped, when it is told to, and when it has to.
pub struct ControlPlane<M: Machine> {
    machine: Shared<M>,
    calls: mpsc::Sender<Call>,
    stop: StopCell,
    applied: watch::Receiver<u64>,
    ended: watch::Receiver<bool>,
}

impl<M: Machine> Clone for ControlPlane<M> {
    fn clone(&self) -> Self {
        Self {
            machine: self.machine.clone(),
            calls: self.calls.clone(),
            stop: self.stop.clone(),
            applied: self.applied.clone(),
            ended: self.ended.clone(),
        }
    }
}

/// Why a call did not come back.
enum Uncalled {
    Overloaded,
    /// It was never begun.
    Stopped(StopReason),
    /// It was begun.
    Interrupted(StopReason),
}

impl<M: Machine> ControlPlane<M> {
    /// Starts a node with what its directory holds, or as a new one. `machine` is the state
    /// before the first command; a stored snapshot replaces it. A new node belongs to no cluster
    /// until it makes one ([`ControlPlane::initialize`]) or is added to one.
    ///
    /// With [`Execution::Inline`] this has to be called inside a tokio runtime, which then runs
    /// the node.
    ///
    /// # Errors
    /// [`StartError`]; what it names has to be mended first.
    pub async fn start(
        environment: Environment,
        options: Options,
        machine: M,
    ) -> Result<Self, StartError> {
        options.config.check().map_err(|rule| StartError::Config { rule })?;
        let machine = Shared::new(machine);
        let stop = StopCell::new();
        let (applied, applied_seen) = watch::channel(0);
        let (ended, ended_seen) = watch::channel(false);
        let (calls, called) = mpsc::channel(CALLS_MAX);
        let (ready, is_ready) = oneshot::channel();
        let execution = environment.execution.clone();
        let start = Start {
            environment,
            options,
            machine: Arc::new(machine.clone()),
            stop: stop.clone(),
            applied: Arc::new(applied),
            calls: called,
            ready,
            ended,
        };
        match execution {
            Execution::Threads(spawner) => {
                spawner.spawn_thread("raft", Box::new(move || node::run_on_thread(start)))?;
            }
            Execution::Inline => drop(NodeRuntime::spawn(node::run_inline(start))),
        }
        match is_ready.await {
            Ok(started) => started?,
            Err(_dropped) => return Err(StartError::Stopped(stop.reason_or_ended())),
        }
        Ok(Self { machine, calls, stop, applied: applied_seen, ended: ended_seen })
    }

    /// Proposes a command and answers its outcome when it is committed and applied at the
    /// leader. On another node it is forwarded over the connection between the nodes. While no
    /// leader is known it waits, up to `propose_timeout_ms` altogether.
    ///
    /// # Errors
    /// [`ProposeError`]. After [`ProposeError::OutcomeUnknown`] the command may still take
    /// effect: commands that must not do so twice carry an id that the machine remembers
    /// (ONCE-1). After any other error it never will.
    pub async fn propose(&self, command: &M::Command) -> Result<M::Outcome, ProposeError> {
        let command = codec::encode(command).map_err(|_codec| ProposeError::NotUnderstood)?;
        if command.len() > COMMAND_BYTES_MAX {
            let bytes = command.len();
            return Err(ProposeError::TooLarge { bytes, bytes_max: COMMAND_BYTES_MAX });
        }
        let proposed = self.call(move |core| async move { core.propose(command).await }).await;
        let outcome = match proposed {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(refusal)) => return Err(self.propose_error(refusal)),
            Err(Uncalled::Overloaded) => {
                return Err(ProposeError::Overloaded { retry_after_ms: RETRY_AFTER_MS });
            }
            Err(Uncalled::Stopped(reason)) => return Err(ProposeError::Stopped { reason }),
            Err(Uncalled::Interrupted(_)) => {
                return Err(ProposeError::OutcomeUnknown { reason: "the node stopped" });
            }
        };
        let reason = "the outcome is not of this version";
        codec::decode(&outcome).map_err(|_codec| ProposeError::OutcomeUnknown { reason })
    }

    fn propose_error(&self, refusal: Refusal) -> ProposeError {
        match refusal {
            Refusal::NotLeader { hint } => ProposeError::NotLeader { hint: hint.map(NodeId) },
            Refusal::NoQuorum => ProposeError::NoQuorum,
            Refusal::Overloaded => ProposeError::Overloaded { retry_after_ms: RETRY_AFTER_MS },
            Refusal::OutcomeUnknown => {
                ProposeError::OutcomeUnknown { reason: "no answer in time, or the leader changed" }
            }
            Refusal::NotUnderstood => ProposeError::NotUnderstood,
            Refusal::Stopped => match self.stop.reason() {
                Some(reason) => ProposeError::Stopped { reason },
                None => ProposeError::OutcomeUnknown { reason: "the leader stopped" },
            },
        }
    }

    /// Looks at the state that this node has applied; it may lag behind the leader. The closure
    /// holds up the applying of commands, so it has to be short.
    pub fn read<T>(&self, look: impl FnOnce(&M) -> T) -> T {
        look(&self.machine.lock())
    }

    /// Looks at a state that holds everything that was committed before the call. Costs a round
    /// to a majority.
    ///
    /// # Errors
    /// [`ReadError`]; above all when no leader can prove that it still leads.
    pub async fn read_linearizable<T>(&self, look: impl FnOnce(&M) -> T) -> Result<T, ReadError> {
        match self.call(|core| async move { core.confirm_read().await }).await {
            Ok(true) => Ok(self.read(look)),
            Ok(false) => Err(ReadError::NotConfirmed),
            Err(Uncalled::Overloaded) => {
                Err(ReadError::Overloaded { retry_after_ms: RETRY_AFTER_MS })
            }
            Err(Uncalled::Stopped(reason) | Uncalled::Interrupted(reason)) => {
                Err(ReadError::Stopped { reason })
            }
        }
    }

    /// Index of the last entry that this node has applied, to be watched; 0 before the first.
    #[must_use]
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.applied.clone()
    }

    /// What this node knows about itself and the cluster.
    ///
    /// # Errors
    /// The reason for which the node has stopped, or that it is overloaded.
    pub async fn status(&self) -> Result<Status, ReadError> {
        match self.call(|core| async move { core.status() }).await {
            Ok(status) => Ok(status),
            Err(Uncalled::Overloaded) => {
                Err(ReadError::Overloaded { retry_after_ms: RETRY_AFTER_MS })
            }
            Err(Uncalled::Stopped(reason) | Uncalled::Interrupted(reason)) => {
                Err(ReadError::Stopped { reason })
            }
        }
    }

    /// Makes a new cluster of this node alone. Once, on one node: two nodes that both do so make
    /// two clusters with one name.
    ///
    /// # Errors
    /// [`MembershipError::AlreadyInitialized`] when the node has been in a cluster.
    pub async fn initialize(&self) -> Result<(), MembershipError> {
        self.change_by(|core| async move { core.initialize().await }).await
    }

    /// Adds a running node as a learner, or tells the cluster its new address. The node is asked
    /// for its disk first.
    ///
    /// # Errors
    /// [`MembershipError`]; [`MembershipError::IdReused`] when the id had another disk before.
    pub async fn add_learner(&self, node: NodeId, address: &str) -> Result<(), MembershipError> {
        let address = address.to_owned();
        self.change(MembershipChange::AddLearner { node: node.0, address }).await
    }

    /// Chooses the voters among the members: 1, 3 or 5. Voters that are not chosen become
    /// learners. Waits a while for learners that lag.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn set_voters(
        &self,
        voters: impl IntoIterator<Item = NodeId>,
    ) -> Result<(), MembershipError> {
        let voters: BTreeSet<u64> = voters.into_iter().map(|node| node.0).collect();
        self.change(MembershipChange::SetVoters(voters)).await
    }

    /// Removes a learner. Its id never comes back with another disk.
    ///
    /// # Errors
    /// [`MembershipError`]; [`MembershipError::IsVoter`] for a voter.
    pub async fn remove(&self, node: NodeId) -> Result<(), MembershipError> {
        self.change(MembershipChange::Remove { node: node.0 }).await
    }

    /// Makes a snapshot soon and gives up the log behind it.
    ///
    /// # Errors
    /// [`ReadError`] when the node has stopped.
    pub async fn trigger_snapshot(&self) -> Result<(), ReadError> {
        let triggered =
            self.call(|core| async move { core.raft.trigger().snapshot().await.is_ok() }).await;
        match triggered {
            Ok(true) => Ok(()),
            Ok(false) => Err(ReadError::Stopped { reason: self.stop.reason_or_ended() }),
            Err(Uncalled::Overloaded) => {
                Err(ReadError::Overloaded { retry_after_ms: RETRY_AFTER_MS })
            }
            Err(Uncalled::Stopped(reason) | Uncalled::Interrupted(reason)) => {
                Err(ReadError::Stopped { reason })
            }
        }
    }

    /// Waits until the node has stopped, and answers why. After anything but
    /// [`StopReason::Requested`] the process has to end: what is on the disk has to be read
    /// again.
    pub async fn stopped(&self) -> StopReason {
        self.stop.stopped().await
    }

    /// Stops the node and waits until nothing of it is left.
    pub async fn shutdown(&self) {
        self.stop.stop(StopReason::Requested);
        let mut ended = self.ended.clone();
        // A dropped sender means that nothing is left either.
        let _ended = ended.wait_for(|ended| *ended).await;
    }

    async fn change(&self, change: MembershipChange) -> Result<(), MembershipError> {
        self.change_by(move |core| async move { core.change(change).await }).await
    }

    async fn change_by<F>(
        &self,
        change: impl FnOnce(Arc<Core>) -> F + Send + 'static,
    ) -> Result<(), MembershipError>
    where
        F: Future<Output = Result<(), MembershipError>> + Send + 'static,
    {
        match self.call(change).await {
            Ok(changed) => changed,
            Err(Uncalled::Overloaded) => Err(MembershipError::Overloaded),
            Err(Uncalled::Stopped(reason)) => {
                Err(MembershipError::Stopped { reason: reason.to_string() })
            }
            Err(Uncalled::Interrupted(_)) => Err(MembershipError::OutcomeUnknown),
        }
    }

    /// Has something done inside the node.
    async fn call<T, F>(
        &self,
        work: impl FnOnce(Arc<Core>) -> F + Send + 'static,
    ) -> Result<T, Uncalled>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        if let Some(reason) = self.stop.reason() {
            return Err(Uncalled::Stopped(reason));
        }
        let (reply, answer) = oneshot::channel();
        let call: Call = Box::new(move |core| -> Pin<Box<dyn Future<Output = ()> + Send>> {
            let work = work(core);
            Box::pin(async move {
                // A caller that gave up hears nothing.
                let _gone = reply.send(work.await);
            })
        });
        match self.calls.try_send(call) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(Uncalled::Overloaded),
            Err(mpsc::error::TrySendError::Closed(_)) => {
                return Err(Uncalled::Stopped(self.stop.reason_or_ended()));
            }
        }
        answer.await.map_err(|_dropped| Uncalled::Interrupted(self.stop.reason_or_ended()))
    }
}
