//! `medulla bench`: arguments and what is shown. Measuring itself is in `node/bench`.

use crate::environment;
use crate::failure::Failure;
use crate::screen::{Screen, Table};
use crate::serve::Interrupts;
use node_bench::limits::{CONCURRENCY_MAX, PATIENTS_MAX, SECONDS_MAX};
use node_bench::load::Pace;
use node_bench::{BenchError, Durability, Plan, Report, plan};
use std::path::PathBuf;

/// Measure a node: what it does in a second, how long callers wait, what that costs
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  medulla bench observe --in-process\n  \
    medulla bench observe --in-process --patients 10000 --concurrency 1024 --seconds 10 --json")]
pub(crate) struct BenchArguments {
    /// What is measured
    #[arg(value_enum)]
    workload: Workload,
    /// Call the node in this process instead of over a socket
    #[arg(long)]
    in_process: bool,
    /// Known patients
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=PATIENTS_MAX))]
    patients: u64,
    /// Callers at once
    #[arg(long, value_name = "C", default_value_t = 64)]
    concurrency: usize,
    /// Seconds that count
    #[arg(long, value_name = "S", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    seconds: u64,
    /// Requests a second whatever the node does (open loop); latency counts from when a request
    /// was due
    #[arg(long, value_name = "R")]
    rate: Option<u64>,
    /// Whether commits reach the disk; none is not durable and only shows what the disk costs
    #[arg(long, value_enum, default_value_t = DurabilityArgument::Fsync)]
    durability: DurabilityArgument,
    /// Data directory, kept afterwards; a temporary one otherwise
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Workload {
    /// Durable observation, score, reply
    Observe,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum DurabilityArgument {
    Fsync,
    None,
}

/// Time before counting starts, milliseconds.
const WARM_UP_MS: u64 = 1_000;

impl BenchArguments {
    fn plan(&self) -> Result<Plan, Failure> {
        if !(1..=CONCURRENCY_MAX).contains(&self.concurrency) {
            let message = format!("--concurrency: 1 to {CONCURRENCY_MAX}");
            return Err(Failure::usage(message));
        }
        Ok(Plan {
            patients: self.patients,
            concurrency: self.concurrency,
            seconds: self.seconds,
            warm_up_ms: WARM_UP_MS,
            pace: self.rate.map_or(Pace::Closed, |rate| Pace::Open { rate }),
            durability: match self.durability {
                DurabilityArgument::Fsync => Durability::Fsync,
                DurabilityArgument::None => Durability::None,
            },
            data: self.data.clone(),
        })
    }
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        match error {
            BenchError::Usage(message) => Self::usage(message),
            BenchError::Node(error) => error.into(),
            BenchError::Submit(_) | BenchError::Outside { .. } => Self::failed(error.to_string()),
        }
    }
}

/// Runs the command.
pub(crate) async fn run(arguments: BenchArguments, screen: Screen) -> Result<(), Failure> {
    let plan = arguments.plan()?;
    let mut interrupts = Interrupts::new()?;
    let environment = environment::real();
    let measured = async {
        match arguments.workload {
            Workload::Observe => plan::observe(&environment, &plan).await,
        }
    };
    let report = tokio::select! {
        report = Box::pin(measured) => report?,
        () = interrupts.wait() => return Err(Failure::failed("interrupted")),
    };
    conclude(report, &screen)
}

fn conclude(report: Report, screen: &Screen) -> Result<(), Failure> {
    let mut table = Table::new(&["figure", "value"]);
    for (name, value) in report.rows() {
        table.row([name, value]);
    }
    table.print(screen);
    let is_empty = report.number("operations").is_some_and(|operations| operations < 1.0);
    screen.result(&report.into_value());
    if is_empty { Err(Failure::failed("nothing was done")) } else { Ok(()) }
}
