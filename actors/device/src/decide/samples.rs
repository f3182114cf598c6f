//! Batches of samples: what they tell of the device, and to whom their observations belong.

use super::{send, silence};
use crate::Device;
use crate::clock;
use crate::command::{BatchOrder, Recorded, Reply};
use crate::event::Event;
use crate::gaps;
use crate::limits::{BATTERY_PERCENT_MAX, OBSERVATIONS_PER_BATCH_MAX};
use crate::state::{State, measured_at};
use actors_core::{AuditNote, Context, Decision, Effect, IndexEntry, Rejection, ResourceBody};
use schema_types::audit::AuditAction;
use schema_types::clinical::{Observation, ObservationStatus, ResourceKey, ResourceMeta};
use schema_types::device::SampleSummary;
use schema_types::error_code::ErrorCode;
use schema_types::ids::EntityId;
use schema_types::patient::PatientNotice;
use std::collections::BTreeMap;

pub(super) fn decide_record_samples(
    state: &State,
    context: &Context<'_>,
    summary: SampleSummary,
    observations: Vec<Observation>,
) -> Result<Decision<Device>, Rejection> {
    let audit = AuditNote::new(AuditAction::Create, "device-samples");
    if observations.len() > OBSERVATIONS_PER_BATCH_MAX {
        let reason = format!("a batch holds at most {OBSERVATIONS_PER_BATCH_MAX} observations");
        return Err(Rejection::wrong(ErrorCode::EntityLimit, reason, audit));
    }
    Ok(decide_batch(state, context, (summary, observations), audit))
}

pub(super) fn decide_samples_seen(
    state: &State,
    context: &Context<'_>,
    summary: SampleSummary,
) -> Result<Decision<Device>, Rejection> {
    let audit = AuditNote::new(AuditAction::Create, "device-samples-seen");
    Ok(decide_batch(state, context, (summary, Vec::new()), audit))
}

fn decide_batch(
    state: &State,
    context: &Context<'_>,
    (mut summary, observations): (SampleSummary, Vec<Observation>),
    audit: AuditNote,
) -> Decision<Device> {
    summary.battery_percent =
        summary.battery_percent.filter(|percent| *percent <= BATTERY_PERCENT_MAX);
    let received_at = summary.received_at;
    let (order, missed) = gaps::order_of(state, &summary);
    let (event, clock_offset_micros) = match order {
        BatchOrder::Next | BatchOrder::Restarted => {
            let clock_offset_micros = clock::offset_after(state, &summary);
            (Event::SamplesReceived { summary, missed, clock_offset_micros }, clock_offset_micros)
        }
        BatchOrder::FilledGap | BatchOrder::Repeated => {
            let filled_gap = order == BatchOrder::FilledGap;
            (Event::SamplesOutOfOrder { summary, filled_gap }, state.clock_offset_micros)
        }
    };
    let mut events = vec![event];
    let mut effects = Vec::new();
    silence::note_speech(state, context.entity, received_at, (&mut events, &mut effects));
    let routed = route(state, context, observations, clock_offset_micros);
    effects.extend(routed.effects);
    let reply = Reply::Recorded(Recorded {
        order,
        missed,
        clock_offset_micros,
        association: state.association.as_ref().map(|(patient, _)| patient.clone()),
        forwarded: routed.forwarded,
        kept: routed.kept,
    });
    Decision { events, effects, reply, audit }
}

struct Routed {
    effects: Vec<Effect>,
    forwarded: u32,
    kept: u32,
}

/// Sends each observation to whoever was measured when it was taken, however late it arrives
/// (DEV-1). Repeats are sent too: a patient knows an observation by its id, and a wrong guess about
/// sequence numbers must not lose one (DEV-4).
fn route(
    state: &State,
    context: &Context<'_>,
    observations: Vec<Observation>,
    clock_offset_micros: i64,
) -> Routed {
    let mut routed = Routed { effects: Vec::new(), forwarded: 0, kept: 0 };
    let mut by_patient: BTreeMap<&EntityId, Vec<Observation>> = BTreeMap::new();
    for mut observation in observations {
        observation.effective_at = clock::corrected(observation.effective_at, clock_offset_micros);
        observation.device = Some(context.entity.clone());
        if let Some(patient) = measured_at(state, observation.effective_at) {
            routed.forwarded += 1;
            by_patient.entry(patient).or_default().push(observation);
        } else {
            routed.kept += 1;
            routed.effects.extend(keep(context, observation));
        }
    }
    let device = context.entity;
    routed.effects.extend(by_patient.into_iter().map(|(patient, observations)| {
        send(patient, PatientNotice::DeviceObservations { device: device.clone(), observations })
    }));
    routed
}

/// Stores an observation of nobody beside the journal. It stays out of the live state, so that a
/// device that nobody wears cannot fill it; the index row finds it.
fn keep(context: &Context<'_>, observation: Observation) -> [Effect; 2] {
    let (resource_type, id) = ("Observation".to_owned(), observation.id.as_str().to_owned());
    let meta = ResourceMeta {
        key: ResourceKey { resource_type: resource_type.clone(), id: id.clone() },
        // The journal's sequence only grows, so a correction never overwrites what it corrects.
        version: context.sequence + 1,
        updated_at: context.now,
        deleted: false,
        digest: observation.provenance.message,
        date: Some(observation.effective_at),
        codes: vec![observation.code.clone()],
        categories: Vec::new(),
        status: status_code(observation.status).to_owned(),
    };
    let body = ResourceBody::Observation(Box::new(observation));
    [
        Effect::PutResource { meta, body },
        Effect::PutIndex(IndexEntry::Resource { resource_type, id }),
    ]
}

/// The FHIR `Observation.status` code.
const fn status_code(status: ObservationStatus) -> &'static str {
    match status {
        ObservationStatus::Preliminary => "preliminary",
        ObservationStatus::Final => "final",
        ObservationStatus::Corrected => "corrected",
        ObservationStatus::Withdrawn => "entered-in-error",
    }
}
