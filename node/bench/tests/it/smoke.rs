//! Short runs against a real node on a real folder.

use node_app::Environment;
use node_bench::load::Pace;
use node_bench::steady::{self, Steady};
use node_bench::{Durability, Plan, Report, World};
use node_env::real::{RealClock, RealDisk, RealRng, TcpNetwork, ThreadSpawner};
use node_store_embedded::Execution;
use std::path::PathBuf;
use std::sync::Arc;

fn world() -> World {
    let environment = Environment {
        disk: Arc::new(RealDisk),
        clock: Arc::new(RealClock::new()),
        rng: Arc::new(RealRng),
        network: Arc::new(TcpNetwork),
        execution: Execution::Threads(Arc::new(ThreadSpawner)),
    };
    World { environment, program: PathBuf::new() }
}

fn plan() -> Plan {
    Plan {
        patients: 20,
        concurrency: 8,
        measure_ms: 2_000,
        warm_up_ms: 100,
        in_process: true,
        ..Plan::default()
    }
}

fn check_counts(report: &Report, least_fsyncs: f64) {
    let number = |name: &str| report.number(name).unwrap_or_else(|| panic!("{name}: {report:?}"));
    assert!(number("operations") > 0.0, "{report:?}");
    assert!(number("errors") == 0.0, "{report:?}");
    assert!(number("fsyncs") >= least_fsyncs, "{report:?}");
    assert!(number("audit_records") >= number("operations") * 0.5, "AUD-1: {report:?}");
    assert!(number("p50_us") <= number("p99_us") && number("p99_us") <= number("max_us"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observations_are_durable_and_counted() {
    let report = Box::pin(steady::run(&world(), &plan(), Steady::Observe)).await.unwrap();
    check_counts(&report, 1.0);
    assert_eq!(report.get("durable"), true);
    assert!(report.number("events").unwrap() > 0.0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_loop_offers_what_it_was_told() {
    let plan = Plan { pace: Pace::Open { rate: 50 }, durability: Durability::None, ..plan() };
    let report = Box::pin(steady::run(&world(), &plan, Steady::Read)).await.unwrap();
    check_counts(&report, 0.0);
    assert_eq!(report.get("durable"), false);
    // Two seconds of fifty requests, however fast the machine is; a slow one does fewer.
    assert!(report.number("operations").unwrap() <= 110.0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_and_resources_are_accepted() {
    let sockets = Plan { in_process: false, measure_ms: 1_000, ..plan() };
    for what in [Steady::Mllp, Steady::Fhir] {
        let report = Box::pin(steady::run(&world(), &sockets, what)).await.unwrap();
        check_counts(&report, 1.0);
    }
}
