//! From what a message reports to the commands that it asks for, in order. Nothing is submitted
//! here, and whether the facts make sense is for the entities to judge.

use super::failure::Failure;
use super::limits::IDENTIFIER_BYTES_MAX;
use crate::gateway::Gateway;
use actors_patient::command::{AdtReport, Command, ObservationReport};
use schema_hl7::typed::{Adt, Merge};
use schema_hl7::{Header, Incoming, PatientIdentity, Payload, Position};
use schema_types::clinical::Provenance;
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityId, MessageDigest};
use schema_types::patient::{DemographicsPatch, Identifier};
use schema_types::time::Timestamp;

/// One command to one patient.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) patient: EntityId,
    pub(super) command: Command,
    /// What to ask instead when the patient knows of no such link: an A37 does not say which of
    /// the two records survived.
    pub(super) otherwise: Option<(EntityId, Command)>,
}

/// The commands of a message, at least one.
pub(super) fn steps(
    gateway: &Gateway,
    incoming: Incoming,
    digest: MessageDigest,
) -> Result<Vec<Step>, Failure> {
    let Incoming { header, payload } = incoming;
    let operation = operation_of(&header);
    match payload {
        Payload::Adt(adt) => adt_step(gateway, *adt, operation, &header).map(|step| vec![step]),
        Payload::Merge { event_at, merges } => {
            let many = merges.len() > 1;
            let mut steps = Vec::with_capacity(merges.len() * 3);
            for (index, merge) in merges.into_iter().enumerate() {
                let position = if many { format!("MRG-{}", index + 1) } else { "MRG".to_owned() };
                let source = header.source.clone();
                let provenance = Provenance { source, message: digest, position };
                steps.extend(merge_steps(gateway, merge, &operation, (event_at, provenance))?);
            }
            Ok(steps)
        }
        Payload::Unlink { event_at, first, second } => {
            Ok(vec![unlink_step(gateway, event_at, [&first, &second])])
        }
        Payload::Observations { patient, observations } => {
            check_identifiers(&patient.identifiers, "PID", 3)?;
            let PatientIdentity { key, patch, stated_at, .. } = *patient;
            let report = ObservationReport {
                operation,
                patch: Some((patch, stated_at)),
                observations,
                provisional: true,
            };
            let command = Command::RecordObservations(Box::new(report));
            Ok(vec![Step::new(gateway.patient(key.expose()), command)])
        }
    }
}

impl Step {
    fn new(patient: EntityId, command: Command) -> Self {
        Self { patient, command, otherwise: None }
    }
}

/// For the audit log, for example `adt-a01`.
fn operation_of(header: &Header) -> String {
    format!("{}-{}", header.message_type, header.trigger).to_ascii_lowercase()
}

/// Everything that says that the patient is or will be here registers; a message that takes
/// something back may be about a person whose registration was lost.
fn registers(trigger: &str) -> bool {
    !matches!(trigger, "A11" | "A12" | "A13")
}

fn adt_step(
    gateway: &Gateway,
    adt: Adt,
    operation: String,
    header: &Header,
) -> Result<Step, Failure> {
    let Adt { patient, movement, event_at: _ } = adt;
    check_identifiers(&patient.identifiers, "PID", 3)?;
    let PatientIdentity { key, patch, stated_at, .. } = patient;
    let registers = registers(&header.trigger);
    let report = AdtReport { operation, patch, stated_at, movement, registers };
    Ok(Step::new(gateway.patient(key.expose()), Command::ApplyAdt(Box::new(report))))
}

/// Both records become known first, so that the merge of a record never seen can be looked up;
/// the merge itself comes last.
fn merge_steps(
    gateway: &Gateway,
    merge: Merge,
    operation: &str,
    (at, provenance): (Timestamp, Provenance),
) -> Result<[Step; 3], Failure> {
    let Merge { survivor, retired_key, retired_identifiers } = merge;
    check_identifiers(&survivor.identifiers, "PID", 3)?;
    check_identifiers(&retired_identifiers, "MRG", 1)?;
    let PatientIdentity { key, patch, stated_at, .. } = survivor;
    let (survivor, retired) =
        (gateway.patient(key.expose()), gateway.patient(retired_key.expose()));
    if survivor == retired {
        let position = Position::segment("MRG", 1).with_field(1);
        let reason = "a patient cannot be merged with itself";
        return Err(Failure::content(ErrorCode::PatientMerge, position, reason));
    }
    let adt = |patient: &EntityId, patch: DemographicsPatch| {
        let operation = operation.to_owned();
        let report = AdtReport { operation, patch, stated_at, movement: None, registers: true };
        Step::new(patient.clone(), Command::ApplyAdt(Box::new(report)))
    };
    let known = DemographicsPatch { identifiers: retired_identifiers, ..Default::default() };
    let merge = Command::Merge { retired: retired.clone(), at, provenance };
    Ok([adt(&survivor, patch), adt(&retired, known), Step::new(survivor, merge)])
}

fn unlink_step(gateway: &Gateway, at: Timestamp, records: [&PatientIdentity; 2]) -> Step {
    let [first, second] = records.map(|record| gateway.patient(record.key.expose()));
    let unmerge = |retired: &EntityId| Command::Unmerge { retired: retired.clone(), at };
    let otherwise = Some((second.clone(), unmerge(&first)));
    Step { patient: first, command: unmerge(&second), otherwise }
}

/// Identifiers become keys of index rows.
fn check_identifiers(
    identifiers: &[Identifier],
    segment: &str,
    field: usize,
) -> Result<(), Failure> {
    let length = |one: &Identifier| one.value.expose().len() + one.system.len();
    if identifiers.iter().all(|one| length(one) <= IDENTIFIER_BYTES_MAX) {
        return Ok(());
    }
    let position = Position::segment(segment, 1).with_field(field);
    Err(Failure::content(ErrorCode::Hl7DataType, position, "the identifier is too long"))
}
