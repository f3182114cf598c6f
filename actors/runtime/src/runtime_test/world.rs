//! A runtime over the reference store, and the commands that the tests send.

use crate::{
    Attachments, HostedEntity, Outcome, Runtime, RuntimeConfig, RuntimeParts, SubmitError, trail,
};
use actors_audit::HeadSigner;
use actors_core::Envelope;
use actors_patient::Patient;
use actors_patient::command::{AdtReport, Command, ObservationReport, Read, Reply};
use actors_store::{MemoryStore, RangeQuery, Store, keys};
use node_env::fake::ManualClock;
use schema_types::Decimal;
use schema_types::clinical::{
    Code, EncounterClass, Location, Movement, MovementKind, Observation, ObservationStatus,
    ObservationValue, Provenance,
};
use schema_types::ids::{
    CommandId, EncounterId, EntityId, EntityKind, MessageDigest, ObservationId, PrincipalId,
    SourceId, TenantId,
};
use schema_types::measure::Measure;
use schema_types::patient::{DemographicsPatch, PatientState};
use schema_types::quantity::Quantity;
use schema_types::time::{MICROS_PER_MINUTE, Timestamp};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

pub(super) const START: i64 = 1_780_000_000_000_000;

pub(super) struct World {
    pub(super) clock: Arc<ManualClock>,
    pub(super) store: Arc<MemoryStore>,
}

impl World {
    pub(super) fn new() -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn node_env::Clock>));
        Self { clock, store }
    }

    fn seed(node: &str) -> [u8; 32] {
        [node.bytes().next().unwrap_or(7); 32]
    }

    /// The public key under which a node of this name signs audit heads.
    pub(super) fn audit_key(node: &str) -> [u8; 32] {
        HeadSigner::new(&Self::seed(node)).public()
    }

    pub(super) async fn start(&self) -> Runtime {
        self.start_with(RuntimeConfig { snapshot_interval_events: 5, ..RuntimeConfig::default() })
            .await
    }

    pub(super) async fn start_with(&self, config: RuntimeConfig) -> Runtime {
        self.start_over(Arc::clone(&self.store) as Arc<dyn Store>, config).await
    }

    /// Starts over something that stands before the world's store.
    pub(super) async fn start_over(&self, store: Arc<dyn Store>, config: RuntimeConfig) -> Runtime {
        let parts = RuntimeParts {
            store,
            clock: Arc::clone(&self.clock) as Arc<dyn node_env::Clock>,
            signer: Arc::new(HeadSigner::new(&Self::seed(&config.node))),
            config,
        };
        Runtime::start(parts).await.unwrap()
    }
}

pub(super) fn id(kind: EntityKind, key: &str) -> EntityId {
    EntityId::new(TenantId::new("t"), kind, key)
}

pub(super) fn patient(key: &str) -> EntityId {
    id(EntityKind::Patient, key)
}

pub(super) fn envelope<C>(
    entity: EntityId,
    command_id: &str,
    now: Timestamp,
    command: C,
) -> Envelope<C> {
    Envelope {
        entity,
        source: SourceId::new("test"),
        command_id: CommandId::new(command_id),
        content: MessageDigest::of(command_id.as_bytes()),
        principal: PrincipalId::new("tester"),
        purpose: "TREAT".to_owned(),
        now,
        message: None,
        command,
    }
}

pub(super) fn admit(ward: &str, message: &str) -> Command {
    let location = Location {
        facility: "H".to_owned(),
        ward: ward.to_owned(),
        room: "R1".to_owned(),
        bed: "B1".to_owned(),
    };
    let movement = Movement {
        kind: MovementKind::Admit,
        at: Timestamp::from_unix_micros(START - MICROS_PER_MINUTE),
        message_id: message.to_owned(),
        class: EncounterClass::Inpatient,
        location: Some(location),
        prior_location: None,
        provenance: Provenance::default(),
    };
    Command::ApplyAdt(Box::new(AdtReport {
        operation: "adt-a01".to_owned(),
        patch: DemographicsPatch::default(),
        stated_at: Timestamp::from_unix_micros(START),
        movement: Some((EncounterId::new("V1"), movement)),
        registers: true,
    }))
}

