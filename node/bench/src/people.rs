//! The patients of a run and the commands about them, as gateways would build them.

use crate::limits::QUIET_MS;
use crate::vitals::vital;
use actors_patient::Patient;
use actors_patient::command::{AdtReport, Command, ObservationReport};
use actors_runtime::{Attachments, SubmitError, Urgency};
use node_ingest::gateway::{Caller, Gateway, Origin};
use schema_types::clinical::{
    Code, EncounterClass, Location, Movement, MovementKind, Observation, ObservationStatus,
    ObservationValue, Provenance,
};
use schema_types::ids::{
    CommandId, EncounterId, EntityId, MessageDigest, ObservationId, PrincipalId, SourceId,
};
use schema_types::measure::LOINC_SYSTEM;
use schema_types::patient::{
    AdministrativeSex, DemographicsPatch, FieldUpdate, Identifier, PersonName,
};
use schema_types::phi::Phi;
use schema_types::quantity::Quantity;
use schema_types::time::Timestamp;
use std::time::Duration;

/// Whom the audit log names.
pub const PRINCIPAL: &str = "bench";
/// The system that sends.
pub const SOURCE: &str = "bench";

/// The key of the patient with this number.
#[must_use]
pub fn patient_key(number: u64) -> String {
    format!("bench.{number:08}")
}

/// The caller of every command.
#[must_use]
pub fn caller() -> Caller {
    Caller { principal: PrincipalId::new(PRINCIPAL), purpose: "TREAT".to_owned() }
}

/// Patients of one hospital: a census of a few hundred beds is what a facility is made for.
const HOSPITAL_PATIENTS: u64 = 400;

/// The admission of the patient with this number to one of ten wards of one of many hospitals.
#[must_use]
pub fn admission(number: u64, now: Timestamp) -> Command {
    let location = Location {
        facility: format!("H{:04}", number / HOSPITAL_PATIENTS),
        ward: format!("W{:02}", number % 10),
        room: format!("R{}", number % HOSPITAL_PATIENTS / 20),
        bed: format!("B{}", number % HOSPITAL_PATIENTS),
    };
    let movement = Movement {
        kind: MovementKind::Admit,
        at: now,
        message_id: String::new(),
        class: EncounterClass::Inpatient,
        location: Some(location),
        prior_location: None,
        provenance: Provenance { source: SourceId::new(SOURCE), ..Provenance::default() },
    };
    let name = PersonName { family: format!("Bench{number}"), given: vec!["Ada".to_owned()] };
    let sex =
        if number.is_multiple_of(2) { AdministrativeSex::Female } else { AdministrativeSex::Male };
    let patch = DemographicsPatch {
        identifiers: vec![Identifier {
            system: SOURCE.to_owned(),
            value: Phi::new(format!("{number:08}")),
            type_code: "MR".to_owned(),
        }],
        name: FieldUpdate::Set(Phi::new(name)),
        birth_date: FieldUpdate::Set(Phi::new(format!("{}-04-01", 1930 + number % 80))),
        sex: FieldUpdate::Set(sex),
        ..DemographicsPatch::default()
    };
    Command::ApplyAdt(Box::new(AdtReport {
        operation: "adt-a01".to_owned(),
        patch,
        stated_at: now,
        movement: Some((EncounterId::new("V1"), movement)),
        registers: true,
    }))
}

/// One vital sign of a patient.
#[must_use]
pub fn observation(patient: u64, turn: u64, id: &str, now: Timestamp) -> Observation {
    let (measure, value) = vital(patient, turn);
    let code = measure.loinc().unwrap_or_default().to_owned();
    let unit = measure.unit().to_owned();
    Observation {
        id: ObservationId::new(id),
        code: Code { system: LOINC_SYSTEM.to_owned(), code, display: String::new() },
        category: "vital-signs".to_owned(),
        value: ObservationValue::Quantity(Quantity { value, unit }),
        measured: Some((measure, value)),
        effective_at: now,
        status: ObservationStatus::Final,
        device: None,
        encounter: None,
        provenance: Provenance {
            source: SourceId::new(SOURCE),
            message: MessageDigest::default(),
            position: String::new(),
        },
        issues: Vec::new(),
    }
}

/// Observations as one command.
#[must_use]
pub fn report(observations: Vec<Observation>) -> Command {
    Command::RecordObservations(Box::new(ObservationReport {
        operation: "observe".to_owned(),
        patch: None,
        observations,
        provisional: false,
    }))
}

/// Submits a command that has one effect under its name.
///
/// # Errors
/// [`SubmitError`].
pub async fn submit(
    gateway: &Gateway,
    caller: &Caller,
    entity: EntityId,
    (command_id, command): (String, Command),
) -> Result<(), SubmitError> {
    let origin = Origin {
        source: SourceId::new(SOURCE),
        content: MessageDigest::of(command_id.as_bytes()),
        command_id: CommandId::new(command_id),
        message: None,
    };
    let urgency = match &command {
        Command::RecordObservations(_) => Urgency::Bulk,
        Command::ApplyAdt(_)
        | Command::Merge { .. }
        | Command::Unmerge { .. }
        | Command::StoreResources { .. }
        | Command::AcknowledgeAlert { .. }
        | Command::ResolveAlert { .. }
        | Command::Notice(_)
        | Command::Timer(_)
        | Command::Read(_) => Urgency::Routine,
    };
    let envelope = gateway.envelope(caller, &origin, entity, command);
    let attachments = Attachments { once: true, urgency, ..Attachments::default() };
    gateway.runtime.submit::<Patient>(envelope, attachments).await.map(|_| ())
}

/// Waits until the node commits nothing any more: the outbox is delivered.
pub async fn settle(gateway: &Gateway) {
    let committed = || gateway.runtime.metrics().units_committed.get();
    let mut before = committed();
    loop {
        tokio::time::sleep(Duration::from_millis(QUIET_MS)).await;
        let now = committed();
        if now == before {
            return;
        }
        before = now;
    }
}
