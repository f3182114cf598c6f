//! What a run left behind, put together for the checkers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use actors_store::Store;
use node_env::Disk;
use node_store_embedded::{EmbeddedStore, Execution, Options};
use schema_types::cluster::NodeId;
use schema_types::error_code::ErrorCode;
use schema_types::ids::{CommandId, EntityId, EntityKind, ObservationId, SourceId, TenantId};
use schema_types::measure::Measure;
use schema_types::phi::Phi;
use schema_types::time::Timestamp;
use sim_checks::{
    AuditEvidence, Bounds, ClientId, ClusterSample, CollectedText, CommitLog, Durable, Evidence,
    NodeSample, Operation, OperationKind, Outcome, Reply, Seen, check_all, read_durable,
};
use sim_world::World;
use sim_world::fake::SeededRng;
use sim_world::fault::Planned;
use tracing_subscriber::EnvFilter;

use crate::hospital::{CANARY, ReadSeen, SharedLedger};
use crate::run::{Broken, Plan};
use crate::setup::{SAMPLE_MICROS, STORE_HOST, SharedSeen, Topology};

const SECOND: u64 = 1_000_000;
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());
/// Log text kept at most, bytes.
const LOGGED_BYTES_MAX: usize = 8 << 20;

/// What is left when a world has ended.
pub(crate) struct Left<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) world: &'a World,
    pub(crate) seen: &'a SharedSeen,
    pub(crate) ledger: &'a SharedLedger,
    pub(crate) commits: &'a Arc<CommitLog>,
}

/// The judgement on a run.
#[derive(Default)]
pub(crate) struct Judged {
    pub(crate) violations: Vec<Broken>,
    pub(crate) unchecked: Vec<String>,
    pub(crate) figures: BTreeMap<String, u64>,
}

/// Notes panics instead of printing them: each is a violation.
pub(crate) fn note_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place =
            info.location().map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()));
        let what = info.payload_as_str().unwrap_or("");
        PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{place}: {what}"));
    }));
}

/// Takes log lines in.
#[derive(Clone, Copy)]
pub(crate) struct LogSink;

impl std::io::Write for LogSink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() < LOGGED_BYTES_MAX {
            logged.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Targets whose lines say nothing about the node: they would fill the log before a run is over.
const NOISY: &str = "debug,openraft=info,ractor=info,ractor_cluster=info,node_store_remote=info";

/// Takes the log lines of this process, those of the node in full or warnings and worse of all.
pub(crate) fn take_logs(all: bool) {
    let filter = EnvFilter::new(if all { NOISY } else { "warn" });
    let subscriber = tracing_subscriber::fmt()
        .without_time()
        .with_ansi(false)
        .with_env_filter(filter)
        .with_writer(|| LogSink)
        .finish();
    // Another one was set before only in a test.
    drop(tracing::subscriber::set_global_default(subscriber));
}

/// The log so far.
pub(crate) fn logged() -> String {
    let logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&logged).into_owned()
}

/// Reads the disks and judges.
pub(crate) fn judge(left: &Left<'_>) -> Judged {
    let mut judged = Judged::default();
    let durable = match durable(left) {
        Ok(durable) => durable,
        Err(reason) => {
            judged.violations.push(Broken {
                property: "recovery".to_owned(),
                invariant: "ACK-1".to_owned(),
                detail: reason,
                at_ms: None,
            });
            add_panics(&mut judged);
            return judged;
        }
    };
    let evidence = evidence(left, durable);
    let findings = check_all(&evidence);
    for violation in findings.violations {
        judged.violations.push(Broken {
            property: violation.property.to_owned(),
            invariant: violation.invariant.to_owned(),
            detail: violation.detail,
            at_ms: violation.at_micros.map(|at| at / 1_000),
        });
    }
    for unchecked in findings.unchecked {
        judged.unchecked.push(format!("{}: {}", unchecked.property, unchecked.reason));
    }
    for figure in findings.figures {
        judged.figures.insert(format!("{} {}", figure.property, figure.name), figure.value);
    }
    add_panics(&mut judged);
    judged
}

fn add_panics(judged: &mut Judged) {
    for panic in PANICS.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        judged.violations.push(Broken {
            property: "panic".to_owned(),
            invariant: "LIVE-1".to_owned(),
            detail: panic,
            at_ms: None,
        });
    }
}

/// Opens the store from what the disk kept.
fn durable(left: &Left<'_>) -> Result<Durable, String> {
    let (host, folder) = match left.plan.topology {
        Topology::Alone => (1, "/data/store"),
        Topology::Served { .. } => (STORE_HOST, "/store"),
    };
    let disk = left.world.disk(host).ok_or_else(|| "no disk".to_owned())?;
    let environment = node_store_embedded::Environment {
        disk: Arc::new(disk) as Arc<dyn Disk>,
        clock: Arc::new(sim_world::fake::ManualClock::new(0)),
        rng: Arc::new(SeededRng::new(left.plan.seed)),
        execution: Execution::Inline,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| error.to_string())?;
    let _inside = runtime.enter();
    let store = EmbeddedStore::open(environment, &Options::new(folder))
        .map_err(|error| format!("the store does not open after a power cut: {error}"))?;
    runtime.block_on(read_durable(&store as &dyn Store)).map_err(|error| error.to_string())
}

