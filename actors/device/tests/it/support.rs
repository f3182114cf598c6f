//! A device without a runtime: decides, folds, and checks after each step that replay gives the
//! same state (DET-1).

use actors_core::{Context, Decision, Effect, Entity, Notice, Rejection};
use actors_device::command::{Read, Reply};
use actors_device::{Command, Device, Event, State, state};
use schema_types::clinical::{Code, Observation, ObservationStatus, ObservationValue, Provenance};
use schema_types::device::SampleSummary;
use schema_types::ids::{
    CommandId, EntityId, EntityKind, ObservationId, PrincipalId, SourceId, TenantId,
};
use schema_types::patient::PatientNotice;
use schema_types::time::Timestamp;

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

pub(crate) fn patient(name: &str) -> EntityId {
    EntityId::new(TenantId::new("t1"), EntityKind::Patient, name)
}

pub(crate) fn device() -> EntityId {
    EntityId::new(TenantId::new("t1"), EntityKind::Device, "monitor-1")
}

/// A live batch of one sample without delay or clock error.
pub(crate) fn batch(sequence: Option<u64>, seconds: i64) -> SampleSummary {
    SampleSummary {
        samples: 1,
        sequence,
        device_time: at(seconds),
        received_at: at(seconds),
        stored_and_forwarded: false,
        battery_percent: None,
        provenance: Provenance::default(),
    }
}

pub(crate) fn observation(id: &str, seconds: i64) -> Observation {
    Observation {
        id: ObservationId::new(id),
        code: Code::default(),
        category: String::new(),
        value: ObservationValue::Absent("not-asked".into()),
        measured: None,
        effective_at: at(seconds),
        status: ObservationStatus::Final,
        device: None,
        encounter: None,
        provenance: Provenance::default(),
        issues: Vec::new(),
    }
}

#[derive(Default)]
pub(crate) struct Harness {
    pub(crate) state: State,
    pub(crate) journal: Vec<Event>,
    pub(crate) purpose: Option<&'static str>,
}

impl Harness {
    pub(crate) fn try_at(
        &mut self,
        seconds: i64,
        command: Command,
    ) -> Result<Decision<Device>, Rejection> {
        let (source, command_id) = (SourceId::new("test"), CommandId::new("c"));
        let (entity, principal) = (device(), PrincipalId::new("nurse"));
        let context = Context {
            entity: &entity,
            now: at(seconds),
            source: &source,
            command_id: &command_id,
            principal: &principal,
            purpose: self.purpose.unwrap_or("TREAT"),
            message: None,
            sequence: self.journal.len() as u64,
        };
        let decision = Device::decide(&self.state, &context, command)?;
        for event in &decision.events {
            Device::evolve(&mut self.state, event);
            self.journal.push(event.clone());
        }
        assert_eq!(state::validate(&self.state), Ok(()));
        Ok(decision)
    }

    pub(crate) fn run(&mut self, seconds: i64, command: Command) -> Decision<Device> {
        self.try_at(seconds, command).unwrap()
    }

    pub(crate) fn record(&mut self, summary: SampleSummary) -> Decision<Device> {
        self.record_with(summary, Vec::new())
    }

    pub(crate) fn record_with(
        &mut self,
        summary: SampleSummary,
        observations: Vec<Observation>,
    ) -> Decision<Device> {
        let seconds = summary.received_at.unix_micros() / 1_000_000;
        self.run(seconds, Command::RecordSamples { summary, observations })
    }

    pub(crate) fn associate(&mut self, name: &str, seconds: i64) -> Decision<Device> {
        self.run(seconds, Command::Associate { patient: patient(name), at: at(seconds) })
    }

    pub(crate) fn read_state(&mut self) -> Reply {
        self.run(0, Command::Read(Read::State)).reply
    }

    /// The journal from its stored form folds to the state that is there (DET-1).
    pub(crate) fn assert_replay(&self) {
        let mut replayed = State::default();
        for event in &self.journal {
            let stored = Device::encode_event(event);
            Device::evolve(&mut replayed, &Device::decode_event(&stored).unwrap());
        }
        assert_eq!(replayed, self.state);
        let snapshot = Device::encode_state(&self.state);
        assert_eq!(Device::encode_state(&replayed), snapshot);
        assert_eq!(Device::decode_state(&snapshot).unwrap(), self.state);
    }
}

/// What patients are told, in order.
pub(crate) fn notices(decision: &Decision<Device>) -> Vec<(EntityId, PatientNotice)> {
    let sent = decision.effects.iter().filter_map(|effect| match effect {
        Effect::Send { to, notice: Notice::Patient(notice) } => Some((to.clone(), notice.clone())),
        Effect::Send { .. }
        | Effect::SetTimer { .. }
        | Effect::CancelTimer { .. }
        | Effect::PutResource { .. }
        | Effect::PutIndex(_)
        | Effect::ClearIndex(_) => None,
    });
    sent.collect()
}
