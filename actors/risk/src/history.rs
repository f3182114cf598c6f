//! What a model may see of a patient: the newest value of a measure, values of a window, and
//! whether the newest one is still fresh. Which values are usable (not withdrawn, not
//! future-dated next to present ones) is the caller's decision and not made here.

use crate::part::Input;
use schema_types::measure::Measure;
use schema_types::patient::MeasuredValue;
use schema_types::score::Missing;
use schema_types::time::Timestamp;
use std::collections::{BTreeMap, VecDeque};

/// The values of one patient that may be scored.
pub trait History {
    /// The newest usable value of a measure at or before `as_of`.
    fn newest(&self, measure: Measure, as_of: Timestamp) -> Option<&MeasuredValue>;

    /// The usable values in (from, to], oldest first.
    fn between(
        &self,
        measure: Measure,
        from: Timestamp,
        to: Timestamp,
    ) -> Box<dyn Iterator<Item = &MeasuredValue> + '_>;
}

/// Values per measure, each series oldest first, as `PatientState::measures` holds them; every one
/// counts as usable. Of two values of one instant the later one in the list is the newest.
impl History for BTreeMap<Measure, VecDeque<MeasuredValue>> {
    fn newest(&self, measure: Measure, as_of: Timestamp) -> Option<&MeasuredValue> {
        let values = self.get(&measure)?;
        values.iter().rev().find(|value| value.effective_at <= as_of)
    }

    fn between(
        &self,
        measure: Measure,
        from: Timestamp,
        to: Timestamp,
    ) -> Box<dyn Iterator<Item = &MeasuredValue> + '_> {
        let inside = move |at: Timestamp| from < at && at <= to;
        let values = self.get(&measure).into_iter().flatten();
        Box::new(values.filter(move |value| inside(value.effective_at)))
    }
}

/// The newest value of a measure, by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading<'a> {
    /// Not older than [`Measure::validity_micros`].
    Fresh(&'a MeasuredValue),
    /// Older than its validity: named in the result, never scored.
    Stale(&'a MeasuredValue),
    /// Never observed, or implausible.
    Absent,
}

impl<'a> Reading<'a> {
    /// The value, whatever its age.
    #[must_use]
    pub const fn value(self) -> Option<&'a MeasuredValue> {
        match self {
            Self::Fresh(value) | Self::Stale(value) => Some(value),
            Self::Absent => None,
        }
    }

    /// The value if it is fresh.
    ///
    /// # Errors
    /// Why it cannot be scored.
    pub const fn fresh(self) -> Result<&'a MeasuredValue, Missing> {
        match self {
            Self::Fresh(value) => Ok(value),
            Self::Stale(_) => Err(Missing::Stale),
            Self::Absent => Err(Missing::Absent),
        }
    }
}

/// A history seen from one instant.
#[derive(Clone, Copy)]
pub struct Observed<'a> {
    history: &'a dyn History,
    as_of: Timestamp,
}

impl<'a> Observed<'a> {
    /// Looks at `history` as it was at `as_of`.
    #[must_use]
    pub fn new(history: &'a dyn History, as_of: Timestamp) -> Self {
        Self { history, as_of }
    }

    /// The instant from which the history is seen.
    #[must_use]
    pub const fn as_of(&self) -> Timestamp {
        self.as_of
    }

    /// The newest value of a measure. A value of exactly the age of its validity is fresh. An
    /// implausible one, which the history should have left out, is absent and never scored.
    #[must_use]
    pub fn reading(&self, measure: Measure) -> Reading<'a> {
        match self.history.newest(measure, self.as_of) {
            Some(value) if measure.is_plausible(value.value) => {
                let age_micros = self.as_of.micros_since(value.effective_at);
                let is_valid = age_micros <= measure.validity_micros();
                if is_valid || node_env::planted!("score-uses-stale-value") {
                    Reading::Fresh(value)
                } else {
                    Reading::Stale(value)
                }
            }
            Some(_) | None => Reading::Absent,
        }
    }

    /// The plausible values in (from, to], oldest first. `to` is not after the instant of view.
    pub fn window(
        &self,
        measure: Measure,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Iterator<Item = &'a MeasuredValue> {
        let to = to.min(self.as_of);
        let values = self.history.between(measure, from, to);
        values.filter(move |value| measure.is_plausible(value.value))
    }
}

/// The record of a value's use.
pub(crate) const fn input(measure: Measure, value: &MeasuredValue) -> Input<'_> {
    Input { measure, value }
}
