//! Workloads that do one thing again and again: observe, read, mllp, fhir; alone, or in turns with
//! the reference implementations.

use crate::contest::{self, AnyCaller, Contestant, Worker};
use crate::counters::Counters;
use crate::error::BenchError;
use crate::load::Pace;
use crate::local::{Crowd, Observer, Reader};
use crate::node::{Folder, OwnNode};
use crate::people;
use crate::plan::{Durability, Plan, World};
use crate::prepare;
use crate::process::Process;
use crate::reference::floor::Floor;
use crate::reference::{RowBytes, row_bytes};
use crate::report::Report;
use crate::rpc::{self, RpcObserver, RpcReader};
use crate::wire::{FhirCaller, MllpCaller};
use serde_json::{Map, Value, json};

/// Time of one turn, microseconds.
const TURN_MICROS: u64 = 1_000_000;
/// Rows that are written when no node of ours can be asked for their size.
const ROWS_USUAL: RowBytes = RowBytes { journal: 220, audit: 160 };

/// What is done again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steady {
    /// Durable observation, score, reply.
    Observe,
    /// Audited read of the live state.
    Read,
    /// ORU over MLLP, acknowledged after the commit.
    Mllp,
    /// Observation posted as FHIR.
    Fhir,
}

impl Steady {
    /// The name of the workload.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Read => "read",
            Self::Mllp => "mllp",
            Self::Fhir => "fhir",
        }
    }

    const fn protocol(self) -> &'static str {
        match self {
            Self::Observe | Self::Read => "rpc",
            Self::Mllp => "mllp",
            Self::Fhir => "http",
        }
    }
}

/// Measures a workload.
///
/// # Errors
/// [`BenchError`].
pub async fn run(world: &World, plan: &Plan, what: Steady) -> Result<Report, BenchError> {
    if plan.in_process && matches!(what, Steady::Mllp | Steady::Fhir) {
        return Err(BenchError::Usage(format!("{}: needs sockets", what.name())));
    }
    let own = match plan.to {
        Some(_) => None,
        None => Some(OwnNode::start(world, plan).await?),
    };
    if let Some(own) = &own {
        prepare::patients(own.gateway(), plan.patients).await?;
    }
    let slow = match plan.compare && plan.in_process && what == Steady::Observe {
        true => Some(slow_node(world, plan).await?),
        false => None,
    };
    let outside = References::start(world, plan).await?;
    let report = {
        let mut contestants = vec![main_contestant(world, plan, what, own.as_ref()).await?];
        if plan.compare {
            contestants.extend(one_caller(world, plan, own.as_ref(), what));
            contestants.extend(slow.as_ref().map(|slow| per_event(world, plan, slow)));
            let rows = match &own {
                Some(own) => measured_rows(own, plan).await?,
                None => ROWS_USUAL,
            };
            contestants.extend(outside.contestants(world, plan, rows).await?);
        }
        contest::run(&mut contestants, &world.environment.clock, plan.span(), TURN_MICROS).await?;
        report(plan, what, &contestants)
    };
    for node in own.into_iter().chain(slow) {
        node.stop().await;
    }
    Ok(report)
}

/// A node on which every command gets a commit of its own, with patients of its own.
async fn slow_node(world: &World, plan: &Plan) -> Result<OwnNode, BenchError> {
    let fast = Plan { data: None, ..plan.clone() };
    let folder = Folder::temporary()?;
    let data = Some(folder.data());
    let prepared = OwnNode::start(world, &Plan { data: data.clone(), ..fast.clone() }).await?;
    prepare::patients(prepared.gateway(), plan.patients).await?;
    prepared.stop().await;
    let slow = Plan { data, fsync_per_event: true, ..fast };
    Ok(OwnNode::start(world, &slow).await?.keeping(folder))
}

fn crowd(world: &World, plan: &Plan) -> Crowd {
    Crowd {
        callers: plan.concurrency,
        patients: plan.patients,
        batch: plan.batch,
        run: world.environment.rng.next_u64() >> 40,
    }
}

