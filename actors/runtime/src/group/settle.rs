//! The end of a group: its one commit, and telling everybody who holds a member.

use super::{Elsewhere, HeldUnit, Named, Verdict};
use crate::error::SubmitError;
use crate::forward::{ForwardError, Patience};
use crate::limits::{GROUP_BYTES_MAX, GROUP_HOLD_MS_MAX};
use crate::node::NodeInner;
use crate::remote;
use crate::trace_words::committed;
use crate::unit::{CommitFailure, Unit, Work};
use actors_store::CommitError;
use bytes::Bytes;
use futures::future::join_all;
use node_env::trace::{self, Operation};
use schema_types::ids::ShardId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Told to the actors of this node that hold a member.
type Verdicts = Vec<oneshot::Sender<Result<(), CommitFailure>>>;

impl Verdict {
    /// What is known of a group after its commit ended like this.
    pub(crate) const fn of(result: &Result<(), CommitFailure>) -> Self {
        let Err(failure) = result else { return Self::Committed };
        match failure {
            CommitFailure::Precondition
            | CommitFailure::Discarded
            | CommitFailure::NotServed(_)
            | CommitFailure::Store(
                CommitError::Conflict
                | CommitError::TooOld
                | CommitError::Abandoned
                | CommitError::Overloaded { .. }
                | CommitError::TooLarge { .. }
                | CommitError::KeyTooLarge { .. }
                | CommitError::ValueTooLarge { .. }
                | CommitError::Invalid { .. },
            ) => Self::GivenUp,
            CommitFailure::Store(
                CommitError::UnknownResult { .. }
                | CommitError::Stopped { .. }
                | CommitError::NoSpace,
            ) => Self::Unknown,
        }
    }

    /// The same as told by the node that committed.
    pub(crate) fn of_answer(result: &Result<(), SubmitError>) -> Self {
        match result {
            Ok(()) => Self::Committed,
            Err(
                SubmitError::Precondition
                | SubmitError::NotServed { .. }
                | SubmitError::Overloaded { .. }
                | SubmitError::TooLarge { .. },
            ) => Self::GivenUp,
            Err(_) if node_env::planted!("lost-verdict-taken-for-commit") => Self::Committed,
            Err(_) => Self::Unknown,
        }
    }
}

/// Commits a group whose members are all here.
pub(super) async fn commit_here(
    node: &Arc<NodeInner>,
    units: Vec<Unit>,
    verdicts: Verdicts,
) -> Result<(), SubmitError> {
    let work = Work { units, guards: Vec::new() };
    // A member that is gone reloads from the store.
    let settled = move |result: &Result<(), CommitFailure>| {
        verdicts.into_iter().for_each(|verdict| drop(verdict.send(result.clone())));
    };
    commit(node, work, settled).await
}

/// Commits a group of which some members are here: the log of the first one's shard keeps the
/// records of those elsewhere.
pub(super) async fn commit_across(
    node: &Arc<NodeInner>,
    (mut units, verdicts): (Vec<Unit>, Verdicts),
    elsewhere: Vec<Elsewhere>,
) -> Result<(), SubmitError> {
    let (holds, held, answers) = apart(elsewhere);
    let home = units.first().and_then(|unit| unit.shard(&node.served));
    let guards = match with_guards(held, home, &mut units) {
        Ok(guards) => guards,
        Err(error) => {
            tokio::spawn(tell(Arc::clone(node), holds, Verdict::GivenUp));
            return Err(error);
        }
    };
    let teller = Arc::clone(node);
    // In the committer's hands, so that it happens whoever still waits.
    let settled = move |result: &Result<(), CommitFailure>| {
        verdicts.into_iter().for_each(|verdict| drop(verdict.send(result.clone())));
        answers.into_iter().for_each(|answer| answer(result.clone()));
        tokio::spawn(tell(teller, holds, Verdict::of(result)));
    };
    commit(node, Work { units, guards }, settled).await
}

/// Has the owner of the first member commit a group without a member here.
pub(super) async fn commit_elsewhere(
    node: &Arc<NodeInner>,
    elsewhere: Vec<Elsewhere>,
) -> Result<(), SubmitError> {
    let node = Arc::clone(node);
    // A task of its own: it ends also when nobody waits for it any more.
    let committed = tokio::spawn(async move {
        let (holds, held, answers) = apart(elsewhere);
        let result = ask_to_commit(&node, &holds, &held).await;
        let told = result.clone().map_err(|error| failure(&error));
        answers.into_iter().for_each(|answer| answer(told.clone()));
        let verdict = Verdict::of_answer(&result);
        tokio::spawn(tell(node, holds, verdict));
        result
    });
    committed.await.unwrap_or(Err(SubmitError::OutcomeUnknown))
}

/// The failure that members of a group are told which another node did not commit.
fn failure(error: &SubmitError) -> CommitFailure {
    match error {
        SubmitError::Precondition => CommitFailure::Precondition,
        SubmitError::NotServed { shard } => CommitFailure::NotServed(shard.map(ShardId)),
        SubmitError::Overloaded { retry_after_ms, .. } => {
            CommitFailure::Store(CommitError::Overloaded { retry_after_ms: *retry_after_ms })
        }
        SubmitError::TooLarge { bytes } => CommitFailure::Store(CommitError::TooLarge {
            bytes: *bytes,
            bytes_max: GROUP_BYTES_MAX,
        }),
        SubmitError::Rejected(_)
        | SubmitError::CommandIdReused
        | SubmitError::EntityFailed
        | SubmitError::OutcomeUnknown
        | SubmitError::StoreStopped { .. }
        | SubmitError::DiskFull
        | SubmitError::Damaged { .. }
        | SubmitError::ShuttingDown => {
            let reason = error.to_string();
            CommitFailure::Store(CommitError::UnknownResult { reason })
        }
    }
}

