//! How many inpatients are in beds, per ward (FAC-2). Two stays in one bed are two patients; that
//! they cannot both be there is for the bed board to show.

use crate::command::Census;
use crate::places::{Site, occupied_place, visits};
use crate::state::State;
use actors_core::stay::fold_stay;
use schema_types::time::Timestamp;
use std::collections::BTreeMap;

/// The instants of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Series {
    /// The first instant.
    pub from: Timestamp,
    /// Microseconds between instants, at least 1.
    pub step_micros: i64,
    /// How many instants.
    pub points: usize,
}

impl Series {
    fn at(&self, index: usize) -> Timestamp {
        let steps = i64::try_from(index).unwrap_or(i64::MAX);
        self.from.plus_micros(steps.saturating_mul(self.step_micros))
    }

    /// The first index that is not before `at`; `points` when there is none.
    fn first_index(&self, at: Timestamp) -> usize {
        let distance = i128::from(at.unix_micros()) - i128::from(self.from.unix_micros());
        if distance <= 0 {
            return 0;
        }
        let step = i128::from(self.step_micros);
        let index = (distance + step - 1) / step;
        usize::try_from(index).map_or(self.points, |index| index.min(self.points))
    }
}

/// The census at an instant, or after everything known. Cost: one fold per stay.
#[must_use]
pub fn census(site: Site<'_>, state: &State, at: Option<Timestamp>) -> Census {
    let mut occupied = wards(site, state);
    for stay in state.stays.values() {
        let folded = fold_stay(&stay.movements, at);
        if let Some(location) = occupied_place(site, &folded) {
            *occupied.entry(location.ward.clone()).or_default() += 1;
        }
    }
    Census { at, occupied }
}

/// The census at every instant of a series. Cost: one fold per movement, and one step per ward and
/// instant.
#[must_use]
pub fn census_series(site: Site<'_>, state: &State, series: &Series) -> Vec<Census> {
    let wards = wards(site, state);
    let mut steps: BTreeMap<String, Vec<(u32, u32)>> =
        wards.keys().map(|ward| (ward.clone(), vec![(0, 0); series.points + 1])).collect();
    for visit in state.stays.values().flat_map(|stay| visits(site, stay)) {
        let Some(ward) = steps.get_mut(&visit.location.ward) else { continue };
        let first = series.first_index(visit.from);
        let end = visit.to.map_or(series.points, |to| series.first_index(to));
        if let Some((comes, _)) = ward.get_mut(first) {
            *comes += 1;
        }
        if let Some((_, leaves)) = ward.get_mut(end) {
            *leaves += 1;
        }
    }
    let mut present = wards;
    let mut points = Vec::with_capacity(series.points);
    for index in 0..series.points {
        for (ward, steps) in &steps {
            let (comes, leaves) = steps.get(index).copied().unwrap_or_default();
            let count = present.entry(ward.clone()).or_default();
            *count = count.saturating_add(comes).saturating_sub(leaves);
        }
        points.push(Census { at: Some(series.at(index)), occupied: present.clone() });
    }
    points
}

/// Every ward of this facility that a stay or a bed names, empty.
fn wards(site: Site<'_>, state: &State) -> BTreeMap<String, u32> {
    let places = state.stays.values().flat_map(|stay| &stay.movements);
    let named = places
        .flat_map(|movement| [&movement.location, &movement.prior_location])
        .flatten()
        .filter(|location| !location.ward.is_empty() && site.has(location))
        .map(|location| location.ward.clone());
    named.chain(state.beds.keys().map(|bed| bed.ward.clone())).map(|ward| (ward, 0)).collect()
}
