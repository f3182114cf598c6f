//! Observations: recorded once, corrected and withdrawn, then scored together at the end of the
//! command. Values dated in the future are kept apart (PAT-4).

use super::draft::Draft;
use super::scores::{self, Touched};
use super::{Decided, Refusal, critical, links, person};
use crate::command::ObservationReport;
use crate::event::Event;
use crate::evolve::measures::{WITHDRAWN_AT, measured_value};
use crate::limits::{FUTURE_TOLERANCE_MICROS, LATE_INSTANTS_MAX, OBSERVATIONS_MAX};
use crate::state::is_known;
use crate::view::Timeline;
use actors_core::{Effect, IndexEntry, Notice};
use schema_types::clinical::{
    Code, Observation, ObservationStatus, ObservationValue, Provenance, ResourceKey,
};
use schema_types::device::{DeviceNotice, SampleSummary};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityId, ObservationId};
use schema_types::measure::{LOINC_SYSTEM, Measure};
use schema_types::patient::{MeasuredValue, Registration};
use schema_types::time::Timestamp;
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
    /// What the record into which this one was retired has to know, if it was.
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
    let held = draft.held(&observation.id);
    let known = held.map(|(measure, value)| (measure, value.clone()));
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
    let is_retired = draft.merged_into().is_some();
    note(batch, known, &observation, (now, future_dated, is_retired));
    let as_resource = origin != Origin::Fhir;
    if as_resource {
        let id = observation.id.clone();
        draft.push_effect(Effect::PutIndex(IndexEntry::Observation { id }));
    }
    if origin != Origin::Device {
        note_device(batch, &observation, now);
    }
    let observation = Box::new(observation);
    draft.emit(Event::ObservationRecorded {
        observation,
        recorded_at: now,
        future_dated,
        as_resource,
    });
    draft.changes().observations_recorded += 1;
}

/// Withdraws an observation of which only the value is held.
pub(super) fn withdraw(draft: &mut Draft<'_>, batch: &mut Batch, id: &ObservationId) {
    let Some((measure, value)) = draft.held(id) else { return };
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
        provenance: Provenance::from(&value.provenance),
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
        .flat_map(|measure| view.own(*measure).iter())
        .map(|value| &value.observation)
        .filter(|id| crate::command::is_observation_of(&key.id, id) && !is_another_resource(id))
        .cloned()
        .collect()
}

/// Notes what scores, alerts and the surviving record have to know of an observation.
fn note(
    batch: &mut Batch,
    known: Option<(Measure, MeasuredValue)>,
    observation: &Observation,
    (now, future_dated, is_retired): (Timestamp, bool, bool),
) {
    if let Some((measure, mut value)) = known {
        batch.touched.lost(measure);
        batch.lost.push(measure);
        batch.gained.retain(|(_, earlier)| earlier.observation != observation.id);
        if is_retired && observation.measured.map(|(measure, _)| measure) != Some(measure) {
            value.effective_at = WITHDRAWN_AT;
            batch.outgoing.push((measure, value));
        }
    }
    if let Some((measure, value)) = measured_value(observation, now, future_dated) {
        batch.touched.gained(measure, value.effective_at, future_dated);
        if is_retired {
            batch.outgoing.push((measure, value.clone()));
        }
        batch.gained.push((measure, value));
    }
}

fn note_device(batch: &mut Batch, observation: &Observation, now: Timestamp) {
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
    if let Some((into, _)) = draft.merged_into().cloned() {
        links::contribute(draft, &into, batch.outgoing);
    }
    for (device, summary) in batch.seen {
        let patient = draft.context.entity.clone();
        let notice = DeviceNotice::SamplesSeen { patient, summary };
        draft.send(&device, Notice::Device(notice));
    }
}
