//! The values of a patient in memory: one series per measure, and a small index that answers
//! whether an observation may be held without looking at every value. Bounds and what a value means
//! are not decided here.

use crate::ids::ObservationId;
use crate::measure::Measure;
use crate::patient::MeasuredValue;
use crate::time::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::VecDeque;
use std::collections::btree_map::{self, BTreeMap};
use std::ops::Deref;

/// Values of one measure, oldest first. A ring: the oldest one leaves without moving the others.
pub type Series = VecDeque<MeasuredValue>;

/// The canonical order of values; of two at one instant the greater id counts as newer.
#[must_use]
pub fn value_order(value: &MeasuredValue) -> (Timestamp, &ObservationId) {
    (value.effective_at, &value.observation)
}

/// Puts a value at its place. Short series take no more memory than they need.
pub fn insert_in_order(series: &mut Series, value: MeasuredValue) {
    if series.len() == series.capacity() {
        series.reserve_exact(1 + series.len() / 4);
    }
    if series.back().is_none_or(|last| value_order(last) < value_order(&value)) {
        series.push_back(value);
    } else {
        let place = series.partition_point(|one| value_order(one) < value_order(&value));
        series.insert(place, value);
    }
}

/// Values per measure, read like a map. No series is empty.
#[derive(Debug, Clone, Default)]
pub struct Measures {
    series: BTreeMap<Measure, Series>,
    index: Index,
}

/// What is known of all values held without looking at them; it follows from them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// [`fingerprint`] of every observation held, sorted.
    fingerprints: Vec<u32>,
    /// How many values are future-dated.
    future_dated: usize,
}

impl Index {
    fn note(&mut self, value: &MeasuredValue) {
        let print = fingerprint(&value.observation);
        let place = self.fingerprints.partition_point(|one| *one < print);
        self.fingerprints.insert(place, print);
        self.future_dated += usize::from(value.future_dated);
    }

    /// Whether any value is future-dated.
    #[must_use]
    pub const fn has_future_dated(&self) -> bool {
        self.future_dated > 0
    }

    /// A value is no longer held.
    pub fn forget(&mut self, value: &MeasuredValue) {
        if let Ok(place) = self.fingerprints.binary_search(&fingerprint(&value.observation)) {
            self.fingerprints.remove(place);
            self.future_dated = self.future_dated.saturating_sub(usize::from(value.future_dated));
        }
    }
}

/// FNV-1a over the text of the id, folded to 32 bits: the same everywhere (DET-1).
fn fingerprint(id: &ObservationId) -> u32 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = id.as_str().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, mix);
    let [a, b, c, d, e, f, g, h] = hash.to_le_bytes();
    u32::from_le_bytes([a ^ e, b ^ f, c ^ g, d ^ h])
}

impl Measures {
    /// Whether an observation may be held: `false` is certain, `true` is nearly always right.
    #[must_use]
    pub fn may_hold(&self, id: &ObservationId) -> bool {
        self.index.fingerprints.binary_search(&fingerprint(id)).is_ok()
    }

    /// The measure and value of an observation, if it is held.
    #[must_use]
    pub fn find(&self, id: &ObservationId) -> Option<(Measure, &MeasuredValue)> {
        if !self.may_hold(id) {
            return None;
        }
        self.series.iter().find_map(|(measure, series)| {
            let found = series.iter().rfind(|value| value.observation == *id);
            found.map(|value| (*measure, value))
        })
    }

    /// Whether any value is future-dated.
    #[must_use]
    pub const fn has_future_dated(&self) -> bool {
        self.index.has_future_dated()
    }

    /// Takes out the value of an observation.
    pub fn remove(&mut self, id: &ObservationId) -> Option<(Measure, MeasuredValue)> {
        let (measure, _) = self.find(id)?;
        let btree_map::Entry::Occupied(mut entry) = self.series.entry(measure) else { return None };
        let place = entry.get().iter().rposition(|value| value.observation == *id)?;
        let value = entry.get_mut().remove(place)?;
        if entry.get().is_empty() {
            entry.remove();
        }
        self.index.forget(&value);
        Some((measure, value))
    }

    /// Puts a value at its place in its series. `bound` then takes out what is beyond the bounds of
    /// the series, never its newest value, and has the index forget it.
    pub fn insert(
        &mut self,
        measure: Measure,
        value: MeasuredValue,
        bound: impl FnOnce(&mut Series, &mut Index),
    ) {
        self.index.note(&value);
        let series = self.series.entry(measure).or_default();
        insert_in_order(series, value);
        bound(series, &mut self.index);
    }

    /// Whether the index agrees with the values.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let again: Self = self.series.clone().into_iter().collect();
        again.index == self.index && self.series.values().all(|series| !series.is_empty())
    }
}

impl FromIterator<(Measure, Series)> for Measures {
    fn from_iter<T: IntoIterator<Item = (Measure, Series)>>(series: T) -> Self {
        let series: BTreeMap<Measure, Series> = series.into_iter().collect();
        let values = || series.values().flatten();
        let mut fingerprints: Vec<u32> =
            values().map(|value| fingerprint(&value.observation)).collect();
        fingerprints.sort_unstable();
        let future_dated = values().filter(|value| value.future_dated).count();
        Self { series, index: Index { fingerprints, future_dated } }
    }
}

impl Deref for Measures {
    type Target = BTreeMap<Measure, Series>;

    fn deref(&self) -> &Self::Target {
        &self.series
    }
}

impl<'a> IntoIterator for &'a Measures {
    type Item = (&'a Measure, &'a Series);
    type IntoIter = btree_map::Iter<'a, Measure, Series>;

    fn into_iter(self) -> Self::IntoIter {
        self.series.iter()
    }
}

impl PartialEq for Measures {
    /// The index follows from the values.
    fn eq(&self, other: &Self) -> bool {
        self.series == other.series
    }
}

impl Eq for Measures {}

impl Serialize for Measures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.series.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Measures {
    /// The index is made anew; series that are empty or out of order are refused.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let series = BTreeMap::<Measure, Series>::deserialize(deserializer)?;
        let is_kept = |one: &Series| {
            let in_order = one.iter().is_sorted_by(|a, b| value_order(a) <= value_order(b));
            in_order && !one.is_empty()
        };
        if !series.values().all(is_kept) {
            return Err(D::Error::custom("a series of values is empty or out of order"));
        }
        Ok(series.into_iter().collect())
    }
}
