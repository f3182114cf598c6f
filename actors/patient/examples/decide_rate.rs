//! What one vital sign costs a patient with ten of them: decision and fold, stored forms, bytes,
//! and the memory of the state. Prints CPU time, which other work on the machine disturbs less than
//! it does elapsed time; run with `--release` on Linux. No thresholds here.
#![expect(clippy::print_stdout, reason = "a measurement prints times")]

use actors_core::{Context, Entity};
use actors_patient::command::ObservationReport;
use actors_patient::{Command, Event, Patient, State};
use schema_types::Decimal;
use schema_types::audit::{AuditAction, AuditDraft, AuditOutcome};
use schema_types::clinical::{Code, Observation, ObservationStatus, ObservationValue, Provenance};
use schema_types::ids::{
    CommandId, EntityId, EntityKind, MessageDigest, ObservationId, PrincipalId, SourceId, TenantId,
};
use schema_types::measure::{LOINC_SYSTEM, Measure};
use schema_types::patient::{
    AdministrativeSex, DemographicsPatch, FieldUpdate, Identifier, PersonName,
};
use schema_types::phi::Phi;
use schema_types::quantity::Quantity;
use schema_types::time::{MICROS_PER_SECOND, Timestamp};
use std::hint::black_box;

const ROUNDS: u64 = 100_000;
const CHUNK: u64 = 200;
const STATES: u64 = 20_000;
const VITALS: [(Measure, &str); 10] = [
    (Measure::HeartRate, "78"),
    (Measure::RespiratoryRate, "16"),
    (Measure::OxygenSaturation, "97"),
    (Measure::InspiredOxygen, "21"),
    (Measure::SystolicPressure, "120"),
    (Measure::DiastolicPressure, "75"),
    (Measure::MeanPressure, "90"),
    (Measure::Consciousness, "0"),
    (Measure::BodyTemperature, "37.1"),
    (Measure::GlasgowComaScale, "15"),
];

/// A second in 2026.
fn second(number: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_772_409_600).plus_micros(number * MICROS_PER_SECOND)
}

fn observation(measure: Measure, value: &str, number: i64) -> Observation {
    let value: Decimal = value.parse().expect("a number");
    Observation {
        id: ObservationId::new(format!("obs-{:02}-{number:09}", measure.number())),
        code: Code {
            system: LOINC_SYSTEM.to_owned(),
            code: measure.loinc().unwrap_or_default().to_owned(),
            display: measure.label().to_owned(),
        },
        category: "vital-signs".to_owned(),
        value: ObservationValue::Quantity(Quantity { value, unit: measure.unit().to_owned() }),
        measured: Some((measure, value)),
        effective_at: second(number),
        status: ObservationStatus::Final,
        device: None,
        encounter: None,
        provenance: Provenance {
            source: SourceId::new("MONITORS|WARD-3"),
            message: MessageDigest::of(&number.to_be_bytes()),
            position: "OBX-1".to_owned(),
        },
        issues: Vec::new(),
    }
}

fn report(observation: Observation) -> Command {
    let patch = DemographicsPatch {
        identifiers: vec![Identifier {
            system: "HOSPITAL".to_owned(),
            value: Phi::new("700001".to_owned()),
            type_code: "MR".to_owned(),
        }],
        name: FieldUpdate::Set(Phi::new(PersonName {
            family: "Example".to_owned(),
            given: vec!["Erika".to_owned()],
        })),
        birth_date: FieldUpdate::Set(Phi::new("1961-04-12".to_owned())),
        sex: FieldUpdate::Set(AdministrativeSex::Female),
        ..DemographicsPatch::default()
    };
    Command::RecordObservations(Box::new(ObservationReport {
        operation: "oru-r01".to_owned(),
        patch: (observation.id.as_str() == "obs-08-000000000").then(|| (patch, second(0))),
        observations: vec![observation],
        provisional: true,
    }))
}

struct Bench {
    entity: EntityId,
    state: State,
    sequence: u64,
}

