//! A right run for tests, made by the product's own cores on the reference store: three nodes, four
//! shards, patients who are admitted, moved, measured and read.

use actors_audit::{Appender, HeadSigner};
use actors_core::{Context, Decision, Effect, Entity, Notice, Rejection};
use actors_facility::Facility;
use actors_patient::Patient;
use actors_patient::command::{AdtReport, Command, ObservationReport, Read};
use actors_store::tuple::TupleWriter;
use actors_store::{CommitRequest, MemoryStore, Mutation, Store, keys};
use bytes::Bytes;
use futures::FutureExt;
use node_env::fake::ManualClock;
use schema_types::Decimal;
use schema_types::audit::{AuditDraft, AuditOutcome};
use schema_types::clinical::{
    Code, EncounterClass, Location, Movement, MovementKind, Observation, ObservationStatus,
    ObservationValue, Provenance,
};
use schema_types::cluster::{Epoch, NodeId};
use schema_types::ids::{
    AlertId, CommandId, EncounterId, EntityId, EntityKind, MessageDigest, ObservationId,
    PrincipalId, ShardCount, ShardId, SourceId, TenantId,
};
use schema_types::measure::Measure;
use schema_types::patient::{DemographicsPatch, PatientEvent, PatientState};
use schema_types::phi::Phi;
use schema_types::time::Timestamp;
use schema_wire::journal::{
    DedupeOutcome, DedupeRecord, JournalRecord, SnapshotRecord, encode_dedupe, encode_record,
    encode_snapshot,
};
use sim_checks::Events;
use sim_checks::{
    AuditEvidence, Bounds, CensusSeen, ClientId, ClusterSample, CollectedText, CommitLog, Evidence,
    Fault, Findings, Gauge, Micros, NodeSample, Observed, Operation, OperationKind, Outcome, Page,
    Place, RaftSample, RecordingStore, Reply, Seen, read_durable,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const SHARDS: ShardCount = ShardCount(4);
const NODES: u64 = 3;
const LENGTH: Micros = 64_000_000;
const WALL: i64 = 1_770_000_000_000_000;
const VITALS: [Measure; 6] = [
    Measure::HeartRate,
    Measure::RespiratoryRate,
    Measure::SystolicPressure,
    Measure::OxygenSaturation,
    Measure::BodyTemperature,
    Measure::Consciousness,
];

fn entity_ref(entity: &EntityId) -> keys::EntityRef<'_> {
    keys::EntityRef {
        hash: entity.hash(),
        tenant: entity.tenant().as_str(),
        kind: entity.kind().number(),
        key: entity.key(),
    }
}

/// Fails unless nothing is violated.
pub(crate) fn silent(findings: Findings) {
    assert_eq!(findings.violations, []);
}

/// Fails unless a violation of the invariant says `text`.
pub(crate) fn expect_violation(findings: &Findings, invariant: &str, text: &str) {
    let is_it = findings
        .violations
        .iter()
        .any(|one| one.invariant == invariant && one.detail.contains(text));
    assert!(is_it, "{text:?} ({invariant}) is not in {:?}", findings.violations);
}

/// A fault of every node.
pub(crate) fn fault(from: Micros, until: Option<Micros>) -> Fault {
    Fault { label: "test", nodes: [].into(), from, until, wipes_disk: false }
}

/// Events of patients, row by row.
pub(crate) fn patient_rows_mut(run: &mut Evidence) -> Vec<&mut Vec<PatientEvent>> {
    let rows = run.durable.journals.values_mut().flatten();
    let events = rows.filter_map(|row| match &mut row.events {
        Events::Patient(events) => Some(events),
        Events::Device(_) | Events::Facility(_) => None,
    });
    events.collect()
}

/// Events of patients.
pub(crate) fn patient_events_mut(run: &mut Evidence) -> Vec<&mut PatientEvent> {
    patient_rows_mut(run).into_iter().flatten().collect()
}

/// Changes every value in the journals.
pub(crate) fn spoil_values(run: &mut Evidence, spoil: impl Fn(&mut Decimal)) {
    for event in patient_events_mut(run) {
        if let PatientEvent::ObservationRecorded { observation, .. } = event {
            observation.measured.iter_mut().for_each(|(_, value)| spoil(value));
        }
    }
}

/// The name of a command that reported values.
pub(crate) fn some_change(run: &Evidence) -> (EntityId, SourceId, CommandId) {
    let is_report = |one: &&Operation| matches!(one.kind, OperationKind::Observe(_));
    let one = run.history.iter().find(is_report).unwrap();
    (one.entity.clone(), one.source.clone(), one.command_id.clone())
}

