//! The patient view: who, where, newest values, scores, alerts and the record in short, from one
//! state of the patient, live or replayed.

use super::json::{
    alert, encounter_status, location, measured, optional_time, registration, score, score_of, time,
};
use crate::http::limits::SUMMARY_ITEMS_MAX;
use actors_core::stay::fold_stay;
use actors_patient::view::{Timeline, View, replayed, without_parts};
use schema_fhir::search::gender_code;
use schema_types::clinical::ResourceMeta;
use schema_types::history::Series;
use schema_types::ids::EntityId;
use schema_types::measure::Measure;
use schema_types::patient::{Alert, Demographics, PatientState};
use schema_types::phi::Phi;
use schema_types::score::Score;
use schema_types::time::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a view is made from.
pub(crate) struct Seen<'a> {
    pub(crate) patient: &'a EntityId,
    pub(crate) state: &'a PatientState,
    /// Scores at the instant; `None`: the current ones of the state.
    pub(crate) scores: Option<Vec<Score>>,
    /// The instant that the view is about; `None`: now.
    pub(crate) as_of: Option<Timestamp>,
    /// Up to when the journal was replayed; `None`: all of it.
    pub(crate) known_at: Option<Timestamp>,
    pub(crate) now: Timestamp,
}

impl Seen<'_> {
    /// The instant that ages are counted to.
    fn instant(&self) -> Timestamp {
        self.as_of.or(self.known_at).unwrap_or(self.now)
    }
}

/// The view as JSON.
pub(crate) fn summary(seen: &Seen<'_>) -> Value {
    let state = seen.state;
    let merged = state.merged_into.as_ref();
    json!({
        "patient": seen.patient.key(),
        "registration": registration(state.registration),
        "as_of": optional_time(seen.as_of),
        "known_at": optional_time(seen.known_at),
        "demographics": demographics(&state.demographics),
        "identifiers": identifiers(&state.demographics),
        "encounters": encounters(seen),
        "latest": latest(seen),
        "scores": scores(seen),
        "alerts": {
            "open": alerts(seen, state.alerts.values()),
            "recent": alerts(seen, state.resolved_alerts.iter()),
        },
        "records": records(seen),
        "devices": devices(seen),
        "links": links(seen),
        "merged_into": merged.map(|(into, since)| {
            json!({ "patient": into.key(), "since": time(*since) })
        }),
        "counts": {
            "observations": state.observations_total,
            "alerts": state.alerts_total,
            "encounters": state.encounters.len(),
            "resources": state.resources.values().filter(|meta| !meta.deleted).count(),
        },
    })
}

fn demographics(person: &Demographics) -> Value {
    let text = |value: &Option<Phi<String>>| value.as_ref().map(|text| text.expose().clone());
    let name = person.name.value.as_ref().map(Phi::expose);
    json!({
        "name": name.map(|name| json!({ "family": name.family, "given": name.given })),
        "birth_date": text(&person.birth_date.value),
        "sex": person.sex.value.map(gender_code),
        "address": text(&person.address.value),
        "phone": text(&person.phone.value),
        "deceased_at": optional_time(person.deceased_at.value),
    })
}

fn identifiers(person: &Demographics) -> Vec<Value> {
    let shown = |identifier: &schema_types::patient::Identifier| {
        json!({
            "system": identifier.system,
            "value": identifier.value.expose(),
            "type": identifier.type_code,
        })
    };
    person.identifiers.iter().map(shown).collect()
}

fn encounters(seen: &Seen<'_>) -> Vec<Value> {
    let mut shown = Vec::new();
    for (id, stay) in &seen.state.encounters {
        let instant = seen.as_of;
        let happened =
            stay.movements.iter().filter(|one| instant.is_none_or(|at| one.at <= at)).count();
        if happened == 0 {
            continue;
        }
        let folded = fold_stay(&stay.movements, instant);
        shown.push(json!({
            "id": id.as_str(),
            "status": encounter_status(folded.status),
            "class": folded.class.label(),
            "location": folded.location.as_ref().map(location),
            "started_at": optional_time(folded.started_at),
            "ended_at": optional_time(folded.ended_at),
            "movements": happened,
        }));
    }
    shown
}

fn latest(seen: &Seen<'_>) -> Vec<Value> {
    let present = View::of(seen.state, Timeline::Present);
    let future = View::of(seen.state, Timeline::Future);
    let until = seen.as_of.unwrap_or(Timestamp::MAX);
    let mut shown = Vec::new();
    for measure in Measure::ALL {
        // A value from the future is shown, marked, beside the one that counts.
        for view in [&present, &future] {
            if let Some(value) = view.newest_value(*measure, until) {
                shown.push(measured(*measure, value, seen.instant()));
            }
        }
    }
    shown
}

fn scores(seen: &Seen<'_>) -> Vec<Value> {
    match &seen.scores {
        Some(scores) => scores.iter().map(score).collect(),
        None => {
            let replay =
                |result| replayed(seen.state, result).unwrap_or_else(|| without_parts(result));
            let current = seen.state.scores.values();
            current.map(|result| score_of(&replay(result), result.complete)).collect()
        }
    }
}

fn alerts<'a>(seen: &Seen<'_>, list: impl Iterator<Item = &'a Alert>) -> Vec<Value> {
    list.filter(|one| seen.as_of.is_none_or(|at| one.raised_at <= at))
        .map(|one| alert(seen.patient, one))
        .collect()
}

/// Conditions, medications and all else that is kept, the newest of each type.
fn records(seen: &Seen<'_>) -> Value {
    let mut by_type: BTreeMap<&str, Vec<&ResourceMeta>> = BTreeMap::new();
    let begun = |meta: &&ResourceMeta| {
        !meta.deleted && seen.as_of.is_none_or(|at| meta.date.is_none_or(|date| date <= at))
    };
    for meta in seen.state.resources.values().filter(begun) {
        by_type.entry(meta.key.resource_type.as_str()).or_default().push(meta);
    }
    let mut shown = Map::new();
    for (resource_type, mut metas) in by_type {
        let total = metas.len();
        metas.sort_by(|one, other| other.date.cmp(&one.date).then(one.key.cmp(&other.key)));
        let items: Vec<Value> =
            metas.into_iter().take(SUMMARY_ITEMS_MAX).map(record_item).collect();
        shown.insert(resource_type.to_owned(), json!({ "total": total, "items": items }));
    }
    Value::Object(shown)
}

fn record_item(meta: &ResourceMeta) -> Value {
    let code = meta.codes.first();
    json!({
        "type": meta.key.resource_type,
        "id": meta.key.id,
        "code": code.map(|code| code.code.as_str()),
        "display": code.map(|code| code.display.as_str()),
        "status": meta.status,
        "date": optional_time(meta.date),
        "version": meta.version,
    })
}

fn devices(seen: &Seen<'_>) -> Vec<Value> {
    let devices = seen.state.devices.iter();
    devices
        .filter(|(_, since)| seen.as_of.is_none_or(|at| **since <= at))
        .map(|(device, since)| json!({ "device": device.key(), "since": time(*since) }))
        .collect()
}

fn links(seen: &Seen<'_>) -> Vec<Value> {
    let links = seen.state.links.iter();
    links
        .map(|(retired, link)| {
            let values: usize = link.contributions.values().map(Series::len).sum();
            json!({
                "retired": retired.key(),
                "since": time(link.since),
                "contributed_values": values,
                "source": link.provenance.source.as_str(),
            })
        })
        .collect()
}
