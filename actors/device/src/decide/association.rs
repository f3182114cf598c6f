//! Who is measured. At every instant at most one patient is (DEV-1), and both sides are told.

use super::{nothing, send, silence};
use crate::Device;
use crate::command::Reply;
use crate::event::Event;
use crate::state::{State, association_floor};
use actors_core::{AuditNote, Context, Decision, Effect, Rejection};
use schema_types::audit::AuditAction;
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityId, EntityKind};
use schema_types::patient::PatientNotice;
use schema_types::time::Timestamp;

pub(super) fn decide_associate(
    state: &State,
    context: &Context<'_>,
    patient: EntityId,
    at: Timestamp,
) -> Result<Decision<Device>, Rejection> {
    let audit = AuditNote::new(AuditAction::Update, "device-associate");
    let is_own_tenant = patient.tenant() == context.entity.tenant();
    if patient.kind() != EntityKind::Patient || !is_own_tenant {
        let reason = "a device measures a patient of its own tenant";
        return Err(Rejection::wrong(ErrorCode::BadRequest, reason, audit));
    }
    if state.association.as_ref().is_some_and(|(current, _)| *current == patient) {
        let current = state.association.clone();
        return Ok(nothing(Reply::Associated { previous: None, current }, audit));
    }
    check_floor(state, at, &audit)?;
    let mut events = Vec::new();
    let mut effects = Vec::new();
    let previous = state.association.as_ref().map(|(previous, _)| previous.clone());
    if let Some(previous) = &previous {
        events.push(Event::Dissociated { patient: previous.clone(), at });
        effects.push(association_notice(context.entity, previous, Association::Ended(at)));
    }
    events.push(Event::Associated { patient: patient.clone(), at });
    effects.push(association_notice(context.entity, &patient, Association::Began(at)));
    effects.extend(silence::effects_of_association(state, context, &patient));
    let reply = Reply::Associated { previous, current: Some((patient, at)) };
    Ok(Decision { events, effects, reply, audit })
}

pub(super) fn decide_dissociate(
    state: &State,
    context: &Context<'_>,
    at: Timestamp,
) -> Result<Decision<Device>, Rejection> {
    let audit = AuditNote::new(AuditAction::Update, "device-dissociate");
    let Some((patient, _)) = &state.association else {
        return Ok(nothing(Reply::Associated { previous: None, current: None }, audit));
    };
    check_floor(state, at, &audit)?;
    let notice = association_notice(context.entity, patient, Association::Ended(at));
    Ok(Decision {
        events: vec![Event::Dissociated { patient: patient.clone(), at }],
        effects: vec![notice],
        reply: Reply::Associated { previous: Some(patient.clone()), current: None },
        audit,
    })
}

fn check_floor(state: &State, at: Timestamp, audit: &AuditNote) -> Result<(), Rejection> {
    if at >= association_floor(state) {
        return Ok(());
    }
    let reason = "the device was associated later than that; associations do not overlap";
    Err(Rejection::wrong(ErrorCode::BadRequest, reason, audit.clone()))
}

enum Association {
    Began(Timestamp),
    Ended(Timestamp),
}

fn association_notice(device: &EntityId, patient: &EntityId, association: Association) -> Effect {
    let (associated, at) = match association {
        Association::Began(at) => (true, at),
        Association::Ended(at) => (false, at),
    };
    send(patient, PatientNotice::DeviceAssociation { device: device.clone(), associated, at })
}
