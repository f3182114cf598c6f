//! A small world of patients that deliver each other's notices. After every command it checks what
//! must always hold: stored forms, replay (DET-1), the rules of the state, and current results.

use actors_core::{AuditNote, Context, Effect, Entity, IndexEntry, Notice, Rejection};
use actors_patient::command::{ObservationReport, Reply};
use actors_patient::person::person_at;
use actors_patient::validate::validate;
use actors_patient::view::{Timeline, View, replayed};
use actors_patient::{Command, Event, Patient, State};
use schema_types::Decimal;
use schema_types::clinical::{
    Code, Location, Movement, MovementKind, Observation, ObservationStatus, ObservationValue,
    Provenance,
};
use schema_types::clinical::{EncounterClass, ResourceKey};
use schema_types::ids::{
    CommandId, EncounterId, EntityId, EntityKind, MessageDigest, ObservationId, PrincipalId,
    SourceId, TenantId,
};
use schema_types::measure::{LOINC_SYSTEM, Measure};
use schema_types::patient::DemographicsPatch;
use schema_types::score::{ScoreModel, ScoreResult};
use schema_types::time::{MICROS_PER_MINUTE, Timestamp};
use std::collections::{BTreeMap, VecDeque};

pub(crate) fn tenant() -> TenantId {
    TenantId::new("t1")
}

pub(crate) fn patient(key: &str) -> EntityId {
    EntityId::new(tenant(), EntityKind::Patient, key)
}

pub(crate) fn device(key: &str) -> EntityId {
    EntityId::new(tenant(), EntityKind::Device, key)
}

/// Minutes since an arbitrary day in 2026.
pub(crate) fn minute(minutes: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_772_409_600).plus_micros(minutes * MICROS_PER_MINUTE)
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    pub(crate) state: State,
    pub(crate) journal: Vec<Event>,
}

/// What one command led to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) events: Vec<Event>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) reply: Reply,
    pub(crate) audit: AuditNote,
}

impl Outcome {
    pub(crate) fn indexed(&self, entry: &IndexEntry) -> bool {
        self.effects.contains(&Effect::PutIndex(entry.clone()))
    }

    pub(crate) fn unindexed(&self, entry: &IndexEntry) -> bool {
        self.effects.contains(&Effect::ClearIndex(entry.clone()))
    }
}

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) records: BTreeMap<EntityId, Record>,
    pub(crate) now: Timestamp,
    pub(crate) purpose: &'static str,
    /// Notices between patients that are under way.
    pub(crate) outbox: VecDeque<(EntityId, Notice)>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { records: BTreeMap::new(), now: minute(0), purpose: "TREAT", outbox: VecDeque::new() }
    }

    pub(crate) fn state(&self, id: &EntityId) -> State {
        self.records.get(id).map(|record| record.state.clone()).unwrap_or_default()
    }

    /// One command; notices to patients stay in the outbox.
    pub(crate) fn step(&mut self, id: &EntityId, command: Command) -> Result<Outcome, Rejection> {
        let record = self.records.entry(id.clone()).or_default();
        let context = Context {
            entity: id,
            now: self.now,
            source: &SourceId::new("test"),
            command_id: &CommandId::new("c"),
            principal: &PrincipalId::new("nurse-1"),
            purpose: self.purpose,
            message: None,
            sequence: u64::try_from(record.journal.len()).unwrap(),
        };
        let again = Patient::decide(&record.state, &context, command.clone());
        let decision = Patient::decide(&record.state, &context, command)?;
        let again = again.expect("the same decision");
        assert_eq!((&again.events, &again.effects), (&decision.events, &decision.effects), "pure");
        for event in &decision.events {
            let stored = Patient::decode_event(&Patient::encode_event(event));
            assert_eq!(stored.as_ref(), Ok(event), "stored form of an event");
            Patient::evolve(&mut record.state, event);
            record.journal.push(event.clone());
        }
        check(record);
        for effect in &decision.effects {
            if let Effect::Send { to, notice: notice @ Notice::Patient(_) } = effect {
                self.outbox.push_back((to.clone(), notice.clone()));
            }
        }
        let (events, effects) = (decision.events, decision.effects);
        Ok(Outcome { events, effects, reply: decision.reply, audit: decision.audit })
    }

    /// One command and all notices that follow from it, in order.
    pub(crate) fn run(&mut self, id: &EntityId, command: Command) -> Outcome {
        let outcome = self.step(id, command).expect("accepted");
        self.deliver_all();
        outcome
    }

    pub(crate) fn refused(&mut self, id: &EntityId, command: Command) -> Rejection {
        let before = self.state(id);
        let rejection = self.step(id, command).expect_err("refused");
        assert_eq!(self.state(id), before);
        rejection
    }

    pub(crate) fn deliver_all(&mut self) {
        while !self.outbox.is_empty() {
            self.deliver(0);
        }
    }

    /// Delivers one of the notices under way.
    pub(crate) fn deliver(&mut self, index: usize) {
        let (to, notice) = self.outbox.remove(index).expect("a notice");
        let command = Patient::notice_command(notice).expect("a notice to a patient");
        self.step(&to, command).expect("notices are accepted");
    }

    pub(crate) fn observe(&mut self, id: &EntityId, observations: Vec<Observation>) -> Outcome {
        self.run(id, report(observations))
    }
}