async fn main_contestant<'a>(
    world: &World,
    plan: &Plan,
    what: Steady,
    own: Option<&'a OwnNode>,
) -> Result<Contestant<'a>, BenchError> {
    let crowd = crowd(world, plan);
    let clock = &world.environment.clock;
    let local = own.filter(|_| plan.in_process).map(OwnNode::gateway);
    let address = match (&plan.to, own) {
        (Some(address), _) => Some(address.clone()),
        (None, Some(own)) => own.address(what.protocol()),
        (None, None) => None,
    };
    let address = || {
        let reason = format!("the node does not listen for {}", what.protocol());
        address.clone().ok_or_else(|| BenchError::outside("node", reason))
    };
    let callers: Vec<AnyCaller> = match (what, local) {
        (Steady::Observe, Some(gateway)) => {
            boxed(Observer::crowd(gateway, &crowd), AnyCaller::Observer)
        }
        (Steady::Read, Some(gateway)) => boxed(Reader::crowd(gateway, &crowd), AnyCaller::Reader),
        (Steady::Observe, None) => {
            let clients = rpc::clients(&address()?, plan).await?;
            boxed(RpcObserver::crowd(&clients, clock, &crowd), AnyCaller::RpcObserver)
        }
        (Steady::Read, None) => {
            let clients = rpc::clients(&address()?, plan).await?;
            boxed(RpcReader::crowd(&clients, &crowd), AnyCaller::RpcReader)
        }
        (Steady::Mllp, _) => {
            boxed(MllpCaller::crowd(&address()?, clock, &crowd, plan.results), AnyCaller::Mllp)
        }
        (Steady::Fhir, _) => boxed(FhirCaller::crowd(&address()?, clock, &crowd), AnyCaller::Fhir),
    };
    let worker = Worker::Callers(callers, plan.pace);
    Ok(Contestant::new(what.name(), worker, Box::new(move || counters(own))))
}

fn boxed<C>(callers: Vec<C>, any: impl Fn(Box<C>) -> AnyCaller) -> Vec<AnyCaller> {
    callers.into_iter().map(|caller| any(Box::new(caller))).collect()
}

fn counters(own: Option<&OwnNode>) -> Counters {
    match own {
        Some(own) => own.counters(),
        None => generator_cpu(),
    }
}

fn generator_cpu() -> Counters {
    Counters { cpu_micros: Process::Own.cpu_micros(), ..Counters::default() }
}

/// The same node asked by one caller: what a single event waits for.
fn one_caller<'a>(
    world: &World,
    plan: &Plan,
    own: Option<&'a OwnNode>,
    what: Steady,
) -> Option<Contestant<'a>> {
    let own = own.filter(|_| plan.in_process && what == Steady::Observe)?;
    let crowd = Crowd { callers: 1, batch: 1, ..crowd(world, plan) };
    let callers = boxed(Observer::crowd(own.gateway(), &crowd), AnyCaller::Observer);
    let worker = Worker::Callers(callers, Pace::Closed);
    Some(Contestant::new("one_caller", worker, Box::new(move || own.counters())))
}

fn per_event<'a>(world: &World, plan: &Plan, slow: &'a OwnNode) -> Contestant<'a> {
    let crowd = Crowd { batch: 1, ..crowd(world, plan) };
    let callers = boxed(Observer::crowd(slow.gateway(), &crowd), AnyCaller::Observer);
    let worker = Worker::Callers(callers, Pace::Closed);
    Contestant::new("fsync_per_event", worker, Box::new(move || slow.counters()))
}

async fn measured_rows(own: &OwnNode, plan: &Plan) -> Result<RowBytes, BenchError> {
    // One vital sign, so that the newest row is of the kind that is measured.
    let gateway = own.gateway();
    let now = gateway.runtime.now();
    let report = people::report(vec![people::observation(0, 0, "row", now)]);
    let patient = people::patient_key(0);
    let name = gateway.patient(&patient);
    let id = format!("row-{}-{}", plan.patients, now.unix_micros());
    people::submit(gateway, &people::caller(), name, (id, report)).await?;
    row_bytes(gateway, &patient).await
}

/// The reference implementations that live outside of our own path.
struct References {
    folder: Folder,
    #[cfg(feature = "references")]
    postgres: Option<crate::reference::postgres::Server>,
}

impl References {
    #[cfg(feature = "references")]
    async fn start(_world: &World, plan: &Plan) -> Result<Self, BenchError> {
        use crate::reference::postgres::{CONNECTIONS_MAX, Server};
        let connections = plan.concurrency.min(CONNECTIONS_MAX);
        let postgres = if plan.compare { Server::start(connections).await? } else { None };
        Ok(Self { folder: Folder::temporary()?, postgres })
    }

    #[cfg(not(feature = "references"))]
    async fn start(_world: &World, _plan: &Plan) -> Result<Self, BenchError> {
        Ok(Self { folder: Folder::temporary()? })
    }

