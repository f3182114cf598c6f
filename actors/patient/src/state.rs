//! The live state of a patient, as `schema_types` names it, with what can be read from it directly:
//! whether the patient is known, and labels of alerts. Only `evolve` changes it.

use schema_types::patient::{AlertCondition, Registration};

pub use schema_types::patient::PatientState as State;

/// Whether anything was ever said about this patient, or by a link.
#[must_use]
pub fn is_known(state: &State) -> bool {
    state.registration != Registration::Unknown
        || !state.links.is_empty()
        || state.merged_into.is_some()
}

/// Whether there is a person to show: registered, or described by the results that named them. A
/// record that only a reference names has nothing to show.
#[must_use]
pub fn has_person(state: &State) -> bool {
    match state.registration {
        Registration::Registered => true,
        Registration::Provisional => {
            state.demographics.name.value.is_some() || state.demographics.birth_date.value.is_some()
        }
        Registration::Unknown => false,
    }
}

/// Short name of a condition: unique within a patient, in the FHIR id alphabet except for the hash
/// of a device. Used in alert ids, timer names and queries; holds no patient data.
#[must_use]
pub fn condition_label(condition: &AlertCondition) -> String {
    match condition {
        AlertCondition::Score(model) => model.label().to_owned(),
        AlertCondition::CriticalValue(measure) => format!("critical-{}", measure.label()),
        AlertCondition::DeviceSilent(device) => format!("device-silent-{:016x}", device.hash()),
    }
}

/// The name of the timer that escalates an alert of this condition.
#[must_use]
pub fn timer_name(condition: &AlertCondition) -> String {
    format!("{TIMER_PREFIX}{}", condition_label(condition))
}

/// How the names of escalation timers begin.
pub(crate) const TIMER_PREFIX: &str = "alert/";
