//! `overload`: three times the peak is asked of a node, without mercy for its refusals. What
//! counts is how much it still gets done, how long those wait whom it admits, and how soon it is
//! itself again. The generator shares the machine, which makes this harder and not easier.

use crate::contest::AnyCaller;
use crate::error::BenchError;
use crate::histogram::Observed;
use crate::load::{self, Pace, Span};
use crate::local::{Crowd, Observer};
use crate::node::OwnNode;
use crate::plan::{Plan, World};
use crate::prepare;
use crate::report::{Report, as_float, ratio, rounded};
use schema_types::error_code::ErrorCode;

/// Callers that find the peak.
const PEAK_CALLERS: usize = 1_024;
/// Callers of the open loop: more than the node admits.
const SURGE_CALLERS: usize = 24_000;
/// Length of one look at whether the node is itself again, microseconds.
const LOOK_MICROS: u64 = 250_000;
/// Looks at most.
const LOOKS_MAX: u64 = 60;
/// Latency that counts as normal, times that of the same load before.
const NORMAL_FACTOR: u64 = 2;

/// One phase.
struct Phase {
    observed: Observed,
    micros: u64,
}

impl Phase {
    fn rate(&self) -> u64 {
        self.observed.operations.saturating_mul(1_000_000) / self.micros.max(1)
    }
}

/// Measures what too much does.
///
/// # Errors
/// [`BenchError`].
pub async fn run(world: &World, plan: &Plan) -> Result<Report, BenchError> {
    let own = OwnNode::start(world, &Plan { in_process: true, ..plan.clone() }).await?;
    prepare::patients(own.gateway(), plan.patients).await?;
    let span = plan.span();
    let peak = phase(world, plan, &own, (PEAK_CALLERS, Pace::Closed, span)).await;
    let half = Pace::Open { rate: (peak.rate() / 2).max(1) };
    let calm = phase(world, plan, &own, (SURGE_CALLERS, half, span)).await;
    let rate = peak.rate().max(1) * 3;
    let surge = phase(world, plan, &own, (SURGE_CALLERS, Pace::Open { rate }, span)).await;
    let normal = calm.observed.quantile(0.99).max(1) * NORMAL_FACTOR;
    let look = Span { warm_up_micros: 0, micros: LOOK_MICROS };
    let mut recovered = None;
    for number in 1..=LOOKS_MAX {
        let now = phase(world, plan, &own, (SURGE_CALLERS, half, look)).await;
        let is_normal = now.observed.quantile(0.99) <= normal && now.observed.failures() == 0;
        if now.observed.calls() > 0 && is_normal {
            recovered = Some(rounded(as_float(number * LOOK_MICROS) / 1e6));
            break;
        }
    }
    let mut report = Report::new("overload");
    report.set("nodes", 1);
    report.set("patients", plan.patients);
    report.set("peak_per_second", peak.rate());
    report.set("peak_p99_us", peak.observed.quantile(0.99));
    report.set("normal_p99_us", calm.observed.quantile(0.99));
    report.set("asked_per_second", rate);
    let asked = surge.observed.calls() + surge.observed.failures();
    report.set("offered_per_second", asked.saturating_mul(1_000_000) / surge.micros.max(1));
    report.set_observed(&surge.observed, surge.micros);
    // Latency counts from when a request was due, and the generator is late too: how long those
    // waited who were let in is told from when they asked.
    report.set("admitted_p99_us", surge.observed.answered_quantile(0.99));
    report.set("goodput_over_peak", ratio(surge.rate(), peak.rate()));
    let overloaded = surge.observed.errors.get(ErrorCode::Overloaded.as_str());
    report.set("overloaded_share", ratio(overloaded.copied().unwrap_or(0), asked));
    report.set("recovery_seconds", recovered.unwrap_or_default());
    own.stop().await;
    Ok(report)
}

async fn phase(
    world: &World,
    plan: &Plan,
    own: &OwnNode,
    (callers, pace, span): (usize, Pace, Span),
) -> Phase {
    let crowd = Crowd {
        callers,
        patients: plan.patients,
        batch: 1,
        run: world.environment.rng.next_u64() >> 40,
    };
    let callers = Observer::crowd(own.gateway(), &crowd);
    let callers = callers.into_iter().map(|one| AnyCaller::Observer(Box::new(one))).collect();
    let loaded = load::run(callers, &world.environment.clock, pace, span, || ()).await;
    Phase { observed: loaded.observed, micros: loaded.micros }
}