impl Drop for World {
    /// DET-1: replay gives the same state, of every record that any test leaves behind.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for Record { state, journal } in self.records.values() {
            let mut replayed = State::default();
            for event in journal {
                Patient::evolve(&mut replayed, event);
            }
            let (left, right) = (Patient::encode_state(&replayed), Patient::encode_state(state));
            assert_eq!(left, right, "DET-1");
        }
    }
}

/// What must hold after every command.
fn check(record: &Record) {
    assert_eq!(validate(&record.state), Ok(()));
    let bytes = Patient::encode_state(&record.state);
    assert_eq!(Patient::decode_state(&bytes).as_ref(), Ok(&record.state), "stored form of a state");
    for model in ScoreModel::ALL {
        let current = record.state.scores.get(model).copied();
        assert_eq!(current, expected_score(&record.state, *model), "PAT-5: {model:?}");
        let replayed = current.and_then(|result| replayed(&record.state, &result));
        assert_eq!(replayed.is_some(), current.is_some(), "found again: {model:?}");
    }
}

/// What a model says of the values held: present ones if there are any, else future-dated ones.
fn expected_score(state: &State, model: ScoreModel) -> Option<ScoreResult> {
    [Timeline::Present, Timeline::Future].into_iter().find_map(|timeline| {
        let view = View::of(state, timeline);
        let at = view.newest_trigger(model)?;
        let score = actors_risk::evaluate(model, &view, at, &person_at(&state.demographics, at));
        score.map(|score| score.result(timeline == Timeline::Future))
    })
}

pub(crate) fn report(observations: Vec<Observation>) -> Command {
    Command::RecordObservations(Box::new(ObservationReport {
        operation: "oru-r01".into(),
        patch: None,
        observations,
        provisional: true,
    }))
}

pub(crate) fn provenance(position: &str) -> Provenance {
    Provenance {
        source: SourceId::new("LAB"),
        message: MessageDigest::of(position.as_bytes()),
        position: position.into(),
    }
}

/// An observation of a measure: id, value in the measure's unit, minute.
pub(crate) fn value(id: &str, measure: Measure, value: &str, minutes: i64) -> Observation {
    let value: Decimal = value.parse().unwrap();
    Observation {
        id: ObservationId::new(id),
        code: Code {
            system: LOINC_SYSTEM.into(),
            code: measure.loinc().unwrap_or_default().into(),
            display: measure.label().into(),
        },
        category: "vital-signs".into(),
        value: ObservationValue::Absent("see measured".into()),
        measured: Some((measure, value)),
        effective_at: minute(minutes),
        status: ObservationStatus::Final,
        device: None,
        encounter: None,
        provenance: provenance(id),
        issues: Vec::new(),
    }
}

/// One set of NEWS2 vital signs; `heart_rate` and `respiratory_rate` steer the total.
pub(crate) fn vitals(
    prefix: &str,
    minutes: i64,
    respiratory_rate: &str,
    heart_rate: &str,
) -> Vec<Observation> {
    [
        (Measure::RespiratoryRate, respiratory_rate),
        (Measure::OxygenSaturation, "97"),
        (Measure::InspiredOxygen, "21"),
        (Measure::SystolicPressure, "120"),
        (Measure::HeartRate, heart_rate),
        (Measure::Consciousness, "0"),
        (Measure::BodyTemperature, "37.0"),
    ]
    .into_iter()
    .map(|(measure, text)| value(&format!("{prefix}-{}", measure.label()), measure, text, minutes))
    .collect()
}

/// A movement told in one word: `kind@minute>ward`.
pub(crate) fn movement(text: &str, message_id: &str) -> Movement {
    let (head, ward) = text.split_once('>').unwrap_or((text, ""));
    let (label, time) = head.split_once('@').unwrap();
    let location = (!ward.is_empty()).then(|| Location {
        facility: format!("F{}", ward.len()),
        ward: ward.into(),
        room: "R1".into(),
        bed: "B1".into(),
    });
    Movement {
        kind: *MovementKind::ALL.iter().find(|kind| kind.label() == label).unwrap(),
        at: minute(time.parse().unwrap()),
        message_id: message_id.into(),
        class: EncounterClass::Inpatient,
        location,
        prior_location: None,
        provenance: provenance(message_id),
    }
}

pub(crate) fn adt(text: &str, message_id: &str) -> Command {
    Command::ApplyAdt(Box::new(actors_patient::command::AdtReport {
        operation: "adt-a01".into(),
        patch: DemographicsPatch::default(),
        stated_at: minute(0),
        movement: Some((EncounterId::new("V1"), movement(text, message_id))),
        registers: true,
    }))
}

pub(crate) fn key(resource_type: &str, id: &str) -> ResourceKey {
    ResourceKey { resource_type: resource_type.into(), id: id.into() }
}
