//! `failover` with one node: it is killed under load and started again on the same data. What
//! counts is the time between the last answer before and the first one to a question asked after.

use crate::child::ServedNode;
use crate::error::BenchError;
use crate::load::{self, Caller, Pace};
use crate::local::Crowd;
use crate::node::Folder;
use crate::plan::{Plan, World};
use crate::report::{Report, as_float, rounded};
use crate::wire::MllpCaller;
use node_env::Clock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Time that a sender waits before it connects again, milliseconds.
const RETRY_MS: u64 = 2;

/// When answers came.
#[derive(Debug)]
struct Seen {
    last: AtomicU64,
    killed_at: AtomicU64,
    first_after: AtomicU64,
}

/// A sender that notes when it was answered and waits a little before it tries again.
struct Watched {
    caller: MllpCaller,
    clock: Arc<dyn Clock>,
    seen: Arc<Seen>,
}

impl Caller for Watched {
    async fn call(&mut self) -> Result<u32, String> {
        let asked_at = self.clock.monotonic_micros();
        let result = self.caller.call().await;
        let now = self.clock.monotonic_micros();
        if result.is_err() {
            tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
        } else if asked_at >= self.seen.killed_at.load(Ordering::Acquire) {
            self.seen.first_after.fetch_min(now, Ordering::AcqRel);
        } else {
            self.seen.last.fetch_max(now, Ordering::AcqRel);
        }
        result
    }
}

/// Measures how long nobody answers.
///
/// # Errors
/// [`BenchError`].
pub async fn run(world: &World, plan: &Plan) -> Result<Report, BenchError> {
    let clock = &world.environment.clock;
    let folder = Folder::named_or_temporary(plan.data.as_ref())?;
    let data = folder.data();
    let none = BTreeMap::new();
    let mut node = ServedNode::start(&world.program, &data, clock, &none).await?;
    let crowd = Crowd {
        callers: plan.concurrency,
        patients: plan.patients,
        batch: 1,
        run: world.environment.rng.next_u64() >> 40,
    };
    let seen = Arc::new(Seen {
        last: AtomicU64::new(0),
        killed_at: AtomicU64::new(u64::MAX),
        first_after: AtomicU64::new(u64::MAX),
    });
    let callers = MllpCaller::crowd(node.address("mllp")?, clock, &crowd, plan.results);
    let watched = |caller| Watched { caller, clock: Arc::clone(clock), seen: Arc::clone(&seen) };
    let callers = callers.into_iter().map(watched).collect();
    let span = plan.span();
    let load = load::run(callers, clock, Pace::Closed, span, || ());
    let trouble = async {
        let third = Duration::from_micros(span.warm_up_micros + span.micros / 3);
        tokio::time::sleep(third).await;
        let addresses = node.addresses.clone();
        seen.killed_at.store(clock.monotonic_micros(), Ordering::Release);
        node.process.kill();
        ServedNode::start(&world.program, &data, clock, &addresses).await
    };
    let (loaded, second) = tokio::join!(load, trouble);
    let second = second?;
    let mut report = Report::new("failover");
    report.set("nodes", 1);
    report.set("patients", plan.patients);
    report.set("concurrency", plan.concurrency);
    report.set_observed(&loaded.observed, loaded.micros);
    let (last, first) =
        (seen.last.load(Ordering::Acquire), seen.first_after.load(Ordering::Acquire));
    let unavailable = (first != u64::MAX).then(|| first.saturating_sub(last));
    let milliseconds = unavailable.map(|micros| rounded(as_float(micros) / 1e3));
    report.set("unavailable_ms", milliseconds.unwrap_or_default());
    report.set("restart_ready_ms", rounded(as_float(second.ready_micros) / 1e3));
    Ok(report)
}
