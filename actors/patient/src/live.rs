//! The patient's row for live queries: newest values, scores, stay and alerts, as `schema_types::
//! live` names them. Made with every event, so it copies numbers and allocates once.

use crate::state::{State, is_known};
use crate::view::{Timeline, View};
use schema_types::clinical::EncounterClass;
use schema_types::ids::EntityId;
use schema_types::live::patient_slot::{self as slot, flag};
use schema_types::live::{BAND_BITS, packed_date, time_slot, value_slot};
use schema_types::measure::Measure;
use schema_types::patient::{
    AdministrativeSex, Demographics, Encounter, EncounterStatus, MeasuredValue, Registration,
    Severity,
};
use schema_types::time::Timestamp;
use schema_wire::live::RowWriter;

/// The row of a patient; none while nothing was ever said about the person. Future-dated and
/// withdrawn values are not in it; values of records retired into this one are (PAT-4, PAT-5).
#[must_use]
pub fn row(_entity: &EntityId, state: &State) -> Option<Vec<u8>> {
    if !is_known(state) {
        return None;
    }
    let mut newest = [None; Measure::ALL.len()];
    let observed_at = newest_values(state, &mut newest);
    let stay = open_stay(state);
    let begun_at = stay.and_then(|stay| stay.started_at);
    let base = observed_at.or(begun_at).unwrap_or_default();
    let mut row = RowWriter::new(base);
    for (measure, value) in Measure::ALL.iter().zip(newest) {
        let Some(value) = value else { continue };
        row.decimal(value_slot(*measure), value.value);
        row.time(time_slot(*measure), value.effective_at);
    }
    if let Some(at) = observed_at {
        row.time(slot::OBSERVED_AT, at);
    }
    row.count_u64(slot::OBSERVATIONS, state.observations_total);
    put_scores(&mut row, state);
    let mut flags = person_flags(state);
    put_person(&mut row, &state.demographics);
    flags |= put_alerts(&mut row, state);
    if let Some(stay) = stay {
        flags |= put_stay(&mut row, stay);
    }
    row.count(slot::FLAGS, flags);
    Some(row.finish())
}

/// The newest present value of each measure, and the time of the newest of all.
fn newest_values<'a>(
    state: &'a State,
    newest: &mut [Option<&'a MeasuredValue>; Measure::ALL.len()],
) -> Option<Timestamp> {
    if state.links.is_empty() {
        for (measure, values) in &state.measures {
            let is_shown = |value: &&MeasuredValue| {
                !value.future_dated && value.effective_at != Timestamp::MIN
            };
            newest[*measure as usize] = values.iter().rfind(is_shown);
        }
    } else {
        let view = View::of(state, Timeline::Present);
        for (place, measure) in newest.iter_mut().zip(Measure::ALL) {
            *place = view.newest_value(*measure, Timestamp::MAX);
        }
    }
    newest.iter().flatten().map(|value| value.effective_at).max()
}

fn put_scores(row: &mut RowWriter<'_>, state: &State) {
    let mut bands = 0;
    for (model, score) in &state.scores {
        let index = *model as u8;
        row.decimal(slot::MINIMA + index, score.minimum);
        row.decimal(slot::MAXIMA + index, score.maximum);
        row.time(slot::AS_OF + index, score.as_of);
        bands |= (u32::from(score.band.number()) + 1) << (BAND_BITS * index);
    }
    if bands != 0 {
        row.count(slot::BANDS, bands);
    }
}

fn person_flags(state: &State) -> u32 {
    let registration = match state.registration {
        Registration::Unknown => 0,
        Registration::Provisional => 1,
        Registration::Registered => 2,
    };
    let sex = match state.demographics.sex.value {
        None => 0,
        Some(AdministrativeSex::Female) => 1,
        Some(AdministrativeSex::Male) => 2,
        Some(AdministrativeSex::Other) => 3,
        Some(AdministrativeSex::Unknown) => 4,
    };
    (registration << flag::REGISTRATION)
        | (sex << flag::SEX)
        | (u32::from(state.demographics.deceased_at.value.is_some()) << flag::DECEASED)
        | (u32::from(state.merged_into.is_some()) << flag::MERGED)
}

fn put_person(row: &mut RowWriter<'_>, person: &Demographics) {
    if let Some(birth) = person.birth_date.value.as_ref().and_then(|text| date(text.expose())) {
        row.count(slot::BIRTH, birth);
    }
    if let Some(at) = person.deceased_at.value {
        row.time(slot::DECEASED_AT, at);
    }
}

/// An ISO 8601 date; without month or day as early as it can be, as models count ages.
fn date(text: &str) -> Option<u32> {
    let mut parts = text.splitn(3, '-');
    let year = parts.next()?.parse().ok()?;
    let month = parts.next().map_or(Some(1), |part| part.parse().ok())?;
    let day = parts.next().map_or(Some(1), |part| part.parse().ok())?;
    packed_date(year, month, day)
}

fn put_alerts(row: &mut RowWriter<'_>, state: &State) -> u32 {
    let count = u32::try_from(state.alerts.len()).unwrap_or(u32::MAX);
    row.count(slot::OPEN_ALERTS, count);
    let mut severity = 0;
    let mut oldest: Option<Timestamp> = None;
    for alert in state.alerts.values() {
        severity = severity.max(match alert.severity {
            Severity::Warning => 1,
            Severity::Critical => 2,
        });
        oldest = Some(oldest.map_or(alert.raised_at, |at| at.min(alert.raised_at)));
    }
    if let Some(at) = oldest {
        row.time(slot::OLDEST_ALERT_AT, at);
    }
    severity << flag::SEVERITY
}

/// The open stay: an inpatient one before others, then the one that began last.
fn open_stay(state: &State) -> Option<&Encounter> {
    let stays = state.encounters.values().map(Box::as_ref);
    let open = stays.filter(|stay: &&Encounter| stay.status == EncounterStatus::Open);
    open.max_by_key(|stay| (stay.class == EncounterClass::Inpatient, stay.started_at))
}

fn put_stay<'a>(row: &mut RowWriter<'a>, stay: &'a Encounter) -> u32 {
    if let Some(at) = stay.started_at {
        row.time(slot::ADMITTED_AT, at);
    }
    if let Some(location) = &stay.location {
        row.text(slot::FACILITY, &location.facility);
        row.text(slot::UNIT, &location.ward);
        row.text(slot::ROOM, &location.room);
        row.text(slot::BED, &location.bed);
    }
    let is_in_hospital = match stay.class {
        EncounterClass::Unknown | EncounterClass::Inpatient | EncounterClass::Emergency => true,
        EncounterClass::Outpatient | EncounterClass::PreAdmission | EncounterClass::Virtual => {
            false
        }
    };
    ((u32::from(stay.class.number()) + 1) << flag::CLASS)
        | (u32::from(is_in_hospital) << flag::IN_HOSPITAL)
}

#[cfg(test)]
#[path = "live_test.rs"]
mod tests;
