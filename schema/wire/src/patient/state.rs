//! Conversions of the live state of a patient.

use super::alert::{read_alert, read_alert_entry, write_alert, write_alert_entry};
use super::event::{
    read_device_change, read_record_and_time, write_device_change, write_record_and_time,
};
use super::measured::{
    read_measure_values, read_result, read_score, write_measure_values, write_result,
};
use super::person::{read_demographics, read_registration, registration, write_demographics};
use crate::common::clinical::{
    encounter_class, read_encounter_class, read_location, read_movement, read_resource_entry,
    write_location, write_movement, write_resource_entry,
};
use crate::common::{
    list_length, mirrored_enum, optional_instant, put_instant, put_list, read_entity, read_list,
    read_map, read_provenance, read_text, write_entity, write_provenance,
};
use crate::error::WireError;
use crate::patient_capnp as wire;
use schema_types::history::{Measures, Series};
use schema_types::ids::{EncounterId, EntityId};
use schema_types::measure::Measure;
use schema_types::patient::{Encounter, EncounterStatus, Link, PatientState};
use schema_types::score::{Score, Scores};
use schema_types::time::Timestamp;
use std::collections::BTreeMap;

mirrored_enum!(strict encounter_status, read_encounter_status, EncounterStatus,
    wire::EncounterStatus, "encounter status", [Planned, Open, Discharged, Cancelled]);

/// Words that the state of most patients does not exceed before it is canonical.
pub(super) fn draft_words(state: &PatientState) -> u32 {
    const BASE_WORDS: usize = 256;
    const PART_WORDS: usize = 48;
    const PARTS_MAX: usize = 100_000;
    let contributed = state.links.values().flat_map(|link| link.contributions.values());
    let values: usize = state.measures.values().chain(contributed).map(Series::len).sum();
    let movements: usize = state.encounters.values().map(|stay| 1 + stay.movements.len()).sum();
    let alerts = state.alerts.len() + state.resolved_alerts.len();
    let parts = values + movements + alerts + state.resources.len() + state.devices.len();
    u32::try_from(BASE_WORDS + PART_WORDS * parts.min(PARTS_MAX)).unwrap_or(u32::MAX)
}

pub(super) fn write_state(mut builder: wire::patient_state::Builder<'_>, state: &PatientState) {
    builder.set_registration(registration(state.registration));
    write_demographics(builder.reborrow().init_demographics(), &state.demographics);
    put_list!(builder.init_encounters, &state.encounters, write_encounter);
    put_list!(builder.init_measures, &*state.measures, write_measure_values);
    builder.set_observations_total(state.observations_total);
    put_list!(builder.init_alerts, &state.alerts, write_alert_entry);
    put_list!(builder.init_resolved_alerts, &state.resolved_alerts, write_alert);
    builder.set_alerts_total(state.alerts_total);
    put_list!(builder.init_resources, &state.resources, write_resource_entry);
    put_list!(builder.init_devices, &state.devices, write_device_change);
    put_list!(builder.init_links, &state.links, write_link);
    if let Some((into, since)) = &state.merged_into {
        write_record_and_time(builder.reborrow().init_merged_into(), into, *since);
    }
    if !state.scores.is_empty() {
        let mut results = builder.init_results(list_length(state.scores.len()));
        for (index, result) in (0..).zip(state.scores.values()) {
            write_result(results.reborrow().get(index), result);
        }
    }
}