pub(super) fn potassium(value: i64, number: u32) -> Command {
    let value = Decimal::new(value, 1);
    let at = START + i64::from(number) * 1_000_000;
    let observation = Observation {
        id: ObservationId::new(format!("o{number}")),
        code: Code {
            system: "http://loinc.org".to_owned(),
            code: "2823-3".to_owned(),
            display: String::new(),
        },
        category: "laboratory".to_owned(),
        value: ObservationValue::Quantity(Quantity { value, unit: "mmol/L".to_owned() }),
        measured: Some((Measure::Potassium, value)),
        effective_at: Timestamp::from_unix_micros(at),
        status: ObservationStatus::Final,
        device: None,
        encounter: None,
        provenance: Provenance::default(),
        issues: Vec::new(),
    };
    Command::RecordObservations(Box::new(ObservationReport {
        operation: "oru-r01".to_owned(),
        patch: None,
        observations: vec![observation],
        provisional: true,
    }))
}

/// A heart rate, which concerns no alert about potassium.
pub(super) fn heart_rate(value: i64, number: u32) -> Command {
    let Command::RecordObservations(mut report) = potassium(40, number) else { unreachable!() };
    let value = Decimal::new(value, 0);
    let observation = &mut report.observations[0];
    observation.code.code = "8867-4".to_owned();
    observation.value = ObservationValue::Quantity(Quantity { value, unit: "/min".to_owned() });
    observation.measured = Some((Measure::HeartRate, value));
    Command::RecordObservations(report)
}

/// How many timers are stored.
pub(super) async fn timer_rows(runtime: &Runtime) -> usize {
    let timers = keys::family_range(keys::Family::Timer);
    let page = runtime.snapshot().await.unwrap().range(RangeQuery::forward(timers, 100)).await;
    page.unwrap().items.len()
}

pub(super) async fn submit(
    runtime: &Runtime,
    entity: &EntityId,
    command_id: &str,
    command: Command,
) -> Result<Outcome<Reply>, SubmitError> {
    let envelope = envelope(entity.clone(), command_id, runtime.now(), command);
    let attachments = Attachments { once: true, ..Attachments::default() };
    runtime.submit::<Patient>(envelope, attachments).await
}

pub(super) async fn ask<E: HostedEntity>(
    runtime: &Runtime,
    entity: &EntityId,
    question: E::Command,
) -> Result<E::Reply, SubmitError> {
    let envelope = envelope(entity.clone(), "read", runtime.now(), question);
    let outcome = runtime.submit::<E>(envelope, Attachments::default()).await?;
    Ok(outcome.into_reply().unwrap())
}

pub(super) async fn state(runtime: &Runtime, entity: &EntityId) -> PatientState {
    let reply = ask::<Patient>(runtime, entity, Command::Read(Read::State)).await.unwrap();
    let Reply::State(state) = reply else { panic!("unexpected reply {reply:?}") };
    *state
}

/// Lets background tasks run until `condition` holds; the paused clock jumps, nobody sleeps.
pub(super) async fn until<F: Future<Output = bool>>(mut condition: impl FnMut() -> F) {
    for _ in 0..2_000 {
        if condition().await {
            return;
        }
        tokio::time::advance(Duration::from_millis(50)).await;
    }
    panic!("the condition never held");
}

pub(super) async fn verified_records(runtime: &Runtime) -> u64 {
    verified_shards(runtime, 0..=runtime.shards().0 - 1).await
}

pub(super) async fn verified_shards(runtime: &Runtime, shards: RangeInclusive<u16>) -> u64 {
    let snapshot = runtime.snapshot().await.unwrap();
    let mut records = 0;
    for shard in shards {
        let keys = runtime.audit_public_keys();
        let report = trail::verify_shard(&*snapshot, shard, &keys, &[]).await.unwrap();
        assert!(report.ok, "AUD-2: {:?}", report.findings);
        records += report.records;
    }
    records
}