/// Five patients, sixty operations.
pub(crate) fn right_run() -> Evidence {
    make_run(5, 60)
}

/// A right run of some size.
pub(crate) fn make_run(patients: u64, operations: u64) -> Evidence {
    let mut world = World::new();
    for number in 0..operations {
        let at = number * (LENGTH / operations);
        world.operate(number, at, patients);
    }
    world.finish()
}

struct World {
    clock: Arc<AtomicU64>,
    log: Arc<CommitLog>,
    plain: Arc<dyn Store>,
    nodes: Vec<RecordingStore>,
    logs: BTreeMap<ShardId, Appender>,
    signer: HeadSigner,
    patients: BTreeMap<EntityId, Kept<Patient>>,
    facilities: BTreeMap<EntityId, Kept<Facility>>,
    timers: BTreeMap<(EntityId, String), i64>,
    evidence: Evidence,
}

struct Kept<E: Entity> {
    state: E::State,
    sequence: u64,
}

impl<E: Entity> Default for Kept<E> {
    fn default() -> Self {
        Self { state: E::State::default(), sequence: 0 }
    }
}

/// How a command is named.
struct Named {
    source: SourceId,
    command_id: CommandId,
    now: Timestamp,
}

type Decided<E> = Result<Decision<E>, Rejection>;

fn owner_of(ShardId(shard): ShardId) -> usize {
    usize::from(shard) % 3
}

fn shard_of(entity: &EntityId) -> ShardId {
    SHARDS.shard_of(entity.hash())
}

