//! The planner of the cluster: it looks at the control plane's state and at figures of load, and
//! says which commands to propose and why nothing else moves. Pure: it reads no clock, proposes
//! nothing itself and remembers nothing, so any leader goes on where the last one stopped.
//!
//! [`plan`] plans one round; [`lint()`] tries a plan before it is proposed.

pub mod limits;
pub mod lint;
mod owners;
mod picture;
mod ranges;
pub mod reason;
pub mod rules;

pub use lint::{Fault, lint};
pub use reason::{NotSplit, Plan, Planned, Purpose, Reason};
pub use rules::{Figures, NodeFigure, Rules, RulesError, ShardFigure};

use consensus_control::{ControlState, WaitsFor};
use picture::Picture;

/// What the planner looks at in one round.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// The control plane, as this node has applied it.
    pub state: &'a ControlState,
    /// What is measured.
    pub figures: &'a Figures,
    /// Whether proposals can be decided now.
    pub has_quorum: bool,
}

/// Plans one round. With the same loads, nodes and rules, and every command carried out, rounds
/// come to one that proposes nothing. Costs a pass over all shards, and a pass over all nodes for
/// each command.
#[must_use]
pub fn plan(observed: Observed<'_>, rules: &Rules) -> Plan {
    let Observed { state, figures, has_quorum } = observed;
    if let Some(reason) = hindrance(state, has_quorum, rules) {
        return Plan { commands: Vec::new(), reasons: vec![reason] };
    }
    let mut picture = Picture::new(state, figures, rules);
    owners::give_owners(&mut picture);
    owners::drain(&mut picture);
    ranges::merge_cold(&mut picture);
    ranges::split_hot(&mut picture);
    owners::spread_zones(&mut picture);
    owners::balance(&mut picture);
    tell_moving(&mut picture);
    let plan = picture.plan;
    debug_assert_eq!(lint(state, plan.commands.iter().map(|planned| &planned.command)), Ok(()));
    plan
}

/// Why nothing at all can be planned.
fn hindrance(state: &ControlState, has_quorum: bool, rules: &Rules) -> Option<Reason> {
    if !has_quorum {
        return Some(Reason::NoQuorum);
    }
    if state.cluster().is_none() {
        return Some(Reason::NotFormed);
    }
    if rules.check().is_err() {
        return Some(Reason::RulesUnusable);
    }
    let is_any_up = state.nodes().values().any(consensus_control::Node::may_get_shards);
    let shards = state.paused().filter(|paused| paused.waits_for == WaitsFor::Owner).count();
    (!is_any_up).then_some(Reason::NoNodeUp { shards })
}

/// Names what is on its way already.
fn tell_moving(picture: &mut Picture<'_>) {
    for shard in picture.state.not_open() {
        let hand_off = picture.state.shards().get(shard).filter(|it| it.owner.is_some());
        let Some(hand_off) = hand_off.and_then(|it| it.hand_off.as_ref()) else { continue };
        picture.say(Reason::ShardMoving { shard: *shard, step: hand_off.step });
    }
}