fn evidence(left: &Left<'_>, durable: Durable) -> Evidence {
    let seen = left.seen.borrow();
    let nodes = left.plan.topology.nodes();
    let id = |host: u8| seen.ids.get(&host).copied().unwrap_or_else(|| NodeId(u64::from(host)));
    let (commits, is_complete) = left.commits.take();
    let is_served = left.plan.topology != Topology::Alone;
    let mut history = left.ledger.borrow().operations.clone();
    let reads = &left.ledger.borrow().reads;
    let read = read_operations(reads, (&history, &durable));
    history.extend(read);
    let wall = nodes.iter().filter_map(|host| left.world.wall_unix_micros(*host)).min();
    Evidence {
        history,
        samples: merged(&seen.samples),
        commits,
        commits_complete: is_complete && is_served,
        faults: left.plan.faults.iter().map(|planned| fault(planned, id)).collect(),
        healed_at: left.plan.times.heal_micros,
        ended_at: left.plan.times.end_micros,
        ended_wall: Timestamp::from_unix_micros(wall.unwrap_or(0)),
        counting: if is_served {
            nodes.iter().map(|host| id(*host)).collect()
        } else {
            BTreeSet::new()
        },
        durable,
        audit: AuditEvidence {
            public_keys: seen.audit_keys.clone(),
            anchors: Vec::new(),
            sources_apart: BTreeSet::new(),
        },
        pages: None,
        census: Vec::new(),
        texts: vec![CollectedText { origin: "log".to_owned(), text: logged() }],
        canaries: vec![Phi::new(CANARY.to_owned())],
        bounds: Bounds {
            rest_micros: 8 * SECOND,
            service_micros: 12 * SECOND,
            ..Bounds::default()
        },
    }
}

/// Looks at single nodes, put together to looks at the cluster: one for each interval.
fn merged(samples: &[ClusterSample]) -> Vec<ClusterSample> {
    let mut merged: BTreeMap<u64, BTreeMap<NodeId, NodeSample>> = BTreeMap::new();
    for sample in samples {
        let end = (sample.at / SAMPLE_MICROS + 1) * SAMPLE_MICROS;
        let nodes = merged.entry(end).or_default();
        nodes.extend(sample.nodes.iter().map(|node| (node.node, node.clone())));
    }
    let whole = |(at, nodes): (u64, BTreeMap<NodeId, NodeSample>)| ClusterSample {
        at,
        nodes: nodes.into_values().collect(),
    };
    merged.into_iter().map(whole).collect()
}

fn fault(planned: &Planned, id: impl Fn(u8) -> NodeId) -> sim_checks::Fault {
    let all = planned.host == STORE_HOST;
    sim_checks::Fault {
        label: planned.fault.class(),
        nodes: if all { BTreeSet::new() } else { [id(planned.host)].into() },
        from: planned.at_micros,
        until: Some(planned.at_micros + planned.for_micros),
        wipes_disk: false,
    }
}

/// When what the clients reported was true.
fn observed_at(history: &[Operation]) -> BTreeMap<ObservationId, Timestamp> {
    let reported = history.iter().filter_map(|operation| match &operation.kind {
        OperationKind::Observe(observed) => Some(observed),
        OperationKind::Move { .. } | OperationKind::Change | OperationKind::Read => None,
    });
    reported.flatten().map(|one| (one.observation.clone(), one.effective_at)).collect()
}

fn seen(read: &ReadSeen, times: &BTreeMap<ObservationId, Timestamp>) -> Seen {
    let newest = read.newest.iter().filter_map(|(label, observation)| {
        let measure = Measure::ALL.iter().find(|measure| measure.label() == label)?;
        let id = ObservationId::new(observation.clone());
        let at = times.get(&id).copied().unwrap_or(Timestamp::MIN);
        Some((*measure, (at, id)))
    });
    Seen { newest: newest.collect(), state_hash: None }
}

/// Reads, with the command ids under which the audit log has them.
fn read_operations(
    reads: &[ReadSeen],
    (history, durable): (&[Operation], &Durable),
) -> Vec<Operation> {
    let times = observed_at(history);
    let mut by_principal = BTreeMap::new();
    for (_, record) in durable.audit.values().flat_map(|log| &log.records) {
        by_principal.insert(record.principal.as_str().to_owned(), record);
    }
    let operation = |read: &ReadSeen| {
        let record = by_principal.get(&read.principal);
        let unnamed = CommandId::new(format!("unrecorded-{}", read.principal));
        let patient = EntityId::new(TenantId::new("default"), EntityKind::Patient, &read.patient);
        let outcome = match read.status {
            Some(200) => {
                let seen = Some(seen(read, &times));
                Outcome::Done(Reply { seen, ..Reply::default() })
            }
            Some(429 | 503) => Outcome::Refused { code: ErrorCode::Overloaded, is_judged: false },
            Some(_) | None => Outcome::Unknown,
        };
        Operation {
            client: ClientId(1_000),
            source: record.map_or_else(|| SourceId::new("api"), |record| record.source.clone()),
            command_id: record.map_or(unnamed, |record| record.command_id.clone()),
            entity: record.map_or(patient, |record| record.entity.clone()),
            others: Vec::new(),
            kind: OperationKind::Read,
            order: None,
            invoked_at: read.invoked_at,
            completed_at: Some(read.completed_at),
            outcome,
        }
    };
    reads.iter().map(operation).collect()
}
