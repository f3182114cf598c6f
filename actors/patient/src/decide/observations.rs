//! Observations: recorded once, corrected and withdrawn, then scored together at the end of the
//! command. Values dated in the future are kept apart (PAT-4).

use super::draft::Draft;
use super::scores::{self, Touched};
use super::{Decided, Refusal, critical, links, person};
use crate::command::ObservationReport;
use crate::event::Event;
use crate::evolve::measures::WITHDRAWN_AT;
use crate::limits::{FUTURE_TOLERANCE_MICROS, LATE_INSTANTS_MAX, OBSERVATIONS_MAX};
use crate::state::is_known;
use crate::view::Timeline;
use actors_core::{Effect, IndexEntry, Notice, ResourceBody};
use schema_types::clinical::{
    Code, Observation, ObservationStatus, ObservationValue, ResourceKey, ResourceMeta,
};
use schema_types::device::{DeviceNotice, SampleSummary};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityId, ObservationId};
use schema_types::measure::{LOINC_SYSTEM, Measure};
use schema_types::patient::{MeasuredValue, Registration};
use std::collections::BTreeMap;

/// How observations arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// In a message: they become resources of their own.
    Message,
    /// In FHIR resources, which are stored as such.
    Fhir,
    /// From a device entity, which knows of them.
    Device,
}

/// The observations of one command, until they are scored.
#[derive(Debug, Default)]
pub(super) struct Batch {
    touched: Touched,
    /// New values in the order of arrival.
    pub(super) gained: Vec<(Measure, MeasuredValue)>,
    /// Measures that lost a value.
    pub(super) lost: Vec<Measure>,
    /// What the record into which this one was retired has to know.
    outgoing: Vec<(Measure, MeasuredValue)>,
    seen: BTreeMap<EntityId, SampleSummary>,
}

pub(super) fn decide_record_observations(
    draft: &mut Draft<'_>,
    report: ObservationReport,
) -> Decided {
    if !report.provisional && !is_known(draft.base) {
        return Err(Refusal::wrong(ErrorCode::PatientUnknown, "there is no such patient"));
    }
    let mut age_changed = false;
    if let Some((patch, stated_at)) = report.patch {
        age_changed = person::state_person(draft, Registration::Provisional, patch, stated_at)?;
    }
    person::make_provisional(draft);
    let batch = record_all(draft, report.observations, Origin::Message)?;
    finish(draft, batch, age_changed);
    Ok(())
}

pub(super) fn on_device_observations(
    draft: &mut Draft<'_>,
    device: &EntityId,
    observations: Vec<Observation>,
) -> Decided {
    person::make_provisional(draft);
    let named = |mut observation: Observation| {
        observation.device.get_or_insert_with(|| device.clone());
        observation
    };
    let observations = observations.into_iter().map(named).collect();
    let batch = record_all(draft, observations, Origin::Device)?;
    finish(draft, batch, false);
    Ok(())
}

fn record_all(
    draft: &mut Draft<'_>,
    observations: Vec<Observation>,
    origin: Origin,
) -> Decided<Batch> {
    if observations.len() > OBSERVATIONS_MAX {
        return Err(Refusal::limit("too many observations in one command"));
    }
    let mut batch = Batch::default();
    for observation in observations {
        record(draft, &mut batch, observation, origin);
    }
    Ok(batch)
}

/// Records one observation: a repeat changes nothing, another content under a known id corrects.
pub(super) fn record(
    draft: &mut Draft<'_>,
    batch: &mut Batch,
    mut observation: Observation,
    origin: Origin,
) {
    let now = draft.context.now;
    let known = known_value(draft, &observation.id);
    let future_dated = observation.effective_at > now.plus_micros(FUTURE_TOLERANCE_MICROS);
    if observation.status == ObservationStatus::Withdrawn {
        observation.measured = None;
    } else if known.as_ref().is_some_and(|(measure, value)| {
        observation.measured == Some((*measure, value.value))
            && observation.effective_at == value.effective_at
    }) {
        draft.changes().observations_repeated += 1;
        return;
    } else if known.is_some() && observation.status == ObservationStatus::Final {
        observation.status = ObservationStatus::Corrected;
    }
    if future_dated && !observation.issues.contains(&ErrorCode::ClinicalFuture) {
        observation.issues.push(ErrorCode::ClinicalFuture);
    }
    note(batch, known, &observation, (now, future_dated));
    if origin != Origin::Fhir {
        store(draft, &observation);
    }
    if origin != Origin::Device {
        note_device(batch, &observation, now);
    }
    let observation = Box::new(observation);
    draft.emit(Event::ObservationRecorded { observation, recorded_at: now, future_dated });
    draft.changes().observations_recorded += 1;
}

/// Withdraws an observation of which only the value is held.
pub(super) fn withdraw(draft: &mut Draft<'_>, batch: &mut Batch, id: &ObservationId) {
    let Some((measure, value)) = known_value(draft, id) else { return };
    let code = measure.loinc().map_or_else(Code::default, |code| Code {
        system: LOINC_SYSTEM.to_owned(),
        code: code.to_owned(),
        display: measure.label().to_owned(),
    });
    let observation = Observation {
        id: id.clone(),
        code,
        category: String::new(),
        value: ObservationValue::Absent("withdrawn".to_owned()),
        measured: None,
        effective_at: value.effective_at,
        status: ObservationStatus::Withdrawn,
        device: None,
        encounter: None,
        provenance: value.provenance,
        issues: Vec::new(),
    };
    record(draft, batch, observation, Origin::Fhir);
}

