//! The values of one patient as its journal tells them, without the bounds of a live record.

use schema_types::Decimal;
use schema_types::clinical::{Observation, ObservationStatus};
use schema_types::ids::ObservationId;
use schema_types::measure::Measure;
use schema_types::patient::{FieldUpdate, PatientEvent};
use schema_types::time::{MICROS_PER_DAY, Timestamp};
use std::collections::BTreeMap;

/// Values by measure, time and observation: of two at one instant the greater id is newer.
#[derive(Debug, Clone, Default)]
pub struct Values {
    by_measure: BTreeMap<Measure, BTreeMap<(Timestamp, ObservationId), Decimal>>,
    place: BTreeMap<ObservationId, (Measure, Timestamp)>,
    beyond: Option<&'static str>,
}

impl Values {
    /// Takes an event into account.
    pub fn take(&mut self, event: &PatientEvent) {
        if let PatientEvent::ObservationRecorded { observation, future_dated, .. } = event {
            self.take_observation(observation, *future_dated);
        } else if let PatientEvent::DemographicsStated { patch, stated_at, .. } = event {
            if let FieldUpdate::Set(born) = &patch.birth_date
                && !is_grown(born.expose(), *stated_at)
            {
                self.beyond = Some("may be a child, for whom other limits hold");
            }
        } else if matches!(event, PatientEvent::LinkAdded { .. } | PatientEvent::LinkRemoved { .. })
        {
            self.beyond = Some("was joined with another record");
        }
    }

    fn take_observation(&mut self, observation: &Observation, future_dated: bool) {
        if future_dated {
            self.beyond = Some("holds values that are dated in the future");
        }
        self.forget(&observation.id);
        let is_withdrawn = observation.status == ObservationStatus::Withdrawn;
        if let Some((measure, value)) = observation.measured.filter(|_| !is_withdrawn) {
            self.put(measure, value, observation.effective_at, &observation.id);
        }
    }

    fn forget(&mut self, id: &ObservationId) {
        if let Some((measure, at)) = self.place.remove(id)
            && let Some(values) = self.by_measure.get_mut(&measure)
        {
            values.remove(&(at, id.clone()));
        }
    }

    fn put(&mut self, measure: Measure, value: Decimal, at: Timestamp, id: &ObservationId) {
        self.place.insert(id.clone(), (measure, at));
        self.by_measure.entry(measure).or_default().insert((at, id.clone()), value);
    }

    /// Why nothing can be said of this patient by what is known here.
    #[must_use]
    pub const fn beyond(&self) -> Option<&'static str> {
        self.beyond
    }

    /// The newest value of a measure at an instant, with its time.
    #[must_use]
    pub fn newest(&self, measure: Measure, as_of: Timestamp) -> Option<(Timestamp, Decimal)> {
        let values = self.by_measure.get(&measure)?;
        let mut newest_first = values.iter().rev();
        let ((at, _), value) = newest_first.find(|((at, _), _)| *at <= as_of)?;
        Some((*at, *value))
    }

    /// The newest value of a measure at an instant if it may still be used.
    #[must_use]
    pub fn fresh(&self, measure: Measure, as_of: Timestamp) -> Option<Decimal> {
        let (at, value) = self.newest(measure, as_of)?;
        let is_fresh = as_of.micros_since(at) <= measure.validity_micros();
        (is_fresh && measure.is_plausible(value)).then_some(value)
    }
}

/// Years by which a person is an adult at every time that a run may speak of.
const GROWN_YEARS: i64 = 20;
const MICROS_PER_YEAR: i64 = 365 * MICROS_PER_DAY + MICROS_PER_DAY / 4;

/// Whether somebody who was born on an ISO 8601 date is certainly an adult.
fn is_grown(born: &str, at: Timestamp) -> bool {
    let year = 1970 + at.unix_micros() / MICROS_PER_YEAR;
    born.get(..4)
        .and_then(|text| text.parse().ok())
        .is_some_and(|born: i64| year - born > GROWN_YEARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_certainly_grown_count_as_grown() {
        let at = Timestamp::from_unix_seconds(1_770_000_000);
        let cases = [("1970-01-01", true), ("2004", true), ("2006-02-03", false), ("", false)];
        for (born, expected) in cases {
            assert_eq!(is_grown(born, at), expected, "{born}");
        }
    }
}