fn wall(at: Micros) -> Timestamp {
    Timestamp::from_unix_micros(WALL + i64::try_from(at).unwrap())
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(AtomicU64::new(0));
        let log = Arc::new(CommitLog::default());
        let plain: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(ManualClock::new(WALL))));
        let nodes = (1..=NODES).map(|node| {
            let clock = Arc::clone(&clock);
            let now = Arc::new(move || clock.load(Ordering::Relaxed));
            RecordingStore::new(Arc::clone(&plain), Arc::clone(&log), (NodeId(node), 1), now)
        });
        let nodes = nodes.collect();
        let world = Self {
            clock,
            log,
            plain,
            nodes,
            logs: (0..SHARDS.0).map(|n| (ShardId(n), Appender::new(ShardId(n)))).collect(),
            signer: HeadSigner::new(&[7; 32]),
            patients: BTreeMap::new(),
            facilities: BTreeMap::new(),
            timers: BTreeMap::new(),
            evidence: Evidence { pages: Some(Vec::new()), ..Evidence::default() },
        };
        for shard in (0..SHARDS.0).map(ShardId) {
            world.claim(shard, 0, 1);
            world.claim(shard, owner_of(shard), 2);
        }
        world
    }

    fn claim(&self, ShardId(shard): ShardId, node: usize, epoch: u64) {
        let owner = format!("n{}", node + 1);
        let row = TupleWriter::with_capacity(32).unsigned(epoch).text(&owner).finish();
        self.commit(node, vec![Mutation::set(keys::owner(shard), row)]);
    }

    fn commit(&self, node: usize, mutations: Vec<Mutation>) {
        let request = CommitRequest { mutations, ..CommitRequest::default() };
        self.nodes[node].commit(request).now_or_never().unwrap().unwrap();
    }

    /// Writes what was decided; the version, or the refusal's code.
    fn settle<E: Entity>(
        &mut self,
        entity: &EntityId,
        kept: &mut Kept<E>,
        named: &Named,
        decided: Decided<E>,
    ) -> (Outcome, Vec<Effect>) {
        let (mut rows, mut effects) = (Vec::new(), Vec::new());
        let (note, outcome, events) = match decided {
            Err(rejection) => {
                let code = rejection.code;
                let outcome = Outcome::Refused { code, is_judged: true };
                (rejection.audit, (AuditOutcome::Rejected(code), outcome), 0)
            }
            Ok(decision) => {
                let events = decision.events;
                if !events.is_empty() {
                    rows.push(journal_row::<E>(entity, kept.sequence + 1, named, &events));
                }
                for event in &events {
                    E::evolve(&mut kept.state, event);
                }
                kept.sequence += u64::try_from(events.len()).unwrap();
                rows.push(done_row(entity, named));
                self.timer_rows(entity, &decision.effects, &mut rows);
                effects = decision.effects;
                let reply = Reply { version: Some(kept.sequence), ..Reply::default() };
                (decision.audit, (AuditOutcome::Done, Outcome::Done(reply)), events.len())
            }
        };
        let draft = AuditDraft {
            at: named.now,
            principal: PrincipalId::new("nurse"),
            purpose: "TREAT".to_owned(),
            action: note.action,
            entity: entity.clone(),
            operation: note.operation,
            outcome: outcome.0,
            source: named.source.clone(),
            command_id: named.command_id.clone(),
            message: None,
            sequence: kept.sequence,
            events: u32::try_from(events).unwrap(),
        };
        self.audit_rows(shard_of(entity), &draft, &mut rows);
        self.clock.fetch_add(1_000, Ordering::Relaxed);
        self.commit(owner_of(shard_of(entity)), rows);
        (outcome.1, effects)
    }

    fn audit_rows(&mut self, shard: ShardId, draft: &AuditDraft, rows: &mut Vec<Mutation>) {
        let log = self.logs.get_mut(&shard).unwrap();
        let before = log.size();
        let (index, row) = log.append(schema_wire::audit::encode_record(draft)).unwrap();
        rows.push(Mutation::set(keys::audit_leaf(shard.0, index), row.encode()));
        let signed = self.signer.sign(log.head(draft.at, self.signer.key_id()));
        let mut head = signed.encode();
        head.extend(log.encode());
        rows.push(Mutation::set(keys::audit_head(shard.0, log.size()), head));
        if before > 0 {
            rows.push(Mutation::clear(keys::audit_head(shard.0, before)));
        }
        if index % 5 == 3 {
            self.evidence.audit.anchors.push(signed);
        }
    }

    fn timer_rows(&mut self, entity: &EntityId, effects: &[Effect], rows: &mut Vec<Mutation>) {
        let key =
            |due: i64, name: &str| keys::timer(shard_of(entity).0, due, entity_ref(entity), name);
        for effect in effects {
            let (Effect::SetTimer { name, .. } | Effect::CancelTimer { name }) = effect else {
                continue;
            };
            let place = (entity.clone(), name.clone());
            if let Some(due) = self.timers.remove(&place) {
                rows.push(Mutation::clear(key(due, name)));
            }
            if let Effect::SetTimer { due, .. } = effect {
                rows.push(Mutation::set(key(due.unix_micros(), name), Bytes::new()));
                self.timers.insert(place, due.unix_micros());
            }
        }
    }

    fn operate(&mut self, number: u64, at: Micros, patients: u64) {
        self.clock.store(at, Ordering::Relaxed);
        let id = EntityId::new(
            TenantId::new("t"),
            EntityKind::Patient,
            &format!("p{}", number % patients),
        );
        let round = number / patients;
        let (kind, command) = ask(number, round, at, &id);
        let client = ClientId(u32::try_from(number % 2).unwrap());
        let named = Named {
            source: SourceId::new("ward"),
            command_id: CommandId::new(format!("c{number}")),
            now: wall(at),
        };
        let mut kept = self.patients.remove(&id).unwrap_or_default();
        let decided = Patient::decide(&kept.state, &context(&id, &named, kept.sequence), command);
        let (mut outcome, effects) = self.settle::<Patient>(&id, &mut kept, &named, decided);
        let completed_at = self.clock.load(Ordering::Relaxed) + 500;
        if let (OperationKind::Read, Outcome::Done(reply)) = (&kind, &mut outcome) {
            reply.seen = Some(seen(&kept.state));
        }
        self.page(&id, &kept.state, completed_at + 700);
        self.deliver(effects, &id, at);
        self.patients.insert(id.clone(), kept);
        self.evidence.history.push(Operation {
            client,
            source: named.source,
            command_id: named.command_id,
            entity: id,
            others: Vec::new(),
            kind,
            order: Some(number),
            invoked_at: at,
            completed_at: Some(completed_at),
            outcome,
        });
    }

    fn page(&mut self, patient: &EntityId, state: &PatientState, at: Micros) {
        let pages = self.evidence.pages.as_mut().unwrap();
        for alert in state.alerts.values() {
            if !pages.iter().any(|page| page.alert == alert.id && page.entity == *patient) {
                let (entity, alert_id) = (patient.clone(), alert.id.clone());
                let condition = alert.condition.clone();
                pages.push(Page { entity, alert: alert_id, condition, at });
            }
        }
    }

    fn deliver(&mut self, effects: Vec<Effect>, sender: &EntityId, at: Micros) {
        for effect in effects {
            let Effect::Send { to, notice: notice @ Notice::Facility(_) } = effect else {
                continue;
            };
            let mut kept = self.facilities.remove(&to).unwrap_or_default();
            let named = Named {
                source: SourceId::new(format!("outbox:{:016x}", sender.hash())),
                command_id: CommandId::new(at.to_string()),
                now: wall(at),
            };
            let command = Facility::notice_command(notice).unwrap();
            let context = context(&to, &named, kept.sequence);
            let decided = Facility::decide(&kept.state, &context, command);
            self.settle::<Facility>(&to, &mut kept, &named, decided);
            self.facilities.insert(to, kept);
        }
    }

    fn finish(mut self) -> Evidence {
        for (id, kept) in self.patients.iter().step_by(2) {
            let row = snapshot_row(id, kept);
            self.commit(owner_of(shard_of(id)), vec![row]);
        }
        let mut evidence = std::mem::take(&mut self.evidence);
        (evidence.commits, evidence.commits_complete) = self.log.take();
        evidence.durable = read_durable(&*self.plain).now_or_never().unwrap().unwrap();
        evidence.audit =
            AuditEvidence { public_keys: vec![self.signer.public()], ..evidence.audit };
        evidence.counting = (1..=NODES).map(NodeId).collect();
        evidence.ended_at = LENGTH + 20_000_000;
        evidence.ended_wall = wall(evidence.ended_at);
        evidence.bounds = Bounds::default();
        for at in (0..=LENGTH).step_by(1_000_000) {
            evidence.samples.push(sample(at));
        }
        for (facility, kept) in &self.facilities {
            let site = actors_facility::places::Site(facility);
            let census = actors_facility::census::census(site, &kept.state, None);
            let (facility, asked_at) = (facility.clone(), evidence.ended_at);
            evidence.census.push(CensusSeen { facility, asked_at, occupied: census.occupied });
        }
        evidence.canaries =
            vec![Phi::new("Zanzibarra".to_owned()), Phi::new("0x-CANARY".to_owned())];
        let text = "n1 owns 2 shards; patient#00ff was admitted\n".repeat(20);
        evidence.texts = vec![CollectedText { origin: "trace of n1".to_owned(), text }];
        evidence
    }
}