impl Bench {
    fn take(&mut self, command: Command, number: i64) -> Vec<Event> {
        let context = Context {
            entity: &self.entity,
            now: second(number),
            source: &SourceId::new("MONITORS|WARD-3"),
            command_id: &CommandId::new("1"),
            principal: &PrincipalId::new("mllp:MONITORS|WARD-3"),
            purpose: "TREAT",
            message: None,
            sequence: self.sequence,
        };
        let decision = Patient::decide(&self.state, &context, command).expect("accepted");
        for event in &decision.events {
            Patient::evolve(&mut self.state, event);
        }
        self.sequence += u64::try_from(decision.events.len()).unwrap_or(0);
        black_box(&decision.effects);
        decision.events
    }
}

fn audit(entity: &EntityId, number: i64) -> AuditDraft {
    AuditDraft {
        at: second(number),
        principal: PrincipalId::new("mllp:MONITORS|WARD-3"),
        purpose: "TREAT".to_owned(),
        action: AuditAction::Create,
        entity: entity.clone(),
        operation: "oru-r01".to_owned(),
        outcome: AuditOutcome::Done,
        source: SourceId::new("MONITORS|WARD-3"),
        command_id: CommandId::new(format!("MSG{number:08}")),
        message: Some(MessageDigest::of(&number.to_be_bytes())),
        sequence: 4_711,
        events: 2,
    }
}

/// CPU time that this thread has used, in nanoseconds, as the Linux scheduler counts it.
fn cpu_nanos() -> u64 {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    counted.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
}

/// Times `ROUNDS` rounds in chunks, each with fresh input that is not timed.
fn per_round<T>(what: &str, mut input: impl FnMut() -> Vec<T>, mut work: impl FnMut(T)) {
    let mut nanos = 0;
    for _ in 0..ROUNDS / CHUNK {
        let input = input();
        let begun = cpu_nanos();
        input.into_iter().for_each(&mut work);
        nanos += cpu_nanos() - begun;
    }
    println!("{what:<32} {:>6} ns", nanos / ROUNDS);
}

/// Memory of this process in bytes, as Linux counts pages.
fn resident_bytes() -> u64 {
    let counted = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = counted.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0_u64) * 4096
}

/// A patient with ten vital signs, each told by a message of its own.
fn with_vitals(entity: EntityId) -> Bench {
    let mut bench = Bench { entity, state: State::default(), sequence: 0 };
    for (number, (measure, value)) in (0..).zip(VITALS) {
        bench.take(report(observation(measure, value, number)), number);
    }
    bench
}

fn main() {
    let entity = EntityId::new(TenantId::new("default"), EntityKind::Patient, "OHG.700001");
    let before = resident_bytes();
    let states: Vec<State> = (0..STATES).map(|_| with_vitals(entity.clone()).state).collect();
    let held = resident_bytes().saturating_sub(before) / STATES;
    drop(states);
    let mut bench = with_vitals(entity);
    let encoded = Patient::encode_state(&bench.state).len();
    println!("state with ten vitals: {held} bytes in memory, {encoded} bytes stored");

    let mut number = 10;
    let mut commands = || {
        let one = |_| {
            number += 1;
            let rate = (70 + number % 20).to_string();
            (number, report(observation(Measure::HeartRate, &rate, number)))
        };
        (0..CHUNK).map(one).collect()
    };
    for _ in 0..3 {
        per_round("decide and evolve", &mut commands, |(number, command)| {
            black_box(bench.take(command, number));
        });
    }
    let (number, command) = commands().remove(0);
    let events = bench.take(command, number);
    let record = audit(&bench.entity, number);
    let units = || (0..CHUNK).collect::<Vec<_>>();
    per_round("encode the events", units, |_| {
        black_box(&events).iter().for_each(|event| {
            black_box(Patient::encode_event(event));
        });
    });
    let bytes: usize = events.iter().map(|event| Patient::encode_event(event).len()).sum();
    println!("    {} events, {bytes} bytes", events.len());
    per_round("encode the audit record", units, |_| {
        black_box(schema_wire::audit::encode_record(black_box(&record)));
    });
    println!("    {} bytes", schema_wire::audit::encode_record(&record).len());
    per_round("encode the state", units, |_| {
        black_box(Patient::encode_state(black_box(&bench.state)));
    });
    let bytes = Patient::encode_state(&bench.state).len();
    println!("    {bytes} bytes, with a full history of one measure");
}