pub(super) fn read_state(
    reader: wire::patient_state::Reader<'_>,
) -> Result<PatientState, WireError> {
    let merged_into =
        reader.has_merged_into().then(|| read_record_and_time(reader.get_merged_into()?));
    let measures: Measures =
        read_map(reader.get_measures(), read_measure_values, "measure")?.into_iter().collect();
    let links = read_map(reader.get_links(), read_link, "link")?;
    let mut results = read_list(reader.get_results(), read_result)?;
    for score in read_list(reader.get_obsolete5(), read_score)? {
        results.push(score.result(is_from_the_future(&score, &measures, &links)));
    }
    let scores: Scores = results.iter().copied().collect();
    if scores.len() != results.len() {
        return Err(WireError::Repeated("score"));
    }
    Ok(PatientState {
        registration: read_registration(reader.get_registration())?,
        demographics: read_demographics(reader.get_demographics()?)?,
        encounters: read_map(reader.get_encounters(), read_encounter, "encounter")?,
        measures,
        observations_total: reader.get_observations_total(),
        scores,
        alerts: read_map(reader.get_alerts(), read_alert_entry, "alert")?,
        resolved_alerts: read_list(reader.get_resolved_alerts(), read_alert)?,
        alerts_total: reader.get_alerts_total(),
        resources: read_map(reader.get_resources(), read_resource_entry, "resource")?,
        devices: read_map(reader.get_devices(), read_device_change, "device")?,
        links,
        merged_into: merged_into.transpose()?,
    })
}

/// What earlier versions did not store: a score is one of the future when an input is.
fn is_from_the_future(
    score: &Score,
    measures: &Measures,
    links: &BTreeMap<EntityId, Link>,
) -> bool {
    let contributed = |measure: Measure| {
        links.values().filter_map(move |link| link.contributions.get(&measure)).flatten()
    };
    score.parts.iter().flat_map(|part| &part.inputs).any(|input| {
        let own = measures.get(&input.measure).into_iter().flatten();
        own.chain(contributed(input.measure)).any(|value| {
            value.future_dated
                && value.effective_at == input.observed_at
                && value.observation == input.observation
        })
    })
}

#[expect(clippy::borrowed_box, reason = "that is what the map gives")]
fn write_encounter(
    mut builder: wire::encounter::Builder<'_>,
    (id, encounter): (&EncounterId, &Box<Encounter>),
) {
    builder.set_id(id.as_str());
    put_list!(builder.init_movements, &encounter.movements, write_movement);
    builder.set_status(encounter_status(encounter.status));
    builder.set_class(encounter_class(encounter.class));
    if let Some(location) = &encounter.location {
        write_location(builder.reborrow().init_location(), location);
    }
    put_instant!(builder.init_started_at, encounter.started_at);
    put_instant!(builder.init_ended_at, encounter.ended_at);
}

fn read_encounter(
    reader: wire::encounter::Reader<'_>,
) -> Result<(EncounterId, Box<Encounter>), WireError> {
    use wire::encounter::{ended_at, started_at};
    let location = reader.has_location().then(|| read_location(reader.get_location()));
    let started = reader.get_started_at();
    let ended = reader.get_ended_at();
    let encounter = Encounter {
        movements: read_list(reader.get_movements(), read_movement)?,
        status: read_encounter_status(reader.get_status())?,
        class: read_encounter_class(reader.get_class())?,
        location: location.transpose()?,
        started_at: optional_instant!(started_at::Which, started, "encounter start"),
        ended_at: optional_instant!(ended_at::Which, ended, "encounter end"),
    };
    Ok((EncounterId::new(read_text(reader.get_id())?), Box::new(encounter)))
}

fn write_link(mut builder: wire::link::Builder<'_>, (other, link): (&EntityId, &Link)) {
    write_entity(builder.reborrow().init_other(), other);
    builder.set_since_unix_micros(link.since.unix_micros());
    write_provenance(builder.reborrow().init_provenance(), &link.provenance);
    put_list!(builder.init_contributions, &link.contributions, write_measure_values);
}

fn read_link(reader: wire::link::Reader<'_>) -> Result<(EntityId, Link), WireError> {
    let contributions =
        read_map(reader.get_contributions(), read_measure_values, "contributed measure")?;
    let link = Link {
        since: Timestamp::from_unix_micros(reader.get_since_unix_micros()),
        provenance: read_provenance(reader.get_provenance())?,
        contributions,
    };
    Ok((read_entity(reader.get_other())?, link))
}