fn context<'a>(entity: &'a EntityId, named: &'a Named, sequence: u64) -> Context<'a> {
    static NURSE: std::sync::LazyLock<PrincipalId> =
        std::sync::LazyLock::new(|| PrincipalId::new("nurse"));
    Context {
        entity,
        now: named.now,
        source: &named.source,
        command_id: &named.command_id,
        principal: &NURSE,
        purpose: "TREAT",
        message: None,
        sequence,
    }
}

/// What the operation of a round asks: first an admission, then by turns.
fn ask(number: u64, round: u64, at: Micros, patient: &EntityId) -> (OperationKind, Command) {
    match (round, round % 4) {
        (0, _) => adt(number, at, MovementKind::Admit, patient),
        (_, 3) if round < 8 => adt(number, at, MovementKind::Transfer, patient),
        (_, 3) => {
            let alert = AlertId::new("no-such-alert");
            (OperationKind::Change, Command::AcknowledgeAlert { alert })
        }
        (_, 2) => (OperationKind::Read, Command::Read(Read::State)),
        _ => observe(number, at),
    }
}

fn adt(
    number: u64,
    at: Micros,
    kind: MovementKind,
    patient: &EntityId,
) -> (OperationKind, Command) {
    let ward = format!("W{}", (number + patient.hash() % 3) % 3);
    let location = Location { facility: "H".to_owned(), ward, ..Location::default() };
    let movement = Movement {
        kind,
        at: wall(at),
        message_id: format!("m{number}"),
        class: EncounterClass::Inpatient,
        location: Some(location),
        prior_location: None,
        provenance: Provenance::default(),
    };
    let encounter = EncounterId::new(format!("e-{}", patient.key()));
    let report = AdtReport {
        operation: "adt".to_owned(),
        patch: DemographicsPatch::default(),
        stated_at: wall(at),
        movement: Some((encounter.clone(), movement.clone())),
        registers: true,
    };
    let kind = OperationKind::Move { encounter, movement: Box::new(movement) };
    (kind, Command::ApplyAdt(Box::new(report)))
}

