//! An Encounter resource as a stay: class, life, period and places.

use super::paths::{covered, text};
use crate::reference::Reference;
use crate::time::{interval, parse_date_time};
use schema_types::clinical::EncounterClass;
use schema_types::time::Timestamp;
use serde_json::Value;

/// What an Encounter says of the stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncounterFacts {
    /// The logical id, if it has one yet.
    pub id: Option<String>,
    /// Where the stay is in its life.
    pub lifecycle: EncounterLifecycle,
    /// The class.
    pub class: EncounterClass,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Places in the order sent.
    pub locations: Vec<StayLocation>,
}

/// `Encounter.status`, folded to what matters for a stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncounterLifecycle {
    /// `planned`.
    Planned,
    /// `arrived`, `triaged`, `in-progress`, `onleave`.
    Open,
    /// `finished`.
    Finished,
    /// `cancelled`, `entered-in-error`: it did not happen.
    Cancelled,
    /// `unknown`.
    Unknown,
}

/// One place of a stay.
#[derive(Clone, PartialEq, Eq)]
pub struct StayLocation {
    /// The Location resource.
    pub location: Reference,
    /// `Reference.display`; may be empty.
    pub display: String,
    /// From when.
    pub from: Option<Timestamp>,
    /// Until when.
    pub until: Option<Timestamp>,
}

impl std::fmt::Debug for StayLocation {
    /// Shows the form of the reference and the times only (PHI-1).
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?} {:?}..{:?}", self.location, self.from, self.until)
    }
}

pub(super) fn encounter(value: &Value) -> EncounterFacts {
    let (started_at, ended_at) = edges(value.get("period"));
    let places = value.get("location").and_then(Value::as_array);
    EncounterFacts {
        id: value.get("id").and_then(Value::as_str).map(str::to_owned),
        lifecycle: lifecycle(text(value, "status")),
        class: value
            .get("class")
            .map_or(EncounterClass::Unknown, |class| encounter_class(text(class, "code"))),
        started_at,
        ended_at,
        locations: places.into_iter().flatten().filter_map(stay_location).collect(),
    }
}

fn edges(period: Option<&Value>) -> (Option<Timestamp>, Option<Timestamp>) {
    let Some(period) = period else { return (None, None) };
    let start = covered(period).map(|covered| covered.begin);
    let end = parse_date_time(text(period, "end")).map(|stated| interval(stated).begin);
    (start.filter(|start| *start != Timestamp::MIN), end)
}

fn stay_location(place: &Value) -> Option<StayLocation> {
    let reference = place.get("location")?;
    let (from, until) = edges(place.get("period"));
    let location = Reference::from_value(reference)
        .unwrap_or_else(|| Reference::Other(text(reference, "display").to_owned()));
    Some(StayLocation { location, display: text(reference, "display").to_owned(), from, until })
}

fn lifecycle(status: &str) -> EncounterLifecycle {
    match status {
        "planned" => EncounterLifecycle::Planned,
        "arrived" | "triaged" | "in-progress" | "onleave" => EncounterLifecycle::Open,
        "finished" => EncounterLifecycle::Finished,
        "cancelled" | "entered-in-error" => EncounterLifecycle::Cancelled,
        _ => EncounterLifecycle::Unknown,
    }
}

/// HL7 v3 ActCode to class; observation and short stays occupy a bed and count as inpatient.
fn encounter_class(code: &str) -> EncounterClass {
    match code {
        "IMP" | "ACUTE" | "NONAC" | "OBSENC" | "SS" | "inpatient" => EncounterClass::Inpatient,
        "AMB" | "HH" | "FLD" | "outpatient" | "ambulatory" => EncounterClass::Outpatient,
        "EMER" | "emergency" => EncounterClass::Emergency,
        "PRENC" => EncounterClass::PreAdmission,
        "VR" | "virtual" => EncounterClass::Virtual,
        _ => EncounterClass::Unknown,
    }
}
