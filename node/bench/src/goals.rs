//! The goals of the speed issue as a table, and `all`: every workload in turn, each figure beside
//! its goal. A goal whose figure was not measured is not met.

use crate::error::BenchError;
use crate::plan::{Plan, World};
use crate::report::{Report, rounded};
use crate::steady::{self, Steady};
use crate::{cold, failover, overload, queries};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// At least so much.
    More,
    /// At most so much.
    Less,
}

impl Better {
    const fn word(self) -> &'static str {
        match self {
            Self::More => "more",
            Self::Less => "less",
        }
    }
}

/// One goal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    /// The run that has the figure.
    pub run: &'static str,
    /// The figure, as a path with points into the JSON object.
    pub figure: &'static str,
    /// What is wanted.
    pub wanted: f64,
    /// Which way.
    pub better: Better,
}

const fn least(run: &'static str, figure: &'static str, wanted: f64) -> Goal {
    Goal { run, figure, wanted, better: Better::More }
}

const fn most(run: &'static str, figure: &'static str, wanted: f64) -> Goal {
    Goal { run, figure, wanted, better: Better::Less }
}

/// Every goal, in the order of the table.
pub const GOALS: [Goal; 29] = [
    least("observe 1024 in-process", "ops_per_second", 45_000.0),
    least("observe 1024 in-process", "ratios.rate_over_sqlite", 1.0),
    least("observe 1024 in-process", "ratios.rate_over_fsync_per_event", 80.0),
    most("observe 1024 in-process", "cpu_us_per_op", 20.0),
    most("observe 1024 in-process", "fsyncs_per_1000_ops", 10.0),
    most("observe 1024 in-process", "ratios.p50_at_1_over_fsync_floor", 3.0),
    least("observe 64 in-process", "ops_per_second", 30_000.0),
    most("observe 64 in-process", "p50_us", 1_000.0),
    least("observe 64 wire", "ops_per_second", 15_000.0),
    least("observe 64 wire 64 connections", "ratios.rate_over_postgresql", 2.5),
    least("observe 64 wire batch 32", "ops_per_second", 40_000.0),
    least("mllp 64", "ops_per_second", 15_000.0),
    least("mllp 64", "ratios.rate_over_postgresql", 2.5),
    least("fhir 64", "ops_per_second", 8_000.0),
    least("read 64 wire", "ops_per_second", 15_000.0),
    least("read 64 wire batch 32", "ops_per_second", 40_000.0),
    most("memory", "bytes_per_actor", 14_000.0),
    most("memory", "bytes_per_passivated", 300.0),
    most("memory", "first_answer_seconds", 2.0),
    most("memory", "activation_p99_us", 10_000.0),
    most("recovery", "ready_seconds", 5.0),
    most("query", "filter_seconds", 1.0),
    most("query", "group_seconds", 1.0),
    most("query", "filter_and_group_seconds", 1.0),
    most("query", "top_100_seconds", 1.0),
    least("overload", "goodput_over_peak", 0.9),
    most("overload", "admitted_p99_us", 1_000_000.0),
    most("overload", "recovery_seconds", 5.0),
    most("failover", "unavailable_ms", 5_000.0),
];

/// A goal beside what was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The goal.
    pub goal: Goal,
    /// The figure; `None` when it was not measured.
    pub measured: Option<f64>,
    /// How far the goal is exceeded: 1 is just met, below 1 is missed, whichever way is better.
    pub ratio: Option<f64>,
}

impl Judged {
    /// Whether the goal is met.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.ratio.is_some_and(|ratio| ratio >= 1.0)
    }
}

/// Puts goals beside figures of runs, by the runs' names.
#[must_use]
pub fn judge(goals: &[Goal], runs: &BTreeMap<String, Value>) -> Vec<Judged> {
    let judged = |goal: &Goal| {
        let run = runs.get(goal.run);
        let figure =
            run.and_then(|run| goal.figure.split('.').try_fold(run, |at, key| at.get(key)));
        let measured = figure.and_then(Value::as_f64);
        let ratio = measured.map(|measured| match goal.better {
            Better::More => measured / goal.wanted,
            Better::Less => goal.wanted / measured.max(f64::MIN_POSITIVE),
        });
        Judged { goal: *goal, measured, ratio }
    };
    goals.iter().map(judged).collect()
}

/// Sizes of `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Time that counts in each run, milliseconds.
    pub measure_ms: u64,
    /// Known patients of steady runs.
    pub patients: u64,
    /// Known patients of memory and query.
    pub known: u64,
    /// Journal events of recovery.
    pub events: u64,
}

impl Sizes {
    /// What the goals speak of.
    pub const FULL: Self =
        Self { measure_ms: 10_000, patients: 10_000, known: 1_000_000, events: 1_000_000 };
    /// A tenth of that, in a few minutes.
    pub const QUICK: Self =
        Self { measure_ms: 3_000, patients: 10_000, known: 100_000, events: 100_000 };
}

/// What `all` found.
pub struct All {
    /// Each goal beside its figure.
    pub judged: Vec<Judged>,
    /// Each run's object, by name; a run that failed has `error`.
    pub runs: BTreeMap<String, Value>,
}

