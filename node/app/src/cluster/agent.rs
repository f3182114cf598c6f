//! Does the steps of hand-offs that are this node's turn, and drops what it may hold no longer.
//! Every step may be done again: it is looked up in the applied state each time, so a crash or a
//! lost report between two steps leaves nothing wedged (LIVE-1).

use super::config::{Drill, Moment};
use super::control::Control;
use super::router::Router;
use actors_runtime::{Runtime, ShardGrant, SubmitError};
use consensus_control::{Action, Command, Holding, Step};
use schema_types::cluster::{Epoch, NodeId};
use schema_types::error_code::ErrorCode;
use schema_types::ids::ShardId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How often the plan is looked at although nothing seems to have changed, milliseconds.
const LOOK_MS: u64 = 200;
/// Steps that are done at once (LIM-1).
const STEPS_AT_ONCE_MAX: usize = 64;
/// How long what a shard has begun may take to end when it is handed over, milliseconds. What
/// lasts longer fails or is left to the store.
const DRAIN_GRACE_MS: u64 = 3_000;
/// Pause after a step that could not be done, milliseconds.
const PAUSE_MS: u64 = 50;

/// Counters of hand-offs.
#[derive(Debug, Default)]
pub(crate) struct AgentCounters {
    pub(crate) steps: AtomicU64,
    pub(crate) steps_failed: AtomicU64,
    pub(crate) dropped: AtomicU64,
}

/// What this node holds and what is being done.
#[derive(Debug, Default)]
struct Work {
    /// Shards that it claimed and serves, with the epoch.
    held: BTreeMap<ShardId, Epoch>,
    /// Shards that a step is about just now.
    busy: BTreeSet<ShardId>,
}

/// The agent of this node.
pub(crate) struct Agent {
    node: NodeId,
    control: Control,
    runtime: Runtime,
    router: Arc<Router>,
    drill: Option<Arc<dyn Drill>>,
    work: Mutex<Work>,
    /// A step ended.
    ended: Notify,
    pub(crate) counters: AgentCounters,
}

