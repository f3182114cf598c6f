//! Chaos: real processes, real sockets, real faults, then the checkers. It knows the node only as
//! its users do: the binary, MLLP, HTTP and the command line.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool reports")]

mod arguments;
mod cluster;
mod http;
mod mllp;
mod process;
mod random;
mod scenario;
mod workload;

use arguments::{Command, Run};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Command::Run(run) = arguments::Arguments::parse().command;
    let names = match scenario::named(&run.scenario) {
        Ok(names) => names,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let mut is_ok = true;
    for name in names {
        is_ok &= report(&run, name);
    }
    if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(run: &Run, name: scenario::Name) -> bool {
    eprintln!(
        "scenario {} seed {}; again with: cargo run --release -p chaos-runner -- run --scenario {} \
         --seconds {} --seed {}",
        name.label(),
        run.seed,
        name.label(),
        run.seconds,
        run.seed,
    );
    match scenario::run(name, run) {
        Ok(outcome) => {
            println!("{}", outcome.to_json());
            outcome.is_ok()
        }
        Err(error) => {
            println!(
                "{}",
                serde_json::json!({
                    "scenario": name.label(), "ok": false, "error": format!("{error:#}"),
                })
            );
            false
        }
    }
}