impl All {
    /// As one object.
    #[must_use]
    pub fn into_value(self) -> Value {
        let goals = self.judged.iter().map(|judged| {
            json!({
                "run": judged.goal.run,
                "figure": judged.goal.figure,
                "goal": judged.goal.wanted,
                "better": judged.goal.better.word(),
                "measured": judged.measured,
                "ratio": judged.ratio.map(rounded),
                "met": judged.is_met(),
            })
        });
        let goals: Vec<Value> = goals.collect();
        let met = self.judged.iter().filter(|judged| judged.is_met()).count();
        json!({
            "workload": "all",
            "goals": goals,
            "goals_met": met,
            "goals_missed": self.judged.len() - met,
            "runs": self.runs,
        })
    }
}

/// Runs everything; `progress` is told the name of each run before it starts. A run that fails is
/// noted and the others go on.
pub async fn all(world: &World, plan: &Plan, sizes: Sizes, progress: impl Fn(&str)) -> All {
    let mut runs = BTreeMap::new();
    for (name, steady, plan) in steady_runs(plan, sizes) {
        progress(name);
        let result = Box::pin(steady::run(world, &plan, steady)).await;
        runs.insert(name.to_owned(), value(result));
    }
    let base = Plan {
        measure_ms: sizes.measure_ms,
        patients: sizes.patients,
        events: sizes.events,
        data: None,
        compare: false,
        ..plan.clone()
    };
    let known = Plan { patients: sizes.known, ..base.clone() };
    progress("overload");
    runs.insert("overload".to_owned(), value(Box::pin(overload::run(world, &base)).await));
    progress("failover");
    let few = Plan { patients: 1_000, concurrency: 16, ..base.clone() };
    runs.insert("failover".to_owned(), value(Box::pin(failover::run(world, &few)).await));
    progress("recovery");
    runs.insert("recovery".to_owned(), value(Box::pin(cold::recovery(world, &base)).await));
    progress("memory");
    runs.insert("memory".to_owned(), value(Box::pin(cold::memory(world, &known)).await));
    progress("query");
    runs.insert("query".to_owned(), value(Box::pin(queries::run(world, &known)).await));
    All { judged: judge(&GOALS, &runs), runs }
}

fn steady_runs(plan: &Plan, sizes: Sizes) -> Vec<(&'static str, Steady, Plan)> {
    let base = Plan {
        measure_ms: sizes.measure_ms,
        patients: sizes.patients,
        concurrency: 64,
        data: None,
        to: None,
        ..plan.clone()
    };
    let local = |concurrency| Plan { in_process: true, concurrency, ..base.clone() };
    let wire = |batch| Plan { in_process: false, batch, ..base.clone() };
    vec![
        ("observe 1024 in-process", Steady::Observe, local(1_024)),
        ("observe 64 in-process", Steady::Observe, Plan { compare: false, ..local(64) }),
        ("observe 64 wire", Steady::Observe, Plan { compare: false, ..wire(1) }),
        ("observe 64 wire 64 connections", Steady::Observe, Plan { connections: 64, ..wire(1) }),
        ("observe 64 wire batch 32", Steady::Observe, Plan { compare: false, ..wire(32) }),
        ("mllp 64", Steady::Mllp, wire(1)),
        ("fhir 64", Steady::Fhir, Plan { compare: false, ..wire(1) }),
        ("read 64 wire", Steady::Read, Plan { compare: false, ..wire(1) }),
        ("read 64 wire batch 32", Steady::Read, Plan { compare: false, ..wire(32) }),
    ]
}

fn value(result: Result<Report, BenchError>) -> Value {
    match result {
        Ok(report) => report.into_value(),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_in_its_own_direction_and_never_without_a_figure() {
        let runs = BTreeMap::from([(
            "a".to_owned(),
            json!({ "rate": 90.0, "cpu": 8.0, "ratios": { "deep": 2.0, "none": null } }),
        )]);
        let cases = [
            (least("a", "rate", 100.0), Some(0.9), false),
            (least("a", "rate", 45.0), Some(2.0), true),
            (most("a", "cpu", 16.0), Some(2.0), true),
            (most("a", "cpu", 4.0), Some(0.5), false),
            (least("a", "ratios.deep", 2.0), Some(1.0), true),
            (least("a", "ratios.none", 2.0), None, false),
            (most("a", "absent", 2.0), None, false),
            (most("other", "cpu", 2.0), None, false),
        ];
        for (goal, ratio, is_met) in cases {
            let judged = judge(&[goal], &runs).remove(0);
            assert_eq!((judged.ratio, judged.is_met()), (ratio, is_met), "{goal:?}");
        }
    }

    #[test]
    fn every_goal_names_a_run_of_all() {
        let steady = steady_runs(&Plan::default(), Sizes::QUICK);
        let single = ["overload", "failover", "recovery", "memory", "query"];
        for goal in GOALS {
            let is_known =
                steady.iter().any(|(name, _, _)| *name == goal.run) || single.contains(&goal.run);
            assert!(is_known, "{}", goal.run);
        }
    }
}