fn observe(number: u64, at: Micros) -> (OperationKind, Command) {
    let is_bad = number % 7 < 2;
    let values = if is_bad { [150, 28, 85, 90, 39, 1] } else { [70, 16, 125, 98, 37, 0] };
    let observed: Vec<Observed> = VITALS
        .into_iter()
        .zip(values)
        .map(|(measure, value)| Observed {
            observation: ObservationId::new(format!("o{number}-{}", measure.label())),
            measure,
            value: Decimal::from(value),
            effective_at: wall(at),
        })
        .collect();
    let report = ObservationReport {
        operation: "oru-r01".to_owned(),
        patch: None,
        observations: observed.iter().map(observation).collect(),
        provisional: true,
    };
    (OperationKind::Observe(observed), Command::RecordObservations(Box::new(report)))
}

fn observation(observed: &Observed) -> Observation {
    Observation {
        id: observed.observation.clone(),
        code: Code::default(),
        category: String::new(),
        value: ObservationValue::Absent(String::new()),
        measured: Some((observed.measure, observed.value)),
        effective_at: observed.effective_at,
        status: ObservationStatus::Final,
        device: None,
        encounter: None,
        provenance: Provenance::default(),
        issues: Vec::new(),
    }
}

fn seen(state: &PatientState) -> Seen {
    let newest = VITALS.into_iter().filter_map(|measure| {
        let value = state.measures.get(&measure)?.back()?;
        Some((measure, (value.effective_at, value.observation.clone())))
    });
    let state_hash = Some(MessageDigest::of(&Patient::encode_state(state)).0);
    Seen { newest: newest.collect(), state_hash }
}

fn packed(content: Vec<u8>) -> Vec<u8> {
    let mut value = vec![0];
    value.extend(content);
    value
}

fn journal_row<E: Entity>(
    entity: &EntityId,
    sequence: u64,
    named: &Named,
    events: &[E::Event],
) -> Mutation {
    let mut framed = Vec::new();
    for event in events {
        let event = E::encode_event(event);
        framed.extend_from_slice(&u32::try_from(event.len()).unwrap().to_be_bytes());
        framed.extend(event);
    }
    let record = JournalRecord {
        sequence,
        recorded_at: named.now,
        source: named.source.clone(),
        command_id: named.command_id.clone(),
        principal: PrincipalId::new("nurse"),
        message: None,
        event_kind: E::KIND,
        event: framed,
    };
    Mutation::set(keys::journal(entity_ref(entity), sequence), packed(encode_record(&record)))
}

fn done_row(entity: &EntityId, named: &Named) -> Mutation {
    let id = named.command_id.as_str().as_bytes();
    let key = keys::command_done(entity_ref(entity), named.source.as_str(), id);
    let record = DedupeRecord {
        content: MessageDigest::of(id),
        outcome: DedupeOutcome::Accepted,
        reply: Vec::new(),
        at: named.now,
    };
    Mutation::set(key, encode_dedupe(&record))
}

fn snapshot_row(entity: &EntityId, kept: &Kept<Patient>) -> Mutation {
    let state = Patient::encode_state(&kept.state);
    let record = SnapshotRecord {
        sequence: kept.sequence,
        state_hash: MessageDigest::of(&state).0,
        kind: EntityKind::Patient,
        state,
        outbox_next: 0,
    };
    Mutation::set(keys::snapshot(entity_ref(entity)), packed(encode_snapshot(&record)))
}

fn sample(at: Micros) -> ClusterSample {
    let shards = || (0..SHARDS.0).map(ShardId);
    let place = |shard| {
        let owner = NodeId(u64::try_from(owner_of(shard)).unwrap() + 1);
        Place { epoch: Epoch(2), owner: Some(owner), is_open: true }
    };
    let node = |number: usize| {
        let node = NodeId(u64::try_from(number).unwrap() + 1);
        let index = 100 + at / 1_000_000;
        NodeSample {
            node,
            incarnation: 1,
            owned: shards().filter(|s| owner_of(*s) == number).map(|s| (s, Epoch(2))).collect(),
            view: shards().map(|shard| (shard, place(shard))).collect(),
            raft: Some(RaftSample {
                term: 4,
                voted_for: Some(NodeId(1)),
                is_leader: number == 0,
                committed_index: index,
                applied_index: index,
                applied_digest: Some(MessageDigest::of(&index.to_be_bytes()).0),
            }),
            gauges: vec![Gauge { name: "NODE_IN_FLIGHT_MAX", value: 3, limit: 16 }],
        }
    };
    ClusterSample { at, nodes: (0..3).map(node).collect() }
}
