//! Who waits for too long: what one leader saw of shards that are not open, by its own monotonic
//! clock. Times of the plan are those of other machines, and a clock that is wrong by more than the
//! patience would make every hand-off late at once, or none ever (TIME-1, LIVE-1).

use crate::command::Command;
use crate::due::{Paused, WaitsFor};
use crate::state::ControlState;
use schema_types::ids::ShardId;
use std::collections::BTreeMap;

/// A shard that waits for longer than the patience of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// What waits.
    pub paused: Paused,
    /// For how long it was seen to, in milliseconds.
    pub waited_ms: u64,
    /// What to propose; nothing when another shard or the planner has to move first.
    pub remedy: Option<Command>,
}

/// What was seen to wait, and since when. At most one entry for each shard that is not open. A new
/// leader begins with none, and is patient anew.
#[derive(Debug, Clone, Default)]
pub struct Watchdog {
    seen: BTreeMap<ShardId, (Paused, u64)>,
}

impl Watchdog {
    /// Looks at `now_ms` of a monotonic clock, always the same one: what has waited unchanged for
    /// longer than the cluster's patience, and what to propose then.
    pub fn look(&mut self, state: &ControlState, now_ms: u64) -> Vec<Overdue> {
        let patience_ms = state.timeouts().step_patience_ms;
        let before = std::mem::take(&mut self.seen);
        let mut overdue = Vec::new();
        for paused in state.paused() {
            let shard = paused.holding.shard;
            let known = before.get(&shard).filter(|(seen, _)| *seen == paused);
            let since_ms = known.map_or(now_ms, |(_, since_ms)| *since_ms);
            self.seen.insert(shard, (paused, since_ms));
            let waited_ms = now_ms.saturating_sub(since_ms);
            if waited_ms > patience_ms {
                overdue.push(Overdue { paused, waited_ms, remedy: remedy(&paused) });
            }
        }
        overdue
    }
}

fn remedy(paused: &Paused) -> Option<Command> {
    match paused.waits_for {
        WaitsFor::Node { .. } if node_env::planted!("handoff-without-watchdog") => None,
        WaitsFor::Node { step, .. } if step.is_source_side() => {
            Some(Command::SkipSource(paused.holding))
        }
        WaitsFor::Node { .. } => Some(Command::ReleaseShard(paused.holding)),
        WaitsFor::Owner | WaitsFor::Shard(_) => None,
    }
}
