//! `medulla`, the one binary: parses the command line, runs the command, maps its end to an exit
//! code: 0 success, 1 a failed check or error, 2 bad usage.

mod client;
mod commands;
mod demo;
mod environment;
mod failure;
mod ingest;
mod progress;
mod screen;
mod serve;

use clap::{Parser, Subcommand};
use commands::{
    alert, audit, bench, cluster, device, doctor, facility, patient, quarantine, query, store,
};
use failure::Failure;
use screen::Screen;
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// The hot path allocates small things on one thread and frees them on another, which the system's
/// allocator does slowly (`deploy/decisions/011-hot-path.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A healthcare data platform as a cluster of supervised actors
#[derive(Debug, Parser)]
#[command(name = "medulla", version, arg_required_else_help = true)]
#[command(after_help = "Examples:\n  medulla demo\n  medulla serve --insecure-dev")]
struct Arguments {
    /// One JSON object as the last line of standard output, for programs
    #[arg(long, global = true)]
    json: bool,
    /// What is logged to standard error, for example debug or node_ingest=debug
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArguments),
    Serve(Box<serve::ServeArguments>),
    Store(store::StoreArguments),
    Ingest(ingest::IngestArguments),
    #[command(subcommand)]
    Patient(patient::PatientCommand),
    #[command(subcommand)]
    Alert(alert::AlertCommand),
    #[command(subcommand)]
    Quarantine(quarantine::QuarantineCommand),
    Query(query::QueryArguments),
    #[command(subcommand)]
    Facility(facility::FacilityCommand),
    #[command(subcommand)]
    Device(device::DeviceCommand),
    #[command(subcommand)]
    Shard(cluster::ShardCommand),
    #[command(subcommand)]
    Node(cluster::NodeCommand),
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    Doctor(doctor::DoctorArguments),
    Bench(bench::BenchArguments),
}

impl Command {
    /// What is logged when nothing else is asked for: a node tells what it does, others only what
    /// went wrong.
    const fn usual_log(&self) -> &'static str {
        match self {
            // What Raft says of peers that are away is said better by the node itself.
            Self::Serve(_) => "info,openraft=off",
            Self::Store(_) => "info",
            Self::Demo(_)
            | Self::Ingest(_)
            | Self::Patient(_)
            | Self::Alert(_)
            | Self::Quarantine(_)
            | Self::Query(_)
            | Self::Facility(_)
            | Self::Device(_)
            | Self::Shard(_)
            | Self::Node(_)
            | Self::Audit(_)
            | Self::Doctor(_)
            | Self::Bench(_) => "warn",
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let screen = Screen::new(arguments.json);
    let result = start_log(arguments.log.as_deref(), &arguments.command)
        .and_then(|()| run(arguments.command, screen));
    let Err(failure) = result else { return ExitCode::SUCCESS };
    if let Some(line) = failure.line() {
        screen.note(line);
    }
    failure.exit_code()
}

fn start_log(filter: Option<&str>, command: &Command) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter.unwrap_or(command.usual_log()))
        .map_err(|error| Failure::usage(format!("--log: {error}")))?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // Whatever is asked for, nothing that quotes calls between nodes (PHI-1).
    let lines = lines.with_filter(filter_fn(node_app::may_be_logged)).with_filter(filter);
    tracing_subscriber::registry().with(lines).init();
    Ok(())
}

fn run(command: Command, screen: Screen) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the runtime does not start: {error}")))?;
    runtime.block_on(async {
        match command {
            Command::Demo(arguments) => Box::pin(demo::run(arguments, screen)).await,
            Command::Serve(arguments) => Box::pin(serve::run(*arguments, screen)).await,
            Command::Store(arguments) => Box::pin(store::run(arguments, screen)).await,
            Command::Ingest(arguments) => Box::pin(ingest::run(arguments, screen)).await,
            Command::Patient(command) => Box::pin(patient::run(command, screen)).await,
            Command::Alert(command) => Box::pin(alert::run(command, screen)).await,
            Command::Quarantine(command) => Box::pin(quarantine::run(command, screen)).await,
            Command::Query(arguments) => Box::pin(query::run(arguments, screen)).await,
            Command::Facility(command) => Box::pin(facility::run(command, screen)).await,
            Command::Device(command) => Box::pin(device::run(command, screen)).await,
            Command::Shard(command) => Box::pin(cluster::shard(command, screen)).await,
            Command::Node(command) => Box::pin(cluster::node(command, screen)).await,
            Command::Audit(command) => Box::pin(audit::run(command, screen)).await,
            Command::Doctor(arguments) => Box::pin(doctor::run(arguments, screen)).await,
            Command::Bench(arguments) => Box::pin(bench::run(arguments, screen)).await,
        }
    })
}

#[cfg(test)]
#[path = "arguments_test.rs"]
mod tests;
