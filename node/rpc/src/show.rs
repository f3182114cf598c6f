//! From words to answers: states, scores, alerts and explanations as `rpc.capnp` writes them.

use crate::access::Fields;
use actors_patient::command::{ExplainedInput, Explanation};
use schema_types::Decimal;
use schema_types::clinical::Location;
use schema_types::ids::{EncounterId, EntityId};
use schema_types::measure::Measure;
use schema_types::patient::{
    AdministrativeSex, Alert, AlertCondition, AlertStatus, Demographics, Encounter,
    EncounterStatus, MeasuredValue, PatientState, Registration, Severity,
};
use schema_types::score::{Missing, ScorePart, ScoreResult};
use schema_types::time::Timestamp;
use schema_wire::rpc_capnp::{self as wire, Field};

/// The length of a list. Every list that is written was bounded before.
pub(crate) fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

pub(crate) fn decimal(mut builder: wire::decimal::Builder<'_>, value: Decimal) {
    let magnitude = value.mantissa().unsigned_abs();
    builder.set_low(u64::try_from(magnitude & u128::from(u64::MAX)).unwrap_or(0));
    builder.set_high(u32::try_from(magnitude >> 64).unwrap_or(0));
    builder.set_scale(u8::try_from(value.scale()).unwrap_or(0));
    builder.set_is_negative(value.is_sign_negative() && magnitude != 0);
}

pub(crate) fn score(mut builder: wire::score::Builder<'_>, score: &ScoreResult) {
    builder.set_model(score.model.label());
    builder.set_model_version(score.model_version);
    builder.set_as_of_unix_micros(score.as_of.unix_micros());
    decimal(builder.reborrow().init_minimum(), score.minimum);
    decimal(builder.reborrow().init_maximum(), score.maximum);
    builder.set_band(score.band.label());
    builder.set_is_complete(score.complete);
}

/// The short name of a condition; a silent device is named beside it.
pub(crate) fn condition(condition: &AlertCondition) -> String {
    match condition {
        AlertCondition::Score(model) => model.label().to_owned(),
        AlertCondition::CriticalValue(measure) => format!("critical-{}", measure.label()),
        AlertCondition::DeviceSilent(_) => "device-silent".to_owned(),
    }
}

pub(crate) fn alert(mut builder: wire::alert::Builder<'_>, alert: &Alert) {
    builder.set_id(alert.id.as_str());
    builder.set_condition(&condition(&alert.condition)[..]);
    builder.set_severity(match alert.severity {
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    });
    builder.set_status(match alert.status {
        AlertStatus::Active => "active",
        AlertStatus::Escalated => "escalated",
        AlertStatus::Acknowledged => "acknowledged",
        AlertStatus::Resolved => "resolved",
    });
    builder.set_observed_at_unix_micros(alert.observed_at.unix_micros());
    builder.set_raised_at_unix_micros(alert.raised_at.unix_micros());
    builder.set_changed_at_unix_micros(alert.changed_at.unix_micros());
    decimal(builder.reborrow().init_trigger(), alert.trigger);
    if let Some(observation) = &alert.observation {
        builder.set_observation(observation.as_str());
    }
    if let Some(principal) = &alert.acknowledged_by {
        builder.set_acknowledged_by(principal.as_str());
    }
    builder.set_escalations(alert.escalations);
    builder.set_suppressed(alert.suppressed);
    if let AlertCondition::DeviceSilent(device) = &alert.condition {
        builder.set_device(device.key());
    }
}

pub(crate) fn registration(registration: Registration) -> &'static str {
    match registration {
        Registration::Unknown => "unknown",
        Registration::Provisional => "provisional",
        Registration::Registered => "registered",
    }
}

/// A state as far as it was asked for.
pub(crate) fn state(
    mut builder: wire::live_state::Builder<'_>,
    (patient, state): (&EntityId, &PatientState),
    fields: Fields,
    now: Timestamp,
) {
    builder.set_patient(patient.key());
    builder.set_registration(registration(state.registration));
    builder.set_answered_at_unix_micros(now.unix_micros());
    builder.set_observations_total(state.observations_total);
    if fields.has(Field::Demographics) {
        demographics(builder.reborrow().init_demographics(), &state.demographics);
    }
    if fields.has(Field::Vitals) {
        let newest = state.measures.values().filter(|values| !values.is_empty()).count();
        let mut vitals = builder.reborrow().init_vitals(count(newest));
        let values = state.measures.iter().filter_map(|(one, all)| Some((one, newest_of(all)?)));
        for (place, (measure, value)) in (0..).zip(values) {
            vital(vitals.reborrow().get(place), *measure, value);
        }
    }
    if fields.has(Field::Scores) {
        let mut scores = builder.reborrow().init_scores(count(state.scores.values().count()));
        for (place, one) in (0..).zip(state.scores.values()) {
            score(scores.reborrow().get(place), one);
        }
    }
    if fields.has(Field::Alerts) {
        let mut alerts = builder.reborrow().init_alerts(count(state.alerts.len()));
        for (place, one) in (0..).zip(state.alerts.values()) {
            alert(alerts.reborrow().get(place), one);
        }
    }
    if fields.has(Field::Stays) {
        let mut stays = builder.reborrow().init_stays(count(state.encounters.len()));
        for (place, (id, one)) in (0..).zip(&state.encounters) {
            stay(stays.reborrow().get(place), id, one);
        }
    }
    if fields.has(Field::Devices) {
        let mut devices = builder.init_devices(count(state.devices.len()));
        for (place, device) in (0..).zip(state.devices.keys()) {
            devices.set(place, device.key());
        }
    }
}

