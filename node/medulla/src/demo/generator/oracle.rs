//! The true census: who was in a bed of which ward at any time, kept while the hospital is played
//! and never read from a message.

use super::places::Ward;
use std::collections::BTreeMap;

/// Who was where.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Oracle {
    /// Changes in the order of time: when, who, and the ward from then on.
    changes: Vec<(i64, usize, Option<Ward>)>,
    now: BTreeMap<usize, Ward>,
}

impl Oracle {
    /// From `at` on the person counts in this ward, or in none.
    pub(crate) fn note(&mut self, at: i64, person: usize, ward: Option<Ward>) {
        match ward {
            Some(ward) => self.now.insert(person, ward),
            None => self.now.remove(&person),
        };
        self.changes.push((at, person, ward));
    }

    /// The ward in which the person counts after the last change.
    pub(crate) fn where_is(&self, person: usize) -> Option<Ward> {
        self.now.get(&person).copied()
    }

    /// Occupied beds per ward at an instant, by ward code; empty wards are left out.
    pub(crate) fn census(&self, at: i64) -> BTreeMap<String, u64> {
        let mut places = BTreeMap::new();
        for (_, person, ward) in self.changes.iter().filter(|(when, _, _)| *when <= at) {
            places.insert(*person, *ward);
        }
        let mut census = BTreeMap::new();
        for ward in places.into_values().flatten() {
            *census.entry(ward.code().to_owned()).or_insert(0) += 1;
        }
        census
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_census_of_an_instant_counts_the_last_place_of_each() {
        let mut oracle = Oracle::default();
        oracle.note(10, 1, Some(Ward::Surgical));
        oracle.note(20, 2, Some(Ward::Surgical));
        oracle.note(30, 1, Some(Ward::Intensive));
        oracle.note(40, 2, None);
        let census = |at| oracle.census(at).into_iter().collect::<Vec<_>>();
        assert_eq!(census(9), vec![]);
        assert_eq!(census(20), vec![("SURG1".to_owned(), 2)]);
        assert_eq!(census(30), vec![("ICU1".to_owned(), 1), ("SURG1".to_owned(), 1)]);
        assert_eq!(census(99), vec![("ICU1".to_owned(), 1)]);
        assert_eq!(oracle.where_is(2), None);
    }
}