impl Agent {
    pub(crate) fn new(
        node: NodeId,
        control: Control,
        runtime: Runtime,
        router: Arc<Router>,
        drill: Option<Arc<dyn Drill>>,
    ) -> Arc<Self> {
        let (work, ended, counters) = (Mutex::default(), Notify::new(), AgentCounters::default());
        Arc::new(Self { node, control, runtime, router, drill, work, ended, counters })
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works until it is told to stop.
    pub(crate) async fn run(self: Arc<Self>, mut stopping: watch::Receiver<bool>) {
        let mut applied = self.control.plane.applied();
        loop {
            self.look();
            let look = tokio::time::sleep(Duration::from_millis(LOOK_MS));
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stop| *stop) => return,
                changed = applied.changed() => {
                    if changed.is_err() {
                        // The control plane has stopped: the process ends, and no plan comes.
                        return;
                    }
                }
                () = self.ended.notified() => {}
                () = look => {}
            }
        }
    }

    /// Takes up what the plan asks for now.
    fn look(self: &Arc<Self>) {
        self.router.follow(&self.control);
        let held: Vec<Holding> = {
            let work = self.work();
            let holding =
                |(shard, epoch): (&ShardId, &Epoch)| Holding { shard: *shard, epoch: *epoch };
            work.held.iter().map(holding).collect()
        };
        let (due, foreign) = self.control.read(|state| {
            let is_foreign = |holding: &Holding| !state.may_hold(self.node, *holding);
            let foreign: Vec<Holding> = held.into_iter().filter(is_foreign).collect();
            for node in state.nodes().values() {
                self.runtime.trust_audit_key(node.spec.audit_key.0);
            }
            (state.due_actions(self.node), foreign)
        });
        for holding in foreign {
            self.begin(&[holding.shard], |agent| async move { agent.drop_shard(holding).await });
        }
        for action in due {
            let closes = action.closes.iter().map(|holding| holding.shard);
            let shards: Vec<ShardId> = closes.chain([action.shard]).collect();
            self.begin(&shards, |agent| async move { agent.perform(action).await });
        }
    }

    /// Runs a step in a task, unless one is about the same shards or there are too many.
    fn begin<F: Future<Output = ()> + Send + 'static>(
        self: &Arc<Self>,
        shards: &[ShardId],
        step: impl FnOnce(Arc<Self>) -> F,
    ) {
        let mut work = self.work();
        let is_busy = shards.iter().any(|shard| work.busy.contains(shard));
        if is_busy || work.busy.len() >= STEPS_AT_ONCE_MAX {
            return;
        }
        work.busy.extend(shards);
        drop(work);
        let (step, agent, shards) = (step(Arc::clone(self)), Arc::clone(self), shards.to_vec());
        tokio::spawn(async move {
            step.await;
            let mut work = agent.work();
            work.busy.retain(|shard| !shards.contains(shard));
            drop(work);
            agent.ended.notify_one();
        });
    }

    /// Lets go of a shard that another node has by the plan; the store refuses its commits from
    /// the other's claim on, whatever happens here (OWN-1).
    async fn drop_shard(&self, holding: Holding) {
        self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        tracing::info!(shard = holding.shard.0, epoch = holding.epoch.0, "shard is no longer ours");
        self.close(holding.shard, 0).await;
    }

    async fn close(&self, shard: ShardId, grace_ms: u64) {
        self.runtime.close_shard(shard, grace_ms).await;
        self.work().held.remove(&shard);
    }

    async fn perform(&self, action: Action) {
        let step = action.step;
        self.drill(step, Moment::Begins).await;
        match step {
            Step::Fence => {
                for holding in &action.closes {
                    self.runtime.fence_shard(holding.shard);
                }
                self.report(&action, &[step]).await;
            }
            Step::Drain => {
                for holding in &action.closes {
                    self.close(holding.shard, DRAIN_GRACE_MS).await;
                }
                self.report(&action, &[step]).await;
            }
            // Who has claimed and loaded serves at once: routers go by the owner.
            Step::Claim => {
                if self.claim(&action).await {
                    self.report(&action, &[Step::Claim, Step::Load, Step::Open]).await;
                }
            }
            // Claimed by this run, and a report was lost; another run has another epoch.
            Step::Load if self.holds(&action) => {
                self.report(&action, &[Step::Load, Step::Open]).await;
            }
            Step::Open if self.holds(&action) => self.report(&action, &[Step::Open]).await,
            Step::Load | Step::Open => self.release(&action).await,
        }
    }

    async fn drill(&self, step: Step, moment: Moment) {
        if let Some(drill) = &self.drill {
            drill.at(step, moment).await;
        }
    }

    fn holds(&self, action: &Action) -> bool {
        self.work().held.get(&action.shard) == Some(&action.epoch)
    }

    /// Claims and opens a shard; `true` when it is served here in the epoch of the action.
    async fn claim(&self, action: &Action) -> bool {
        let Action { shard, epoch, range, .. } = *action;
        if self.holds(action) {
            return true;
        }
        if self.work().held.contains_key(&shard) {
            self.close(shard, 0).await;
        }
        let grant = ShardGrant {
            shard,
            range,
            epoch,
            inherits: action.inherits.into_iter().collect(),
            retires: action.retires.into_iter().collect(),
        };
        match self.runtime.open_shard(&grant).await {
            Ok(()) => {
                self.work().held.insert(shard, epoch);
                tracing::info!(shard = shard.0, epoch = epoch.0, "shard is open here");
                true
            }
            Err(SubmitError::NotServed { .. }) => {
                self.ask_for_epoch(action).await;
                false
            }
            Err(error) => {
                self.fail(action, error.code()).await;
                false
            }
        }
    }

    /// The store knows a higher epoch than the plan, or another owner of this one.
    async fn ask_for_epoch(&self, action: &Action) {
        let stored = match self.runtime.stored_epoch(action.shard).await {
            Ok(Some((stored, _))) if stored >= action.epoch => stored,
            // The row is behind again: another claim is under way.
            Ok(_) => return self.fail(action, ErrorCode::ShardMoved).await,
            Err(error) => return self.fail(action, error.code()).await,
        };
        let holding = Holding { shard: action.shard, epoch: action.epoch };
        let raise = Command::RaiseEpoch { node: self.node, holding, stored };
        if let Err(refused) = self.control.propose(raise).await {
            tracing::debug!(reason = refused.message, "an epoch was not raised");
            self.fail(action, refused.code).await;
        }
    }

    /// A later step is due, and this run of the process has not done the ones before: the
    /// planner has to give the shard out anew.
    async fn release(&self, action: &Action) {
        let holding = Holding { shard: action.shard, epoch: action.epoch };
        if let Err(refused) = self.control.propose(Command::ReleaseShard(holding)).await {
            tracing::debug!(reason = refused.message, "a shard was not given up");
            self.fail(action, refused.code).await;
        }
    }

    /// Reports steps one after the other. One that is not taken is found due at the next look.
    async fn report(&self, action: &Action, steps: &[Step]) {
        for step in steps {
            self.drill(*step, Moment::IsDone).await;
            let done = Action { step: *step, ..action.clone() }.done_by(self.node);
            match self.control.propose(done).await {
                Ok(_) => self.counters.steps.fetch_add(1, Ordering::Relaxed),
                Err(refused) => {
                    tracing::debug!(reason = refused.message, "a step was reported in vain");
                    return self.fail(action, refused.code).await;
                }
            };
        }
    }

    async fn fail(&self, action: &Action, code: ErrorCode) {
        self.counters.steps_failed.fetch_add(1, Ordering::Relaxed);
        let (shard, step) = (action.shard.0, action.step.name());
        tracing::debug!(shard, step, %code, "a step of a hand-off is tried again");
        tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
    }
}