fn newest_of<'a>(values: impl IntoIterator<Item = &'a MeasuredValue>) -> Option<&'a MeasuredValue> {
    values.into_iter().last()
}

fn vital(mut builder: wire::vital::Builder<'_>, measure: Measure, value: &MeasuredValue) {
    builder.set_measure(measure.label());
    decimal(builder.reborrow().init_value(), value.value);
    builder.set_unit(measure.unit());
    builder.set_effective_at_unix_micros(value.effective_at.unix_micros());
    builder.set_recorded_at_unix_micros(value.recorded_at.unix_micros());
    builder.set_observation(value.observation.as_str());
    builder.set_is_future_dated(value.future_dated);
}

fn demographics(mut builder: wire::demographics::Builder<'_>, person: &Demographics) {
    if let Some(name) = &person.name.value {
        let name = name.expose();
        builder.set_family(&name.family[..]);
        let mut given = builder.reborrow().init_given(count(name.given.len()));
        for (place, one) in (0..).zip(&name.given) {
            given.set(place, &one[..]);
        }
    }
    if let Some(birth_date) = &person.birth_date.value {
        builder.set_birth_date(&birth_date.expose()[..]);
    }
    if let Some(sex) = person.sex.value {
        builder.set_sex(match sex {
            AdministrativeSex::Female => "female",
            AdministrativeSex::Male => "male",
            AdministrativeSex::Other => "other",
            AdministrativeSex::Unknown => "unknown",
        });
    }
}

fn stay(mut builder: wire::stay::Builder<'_>, id: &EncounterId, stay: &Encounter) {
    builder.set_id(id.as_str());
    builder.set_status(match stay.status {
        EncounterStatus::Planned => "planned",
        EncounterStatus::Open => "open",
        EncounterStatus::Discharged => "discharged",
        EncounterStatus::Cancelled => "cancelled",
    });
    builder.set_class(stay.class.label());
    if let Some(place) = &stay.location {
        location(builder.reborrow().init_location(), place);
    }
    builder.set_started_at_unix_micros(stay.started_at.map_or(0, Timestamp::unix_micros));
    builder.set_ended_at_unix_micros(stay.ended_at.map_or(0, Timestamp::unix_micros));
}

pub(crate) fn location(mut builder: wire::location::Builder<'_>, location: &Location) {
    builder.set_facility(&location.facility[..]);
    builder.set_ward(&location.ward[..]);
    builder.set_room(&location.room[..]);
    builder.set_bed(&location.bed[..]);
}

pub(crate) fn explanation(mut builder: wire::explanation::Builder<'_>, explanation: &Explanation) {
    score(builder.reborrow().init_score(), &explanation.score.result(false));
    let parts = &explanation.score.parts;
    let mut shown = builder.init_parts(count(parts.len()));
    for (place, one) in (0..).zip(parts) {
        part(shown.reborrow().get(place), one, &explanation.inputs);
    }
}

fn part(
    mut builder: wire::score_part::Builder<'_>,
    part: &ScorePart,
    explained: &[ExplainedInput],
) {
    builder.set_parameter(part.parameter);
    let mut outcome = builder.reborrow().init_outcome();
    match part.points {
        Ok(points) => outcome.set_points(points),
        Err(Missing::Absent) => outcome.set_missing("absent"),
        Err(Missing::Stale) => outcome.set_missing("stale"),
    }
    let mut inputs = builder.init_inputs(count(part.inputs.len()));
    for (place, one) in (0..).zip(&part.inputs) {
        let mut input = inputs.reborrow().get(place);
        input.set_measure(one.measure.label());
        decimal(input.reborrow().init_value(), one.value);
        input.set_observed_at_unix_micros(one.observed_at.unix_micros());
        input.set_observation(one.observation.as_str());
        let origin = explained.iter().find(|input| {
            input.parameter == part.parameter && input.observation == one.observation
        });
        if let Some(origin) = origin {
            input.set_age_micros(origin.age_micros);
            if let Some(provenance) = &origin.provenance {
                input.set_source(provenance.source.as_str());
            }
        }
    }
}