/// The observations that are held for a FHIR resource.
pub(super) fn held_for(draft: &Draft<'_>, key: &ResourceKey) -> Vec<ObservationId> {
    let view = draft.view(Timeline::Present);
    let is_another_resource = |id: &ObservationId| {
        let other = ResourceKey { id: id.as_str().to_owned(), ..key.clone() };
        other != *key && draft.resource(&other).is_some()
    };
    Measure::ALL
        .iter()
        .flat_map(|measure| view.own(*measure))
        .map(|value| &value.observation)
        .filter(|id| crate::command::is_observation_of(&key.id, id) && !is_another_resource(id))
        .cloned()
        .collect()
}

fn known_value(draft: &Draft<'_>, id: &ObservationId) -> Option<(Measure, MeasuredValue)> {
    let measure = draft.measure_of(id)?;
    let view = draft.view(Timeline::Present);
    let value = view.own(measure).iter().rfind(|value| value.observation == *id)?;
    Some((measure, value.clone()))
}

/// Notes what scores, alerts and the surviving record have to know of an observation.
fn note(
    batch: &mut Batch,
    known: Option<(Measure, MeasuredValue)>,
    observation: &Observation,
    (now, future_dated): (schema_types::time::Timestamp, bool),
) {
    if let Some((measure, mut value)) = known {
        batch.touched.lost(measure);
        batch.lost.push(measure);
        batch.gained.retain(|(_, earlier)| earlier.observation != observation.id);
        if observation.measured.map(|(measure, _)| measure) != Some(measure) {
            value.effective_at = WITHDRAWN_AT;
            batch.outgoing.push((measure, value));
        }
    }
    if let Some((measure, value)) = observation.measured {
        let value = MeasuredValue {
            value,
            effective_at: observation.effective_at,
            recorded_at: now,
            observation: observation.id.clone(),
            future_dated,
            provenance: observation.provenance.clone(),
        };
        batch.touched.gained(measure, value.effective_at, future_dated);
        batch.outgoing.push((measure, value.clone()));
        batch.gained.push((measure, value));
    }
}

/// Stores an observation that did not arrive as FHIR, so that FHIR reads and searches find it. Its
/// version is the sequence number of its event: they grow without the live state counting them.
fn store(draft: &mut Draft<'_>, observation: &Observation) {
    let key =
        ResourceKey { resource_type: "Observation".to_owned(), id: observation.id.to_string() };
    let coded = |code: &str| Code { code: code.to_owned(), ..Code::default() };
    let status = match observation.status {
        ObservationStatus::Preliminary => "preliminary",
        ObservationStatus::Final => "final",
        ObservationStatus::Corrected => "corrected",
        ObservationStatus::Withdrawn => "entered-in-error",
    };
    let meta = ResourceMeta {
        key: key.clone(),
        version: draft.next_sequence(),
        updated_at: draft.context.now,
        deleted: false,
        digest: observation.provenance.message,
        date: Some(observation.effective_at),
        codes: vec![observation.code.clone()],
        categories: match observation.category.as_str() {
            "" => Vec::new(),
            category => vec![coded(category)],
        },
        status: status.to_owned(),
    };
    let body = ResourceBody::Observation(Box::new(observation.clone()));
    draft.push_effect(Effect::PutResource { meta, body });
    let ResourceKey { resource_type, id } = key;
    draft.push_effect(Effect::PutIndex(IndexEntry::Resource { resource_type, id }));
}

fn note_device(batch: &mut Batch, observation: &Observation, now: schema_types::time::Timestamp) {
    let Some(device) = &observation.device else { return };
    let summary = batch.seen.entry(device.clone()).or_insert_with(|| SampleSummary {
        samples: 0,
        sequence: None,
        device_time: observation.effective_at,
        received_at: now,
        // These times went through other systems and say nothing of the device's own clock.
        stored_and_forwarded: true,
        battery_percent: None,
        provenance: observation.provenance.clone(),
    });
    summary.samples = summary.samples.saturating_add(1);
    summary.device_time = summary.device_time.max(observation.effective_at);
}

/// Scores what was recorded, judges single values, and tells those who have to know.
pub(super) fn finish(draft: &mut Draft<'_>, mut batch: Batch, age_changed: bool) {
    scores::rescore(draft, &batch.touched, LATE_INSTANTS_MAX);
    if age_changed {
        scores::reinterpret(draft);
    }
    critical::judge_values(draft, &mut batch);
    if let Some((into, _)) = draft.work().merged_into.clone() {
        links::contribute(draft, &into, batch.outgoing);
    }
    for (device, summary) in batch.seen {
        let patient = draft.context.entity.clone();
        let notice = DeviceNotice::SamplesSeen { patient, summary };
        draft.send(&device, Notice::Device(notice));
    }
}
