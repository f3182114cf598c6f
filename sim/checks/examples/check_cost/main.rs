//! Measures what the checkers cost on a right run: 20 patients and 300 operations.
//! `cargo run --release -p sim-checks --example check_cost`

#![expect(clippy::unwrap_used, reason = "a made run is right or the figure is worth nothing")]
#![expect(clippy::print_stdout, reason = "the figures are the result")]
#![expect(dead_code, reason = "the made run is shared with the unit tests")]

#[path = "../../src/testing/mod.rs"]
mod testing;

use sim_checks::{Evidence, PROPERTIES, check_all};
use std::time::{Duration, Instant};

const ROUNDS: u32 = 50;

fn main() {
    let run = testing::make_run(20, 300);
    let findings = check_all(&run);
    assert!(findings.is_ok() && findings.unchecked.is_empty(), "{findings:?}");
    println!(
        "{} audit records",
        run.durable.audit.values().map(|log| log.rows.len()).sum::<usize>()
    );
    for property in PROPERTIES {
        println!("{:>30} {:>9.3} ms", property.name, milliseconds(fastest(&run, property.check)));
    }
    println!("{:>30} {:>9.3} ms", "all", milliseconds(fastest(&run, check_all)));
}

fn fastest<T>(run: &Evidence, check: fn(&Evidence) -> T) -> Duration {
    let times = (0..ROUNDS).map(|_| {
        let begin = now();
        check(run);
        begin.elapsed()
    });
    times.min().unwrap()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[expect(clippy::disallowed_methods, reason = "a measurement needs a real clock")]
fn now() -> Instant {
    Instant::now()
}