async fn ask_to_commit(
    node: &Arc<NodeInner>,
    holds: &[Named],
    held: &[HeldUnit],
) -> Result<(), SubmitError> {
    let (Some((hash, hold)), Some(forward)) = (holds.first(), node.forward.get()) else {
        return Err(SubmitError::NotServed { shard: None });
    };
    let call = Bytes::from(remote::encode_commit(hold, held)?);
    match forward.call(*hash, call, GROUP_HOLD_MS_MAX).await {
        Ok(answer) => remote::decode_record_answer(&answer),
        // The owner that held it is not to be found: it is about to lose the shard.
        Err(ForwardError::Unreached) => Err(SubmitError::NotServed { shard: None }),
        Err(ForwardError::Overloaded { retry_after_ms }) => {
            Err(SubmitError::Overloaded { what: "calls to another node", retry_after_ms })
        }
        Err(ForwardError::TooLarge { bytes }) => Err(SubmitError::TooLarge { bytes }),
        Err(ForwardError::Lost) => Err(SubmitError::OutcomeUnknown),
    }
}

impl NodeInner {
    /// Commits a group that another node put together, with a member that is held here. Once.
    pub(crate) async fn commit_for_another(
        self: &Arc<Self>,
        hold: String,
        held: Vec<HeldUnit>,
    ) -> Result<(), SubmitError> {
        let bytes = held.iter().map(HeldUnit::size_bytes).sum();
        if bytes > GROUP_BYTES_MAX {
            return Err(SubmitError::TooLarge { bytes });
        }
        let home = held.first().and_then(|unit| self.served.shard_of(unit.entity.hash()));
        let mut units = Vec::with_capacity(held.len());
        let guards = with_guards(held, home, &mut units)?;
        if !self.groups.holds.begin_commit(&hold) {
            // Committed by an earlier call of the same, or not held here any more.
            return Err(SubmitError::OutcomeUnknown);
        }
        let node = Arc::clone(self);
        let settled = move |result: &Result<(), CommitFailure>| {
            node.groups.holds.settle(&hold, Verdict::of(result));
        };
        commit(self, Work { units, guards }, settled).await
    }
}

type Answers = Vec<super::Answer>;

fn apart(elsewhere: Vec<Elsewhere>) -> (Vec<Named>, Vec<HeldUnit>, Answers) {
    let (mut holds, mut held, mut answers) = (Vec::new(), Vec::new(), Answers::new());
    for Elsewhere { hold, unit, answer, _until_settled: place } in elsewhere {
        holds.push((unit.entity.hash(), hold));
        held.push(unit);
        answers.push(Box::new(move |result| {
            let _until_now = place;
            answer(result);
        }));
    }
    (holds, held, answers)
}

fn with_guards(
    held: Vec<HeldUnit>,
    home: Option<ShardId>,
    units: &mut Vec<Unit>,
) -> Result<Vec<super::Guard>, SubmitError> {
    let home = home.ok_or(SubmitError::NotServed { shard: None })?;
    let mut guards = Vec::with_capacity(held.len());
    for held in held {
        let (unit, guard) = held.into_unit(home)?;
        units.push(unit);
        // One of several members in a shard may have been held under an older mark: all count.
        if !guards.contains(&guard) {
            guards.push(guard);
        }
    }
    Ok(guards)
}

/// Commits a work and calls `tell` when its fate is known.
async fn commit(
    node: &Arc<NodeInner>,
    mut work: Work,
    tell: impl FnOnce(&Result<(), CommitFailure>) + Send + 'static,
) -> Result<(), SubmitError> {
    let Some(last) = work.units.last_mut() else { return Ok(()) };
    let (sender, settled) = oneshot::channel();
    last.done = Box::new(move |result| {
        let result = result.map(|_| ());
        tell(&result);
        // Nobody may wait any more.
        drop(sender.send(result));
    });
    let Some(permit) = node.committer.reserve().await else {
        return Err(SubmitError::ShuttingDown);
    };
    for (residency, _) in work.units.iter().filter_map(|unit| unit.origin.as_ref()) {
        residency.unit_sent();
    }
    permit.send(work);
    let span = trace::child(Operation::Commit);
    let result = settled.await.unwrap_or(Err(CommitFailure::Discarded));
    if let Some(span) = span {
        span.end(committed(&result));
    }
    result.map_err(SubmitError::from)
}

/// Tells the owners of members what became of their group, until each was reached or waits no
/// longer by itself.
pub(super) async fn tell(node: Arc<NodeInner>, holds: Vec<Named>, verdict: Verdict) {
    join_all(holds.iter().map(|named| tell_one(&node, named, verdict))).await;
}

async fn tell_one(node: &Arc<NodeInner>, (hash, hold): &Named, verdict: Verdict) {
    let Ok(call) = remote::encode_settle(hold, verdict) else { return };
    let (call, wait) = (Bytes::from(call), Duration::from_millis(GROUP_HOLD_MS_MAX));
    let mut patience = Patience::until(Instant::now() + wait);
    loop {
        let Some(forward) = node.forward.get() else { return };
        match forward.call(*hash, Bytes::clone(&call), patience.left_ms()).await {
            Ok(answer) if remote::decode_record_answer(&answer).is_ok() => return,
            // The shard is here now: who held its entities before was fenced by our claim.
            _ if node.served.admit(*hash).is_ok() => return,
            Ok(_) | Err(_) => {}
        }
        if patience.pause(node).await.is_err() {
            return;
        }
    }
}