    async fn contestants<'a>(
        &'a self,
        world: &World,
        plan: &Plan,
        rows: RowBytes,
    ) -> Result<Vec<Contestant<'a>>, BenchError> {
        let floor = Floor::open(&world.environment.disk, &self.folder.path().join("floor"))?;
        let floor = Worker::Blocking(Some(Box::new(floor)));
        let mut contestants = vec![Contestant::new("fsync_floor", floor, Box::new(generator_cpu))];
        self.databases(plan, rows, &mut contestants).await?;
        Ok(contestants)
    }

    #[cfg(feature = "references")]
    async fn databases<'a>(
        &'a self,
        plan: &Plan,
        rows: RowBytes,
        contestants: &mut Vec<Contestant<'a>>,
    ) -> Result<(), BenchError> {
        use crate::reference::{postgres::CONNECTIONS_MAX, sqlite::Sqlite};
        let sqlite = Sqlite::open(&self.folder.path().join("sqlite"), plan.patients, rows)?;
        let sqlite = Worker::Blocking(Some(Box::new(sqlite)));
        contestants.push(Contestant::new("sqlite", sqlite, Box::new(generator_cpu)));
        if let Some(server) = &self.postgres {
            let connections = plan.concurrency.min(CONNECTIONS_MAX);
            let callers = server.callers(connections, plan.patients, rows).await?;
            let worker = Worker::Callers(boxed(callers, AnyCaller::Postgres), Pace::Closed);
            let sample = move || {
                let own = Process::Own.cpu_micros();
                Counters { cpu_micros: own + server.cpu_micros(), ..Counters::default() }
            };
            contestants.push(Contestant::new("postgresql", worker, Box::new(sample)));
        }
        Ok(())
    }

    #[cfg(not(feature = "references"))]
    async fn databases<'a>(
        &'a self,
        _plan: &Plan,
        _rows: RowBytes,
        _contestants: &mut Vec<Contestant<'a>>,
    ) -> Result<(), BenchError> {
        Ok(())
    }
}

fn report(plan: &Plan, what: Steady, contestants: &[Contestant<'_>]) -> Report {
    let mut report = Report::new(what.name());
    let Some((main, others)) = contestants.split_first() else { return report };
    report.set("transport", if plan.in_process { "in-process" } else { what.protocol() });
    report.set("nodes", 1);
    report.set("patients", plan.patients);
    report.set("concurrency", plan.concurrency);
    if matches!(what, Steady::Observe | Steady::Read) && !plan.in_process {
        report.set("connections", plan.connections.min(plan.concurrency));
    }
    report.set("batch", plan.batch);
    report.set("durable", plan.durability == Durability::Fsync);
    match plan.pace {
        Pace::Closed => report.set("loop", "closed"),
        Pace::Open { rate } => {
            report.set("loop", "open");
            report.set("rate", rate);
        }
    }
    report.set_observed(&main.observed, main.micros);
    let operations = main.observed.operations;
    match plan.to {
        None => report.set_counters(&main.counters, operations),
        Some(_) => {
            let cpu = crate::report::ratio(main.counters.cpu_micros, operations);
            report.set("generator_cpu_us_per_op", cpu);
        }
    }
    if plan.compare {
        let references: Map<String, Value> =
            others.iter().map(|other| (other.name.to_owned(), figures(other))).collect();
        report.set("references", references);
        report.set("ratios", ratios(main, others));
        report.set("notes", notes());
    }
    report
}

fn figures(contestant: &Contestant<'_>) -> Value {
    let mut figures = Report::default();
    figures.set_observed(&contestant.observed, contestant.micros);
    let operations = contestant.observed.operations;
    if contestant.counters.batches > 0 {
        figures.set_counters(&contestant.counters, operations);
    } else {
        figures
            .set("cpu_us_per_op", crate::report::ratio(contestant.counters.cpu_micros, operations));
    }
    figures.into_value()
}

/// How the node stands beside each reference; null for one that did not run.
fn ratios(main: &Contestant<'_>, others: &[Contestant<'_>]) -> Value {
    let find = |name: &str| others.iter().find(|other| other.name == name);
    let rate_over = |other: Option<f64>| match other {
        Some(rate) if rate > 0.0 => crate::report::rounded(main.rate() / rate),
        Some(_) | None => Value::Null,
    };
    // Commits of this node can share a sync even when each has one event; with a sync for every
    // event it does as many events as syncs.
    let per_event = find("fsync_per_event").map(|slow| {
        let syncs = crate::report::as_float(slow.counters.fsyncs) * 1e6;
        slow.rate().min(syncs / crate::report::as_float(slow.micros.max(1)))
    });
    let p50_over_floor = match (find("one_caller"), find("fsync_floor")) {
        (Some(one), Some(floor)) => {
            crate::report::ratio(one.observed.quantile(0.5), floor.observed.quantile(0.5))
        }
        _ => Value::Null,
    };
    json!({
        "rate_over_sqlite": rate_over(find("sqlite").map(Contestant::rate)),
        "rate_over_postgresql": rate_over(find("postgresql").map(Contestant::rate)),
        "rate_over_fsync_per_event": rate_over(per_event),
        "p50_at_1_over_fsync_floor": p50_over_floor,
    })
}

#[cfg(feature = "references")]
fn notes() -> Vec<&'static str> {
    use crate::reference::postgres::{INSTALL, programs};
    if programs().is_some() { Vec::new() } else { vec![INSTALL] }
}

#[cfg(not(feature = "references"))]
fn notes() -> Vec<&'static str> {
    vec!["built without the feature `references`: no SQLite, no PostgreSQL"]
}
