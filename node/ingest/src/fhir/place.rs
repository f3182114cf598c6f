//! Which entity a resource belongs to: its patient, its device, or the directory of its type. A
//! patient that was only ever referred to is as good as any (order of arrival must lose nothing).

use crate::gateway::Gateway;
use actors_runtime::{SubmitError, query};
use actors_store::Snapshot;
use schema_fhir::{Facts, FhirError, Reference};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityId, EntityKind};
use serde_json::Value;

/// Types that name many or any party: a logical reference that nobody answers to means that they
/// belong to no patient.
const LOOSE: &[&str] = &[
    "Appointment",
    "AppointmentResponse",
    "AuditEvent",
    "Basic",
    "Communication",
    "CommunicationRequest",
    "Device",
    "Invoice",
    "Provenance",
    "QuestionnaireResponse",
    "Schedule",
    "Task",
];

/// Whether resources of a type may belong to a patient or to nobody.
pub(crate) fn is_loose(resource_type: &str) -> bool {
    LOOSE.contains(&resource_type)
}

/// Why a resource has no place.
pub(crate) enum Misplaced {
    /// Because of what it says.
    Problem(FhirError),
    /// Because the store cannot be read.
    Store(SubmitError),
}

impl From<SubmitError> for Misplaced {
    fn from(error: SubmitError) -> Self {
        Self::Store(error)
    }
}

/// The entity that a resource belongs to. `facts.id` must be set.
pub(crate) async fn place(
    gateway: &Gateway,
    snapshot: &dyn Snapshot,
    facts: &Facts,
    resource: &Value,
) -> Result<EntityId, Misplaced> {
    let id = facts.id.as_deref().unwrap_or_default();
    match facts.resource_type {
        "Patient" => return Ok(gateway.patient(id)),
        "Device" => return Ok(gateway.device(id)),
        _ => {}
    }
    if let Some(reference) = &facts.patient_reference
        && let Some(patient) = patient_of(gateway, snapshot, facts, reference).await?
    {
        return Ok(patient);
    }
    if facts.resource_type == "Observation"
        && let Some(device) = device_of(facts, resource)
    {
        return Ok(gateway.device(&device));
    }
    Ok(gateway.directory(facts.resource_type))
}

/// The patient that a reference names; `None` when it names none.
pub(crate) async fn patient_of(
    gateway: &Gateway,
    snapshot: &dyn Snapshot,
    facts: &Facts,
    reference: &Reference,
) -> Result<Option<EntityId>, Misplaced> {
    let refuse = |code: ErrorCode, reason: &str| {
        let problem = FhirError::new(code, facts.resource_type, reason);
        Err(Misplaced::Problem(problem.with_status(422)))
    };
    match reference {
        Reference::Local { resource_type: "Patient", id }
        | Reference::Absolute { resource_type: "Patient", id, .. } => Ok(Some(gateway.patient(id))),
        Reference::Identifier { resource_type, system, value } => {
            let found = if system.is_empty() {
                query::by_identifier(snapshot, &gateway.tenant, value).await?
            } else {
                query::by_assigned_identifier(snapshot, &gateway.tenant, system, value).await?
            };
            let mut patients =
                found.into_iter().filter(|entity| entity.kind() == EntityKind::Patient);
            let is_a_patient = *resource_type == Some("Patient");
            match (patients.next(), patients.next()) {
                (Some(patient), None) => Ok(Some(patient)),
                (Some(_), Some(_)) => refuse(
                    ErrorCode::PatientAmbiguous,
                    "the identifier in the reference belongs to more than one patient",
                ),
                (None, _) if !is_a_patient && is_loose(facts.resource_type) => Ok(None),
                (None, _) => refuse(
                    ErrorCode::FhirReference,
                    "no patient carries the identifier in the reference",
                ),
            }
        }
        Reference::Urn(_) | Reference::Conditional { .. } if is_loose(facts.resource_type) => {
            Ok(None)
        }
        Reference::Urn(_) | Reference::Conditional { .. } => {
            refuse(ErrorCode::FhirReference, "the reference to the patient does not resolve")
        }
        Reference::Local { .. }
        | Reference::Absolute { .. }
        | Reference::Contained(_)
        | Reference::Other(_) => Ok(None),
    }
}

/// The device that an Observation is about or came from.
fn device_of(facts: &Facts, resource: &Value) -> Option<String> {
    let subject = resource.get("subject").and_then(Reference::from_value);
    let candidates = [subject.as_ref(), facts.device_reference.as_ref()];
    candidates.into_iter().flatten().find_map(|reference| {
        let is_device = reference.resource_type() == Some("Device");
        is_device.then(|| reference.id().map(str::to_owned)).flatten()
    })
}
