//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Real processes, real faults, then the checkers.
#[derive(Debug, Parser)]
#[command(
    name = "chaos-runner",
    version,
    after_help = "Example:\n  chaos-runner run --scenario kill9 --seconds 30"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a scenario and check what it left.
    Run(Run),
}

/// How to run.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// `kill9`, `fsync-order`, `disk-full`, over three nodes `failover`, `zombie`, `rolling`,
    /// `moves`, or `all`.
    #[arg(long)]
    pub(crate) scenario: String,
    /// How long faults are injected, seconds.
    #[arg(long, default_value_t = 20)]
    pub(crate) seconds: u64,
    /// Stop after this many kills even if time is left.
    #[arg(long, default_value_t = u32::MAX)]
    pub(crate) kills: u32,
    /// Connections that send at once.
    #[arg(long, default_value_t = 8)]
    pub(crate) clients: usize,
    /// Seed of fault times and contents.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The binary under test; default: `medulla` beside this one.
    #[arg(long)]
    pub(crate) binary: Option<PathBuf>,
}
