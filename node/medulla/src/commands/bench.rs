//! `medulla bench`: arguments and what is shown. Measuring itself is in `node/bench`.

use crate::environment;
use crate::failure::Failure;
use crate::screen::{Colour, Screen, Table};
use crate::serve::Interrupts;
use node_app::StoreConfig;
use node_bench::goals::{self, Better, Judged, Sizes};
use node_bench::limits::{CONCURRENCY_MAX, CONNECTIONS_MAX, PATIENTS_MAX, SECONDS_MAX};
use node_bench::load::Pace;
use node_bench::steady::{self, Steady};
use node_bench::{
    BenchError, Durability, Plan, Report, World, cluster as bench_cluster, cold, failover,
    overload, prepare, queries,
};
use std::path::PathBuf;

/// Measure a node: what it does in a second, how long callers wait, what that costs
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  medulla bench observe --in-process --concurrency 1024\n  \
    medulla bench observe --in-process --compare --json\n  \
    medulla bench mllp --concurrency 64 --seconds 5\n  \
    medulla bench fhir --to http://127.0.0.1:8080\n  \
    medulla bench all --compare --quick")]
pub(crate) struct BenchArguments {
    /// What is measured
    #[arg(value_enum)]
    workload: Workload,
    /// Call the node in this process instead of over a socket
    #[arg(long)]
    in_process: bool,
    /// A running node (rpc://host:port, mllp://host:port, http://host:port) instead of one of our
    /// own; it gets generated patients
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Where a node of our own has its data: `embedded`, `tcp://host:port`, `fdb` or
    /// `fdb:/path/of/cluster.file`; in FoundationDB under a name of this run alone
    #[arg(long, value_name = "STORE", default_value = "embedded")]
    store: String,
    /// Known patients [default: 10000; memory 100000; query 1000000]
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=PATIENTS_MAX))]
    patients: Option<u64>,
    /// Callers at once [default: 64]
    #[arg(long, value_name = "C")]
    concurrency: Option<usize>,
    /// Connections that callers of the RPC API share [default: 8]
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=CONNECTIONS_MAX))]
    connections: Option<u16>,
    /// Seconds that count
    #[arg(long, value_name = "S", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    seconds: u64,
    /// Operations in one call (observeMany, readMany)
    #[arg(long, value_name = "B", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1_024))]
    batch: u16,
    /// OBX segments in one message of mllp
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    results: u32,
    /// Journal events that recovery reads, or that prepare makes
    #[arg(long, value_name = "J")]
    events: Option<u64>,
    /// Requests a second whatever the node does (open loop); latency counts from when a request
    /// was due
    #[arg(long, value_name = "R")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    rate: Option<u64>,
    /// Whether commits reach the disk; none is NOT durable and only shows what the disk costs
    #[arg(long, value_enum, default_value_t = DurabilityArgument::Fsync)]
    durability: DurabilityArgument,
    /// A commit for every command instead of one for all that wait
    #[arg(long)]
    fsync_per_event: bool,
    /// Run the reference implementations too, in turns with the node
    #[arg(long)]
    compare: bool,
    /// Smaller and shorter, for `all`
    #[arg(long)]
    quick: bool,
    /// Data directory, kept afterwards; a temporary one otherwise
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// After prepare: keep the node running until this process is killed
    #[arg(long, hide = true)]
    hold: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Workload {
    /// Durable observation, score, reply
    Observe,
    /// ORU over MLLP, acknowledged after the commit
    Mllp,
    /// POST Observation
    Fhir,
    /// Audited read of the live state
    Read,
    /// Filter, group and top 100 over all patients
    Query,
    /// From a kill to the first answer
    Recovery,
    /// What a sleeping and a woken patient cost
    Memory,
    /// A kill under load
    Failover,
    /// A call through another node beside the same at the owner
    Remote,
    /// How long shards take to spread when nodes come and go
    Rebalance,
    /// Three times the peak
    Overload,
    /// Everything, each figure beside its goal
    All,
    /// Makes the data that others measure on (needs --data)
    Prepare,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum DurabilityArgument {
    Fsync,
    None,
}

/// Time before counting starts, milliseconds.
const WARM_UP_MS: u64 = 1_000;

impl Workload {
    /// Patients when none are asked for.
    const fn usual_patients(self) -> u64 {
        match self {
            Self::Query => 1_000_000,
            Self::Memory => 100_000,
            Self::Failover | Self::Remote => 1_000,
            Self::Observe
            | Self::Mllp
            | Self::Fhir
            | Self::Read
            | Self::Recovery
            | Self::Rebalance
            | Self::Overload
            | Self::All
            | Self::Prepare => 10_000,
        }
    }
}

impl BenchArguments {
    fn plan(&self) -> Result<Plan, Failure> {
        let usual = Plan::default();
        let concurrency = self.concurrency.unwrap_or(usual.concurrency);
        if !(1..=CONCURRENCY_MAX).contains(&concurrency) {
            return Err(Failure::usage(format!("--concurrency: 1 to {CONCURRENCY_MAX}")));
        }
        if self.to.is_some() && (self.in_process || self.data.is_some() || self.fsync_per_event) {
            let message = "--to: the node is not ours to start, so --in-process, --data and \
                           --fsync-per-event cannot be meant";
            return Err(Failure::usage(message));
        }
        Ok(Plan {
            patients: self.patients.unwrap_or(self.workload.usual_patients()),
            concurrency,
            connections: self.connections.map_or(usual.connections, usize::from),
            measure_ms: self.seconds * 1_000,
            warm_up_ms: WARM_UP_MS,
            pace: self.rate.map_or(Pace::Closed, |rate| Pace::Open { rate }),
            durability: match self.durability {
                DurabilityArgument::Fsync => Durability::Fsync,
                DurabilityArgument::None => Durability::None,
            },
            data: self.data.clone(),
            store: own_store(&self.store)?,
            in_process: self.in_process,
            to: self.to.as_deref().map(address).transpose()?,
            batch: usize::from(self.batch),
            results: self.results,
            events: self.events.unwrap_or(usual.events),
            fsync_per_event: self.fsync_per_event,
            compare: self.compare,
        })
    }
}

/// A bench never writes among the data of others.
fn own_store(text: &str) -> Result<StoreConfig, Failure> {
    Ok(match crate::serve::store(text)? {
        StoreConfig::Fdb { cluster_file, .. } => {
            let run = environment::real().rng.next_u64();
            StoreConfig::Fdb { cluster_file, prefix: format!("bench-{run:016x}") }
        }
        other @ (StoreConfig::Embedded | StoreConfig::Remote { .. }) => other,
    })
}

/// Host and port of a URL.
fn address(url: &str) -> Result<String, Failure> {
    let known = ["rpc://", "mllp://", "http://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let address = known.map(|rest| rest.trim_end_matches('/'));
    let address = address.filter(|rest| rest.contains(':') && !rest.contains('/'));
    address.map(str::to_owned).ok_or_else(|| {
        Failure::usage(format!("--to {url}: rpc://host:port, mllp://host:port, http://host:port"))
    })
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
    let program = std::env::current_exe()
        .map_err(|error| Failure::failed(format!("this program: {}", error.kind())))?;
    let world = World { environment: environment::real(), program };
    if plan.durability == Durability::None {
        screen.note("--durability none: nothing is durable; a power cut loses what was answered");
    }
    tokio::select! {
        result = Box::pin(measure(&arguments, &world, &plan, &screen)) => result,
        () = interrupts.wait() => Err(Failure::failed("interrupted")),
    }
}

async fn measure(
    arguments: &BenchArguments,
    world: &World,
    plan: &Plan,
    screen: &Screen,
) -> Result<(), Failure> {
    let steady = |what| steady::run(world, plan, what);
    let report = match arguments.workload {
        Workload::Observe => Box::pin(steady(Steady::Observe)).await?,
        Workload::Mllp => Box::pin(steady(Steady::Mllp)).await?,
        Workload::Fhir => Box::pin(steady(Steady::Fhir)).await?,
        Workload::Read => Box::pin(steady(Steady::Read)).await?,
        Workload::Query => Box::pin(queries::run(world, plan)).await?,
        Workload::Recovery => Box::pin(cold::recovery(world, plan)).await?,
        Workload::Memory => Box::pin(cold::memory(world, plan)).await?,
        Workload::Failover => Box::pin(failover::run(world, plan)).await?,
        Workload::Remote => Box::pin(bench_cluster::remote(world, plan)).await?,
        Workload::Rebalance => Box::pin(bench_cluster::rebalance(world, plan)).await?,
        Workload::Overload => Box::pin(overload::run(world, plan)).await?,
        Workload::All => return everything(arguments, world, plan, screen).await,
        Workload::Prepare => return make_data(arguments, world, plan, screen).await,
    };
    conclude(report, screen)
}

async fn make_data(
    arguments: &BenchArguments,
    world: &World,
    plan: &Plan,
    screen: &Screen,
) -> Result<(), Failure> {
    if plan.data.is_none() {
        return Err(Failure::usage("prepare: --data says where"));
    }
    let events = arguments.events.unwrap_or(0);
    let plan = Plan { events, ..plan.clone() };
    let (report, node) = Box::pin(prepare::run(world, &plan)).await?;
    conclude(report, screen)?;
    if arguments.hold {
        std::future::pending::<()>().await;
    }
    node.stop().await;
    Ok(())
}

async fn everything(
    arguments: &BenchArguments,
    world: &World,
    plan: &Plan,
    screen: &Screen,
) -> Result<(), Failure> {
    let sizes = if arguments.quick { Sizes::QUICK } else { Sizes::FULL };
    let all = goals::all(world, plan, sizes, |run| screen.note(format!("measuring {run}"))).await;
    let mut table = Table::new(&["run", "figure", "goal", "measured", "ratio", "met"]);
    for judged in &all.judged {
        table.row(cells(judged, screen));
    }
    table.lines().iter().for_each(|line| screen.say(line));
    for (run, value) in &all.runs {
        if let Some(error) = value.get("error") {
            screen.note(format!("{run}: {error}"));
        }
    }
    let is_empty = all.runs.values().all(|run| run.get("error").is_some());
    screen.result(&all.into_value());
    if is_empty { Err(Failure::failed("nothing was done")) } else { Ok(()) }
}

fn cells(judged: &Judged, screen: &Screen) -> [String; 6] {
    let number =
        |number: Option<f64>| number.map_or_else(|| "-".to_owned(), |one| format!("{one:.2}"));
    let sign = match judged.goal.better {
        Better::More => "at least",
        Better::Less => "at most",
    };
    let met = match (judged.is_met(), judged.measured) {
        (true, _) => screen.paint(Colour::Green, "yes"),
        (false, Some(_)) => screen.paint(Colour::Red, "no"),
        (false, None) => screen.paint(Colour::Yellow, "not measured"),
    };
    [
        judged.goal.run.to_owned(),
        judged.goal.figure.to_owned(),
        format!("{sign} {}", judged.goal.wanted),
        number(judged.measured),
        number(judged.ratio),
        met,
    ]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_and_others_refused() {
        assert_eq!(address("rpc://127.0.0.1:7700").unwrap(), "127.0.0.1:7700");
        assert_eq!(address("http://h:8080/").unwrap(), "h:8080");
        for wrong in ["127.0.0.1:1", "https://h:1", "rpc://h", "http://h:1/fhir"] {
            assert!(matches!(address(wrong), Err(Failure::Usage { .. })), "{wrong}");
        }
    }
}
