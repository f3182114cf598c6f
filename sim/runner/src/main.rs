//! The simulator: `run`, `sweep`, `meta`, `reproduce`, `mutate`.

mod catalogue;
mod commands;
mod driver;
mod evidence;
mod hospital;
mod html;
mod interpose;
mod lines;
mod run;
mod setup;
mod shrink;
mod sweep;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Runs the production node in a simulated world.
#[derive(Parser)]
#[command(name = "sim-runner", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One seed; a failure is shrunk and printed with the line that reproduces it.
    Run {
        /// The number from which everything follows.
        #[arg(long)]
        seed: u64,
        /// A planted bug.
        #[arg(long)]
        mutation: Option<String>,
    },
    /// Many seeds; fails when one fails or when a class of faults or a mark was never seen.
    Sweep {
        /// How many.
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
        seeds: u64,
        /// The first.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Runs at once.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
        /// Does not ask for marks: for short sweeps.
        #[arg(long)]
        without_marks: bool,
    },
    /// Each seed twice, in different processes: their traces must be the same.
    Meta {
        /// How many.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
        seeds: u64,
        /// The first.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Runs at once.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
    },
    /// One seed again, with its trace; or a plan that was written down.
    Reproduce {
        /// The seed.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// A plan as `run` writes it; in place of a seed.
        #[arg(long)]
        plan: Option<PathBuf>,
        /// A planted bug.
        #[arg(long)]
        mutation: Option<String>,
        /// Writes the trace as a page to look at.
        #[arg(long)]
        html: Option<PathBuf>,
        /// Writes the node's log.
        #[arg(long)]
        log: Option<PathBuf>,
    },
    /// Plants bugs, one after the other, and says which seed found each.
    Mutate {
        /// Only these; all of the catalogue otherwise.
        #[arg(long)]
        id: Vec<String>,
        /// Seeds that a bug is given.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
        seeds: u64,
        /// The first.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Runs at once.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
        /// Fails when fewer than so many percent are found.
        #[arg(long, default_value_t = 0)]
        percent_min: u64,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run { seed, mutation } => commands::run(seed, mutation.as_deref()),
        Command::Sweep { seeds, from, jobs, without_marks } => {
            commands::sweep(from..from + seeds, jobs, !without_marks)
        }
        Command::Meta { seeds, from, jobs } => commands::meta(from..from + seeds, jobs),
        Command::Reproduce { seed, plan, mutation, html, log } => {
            let shown = commands::Shown { html, log };
            commands::reproduce((seed, plan), mutation.as_deref(), shown)
        }
        Command::Mutate { id, seeds, from, jobs, percent_min } => {
            commands::mutate(&id, from..from + seeds, (jobs, percent_min))
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            commands::complain(&error);
            ExitCode::from(2)
        }
    }
}
