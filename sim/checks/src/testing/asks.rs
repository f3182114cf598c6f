//! What the clients of the right run ask.

use super::{VITALS, wall};
use actors_patient::command::{AdtReport, Command, ObservationReport, Read};
use schema_types::Decimal;
use schema_types::clinical::{
    Code, EncounterClass, Location, Movement, MovementKind, Observation, ObservationStatus,
    ObservationValue, Provenance,
};
use schema_types::ids::{AlertId, EncounterId, EntityId, ObservationId};
use schema_types::patient::DemographicsPatch;
use sim_checks::{Micros, Observed, OperationKind};

/// What the operation of a round asks: first an admission, then by turns.
pub(super) fn ask(
    number: u64,
    round: u64,
    at: Micros,
    patient: &EntityId,
) -> (OperationKind, Command) {
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
