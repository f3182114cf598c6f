//! One patient as clients know it: what each command does to it, and what a read must show.

use super::search::Model;
use schema_types::ids::ObservationId;
use schema_types::measure::Measure;
use schema_types::time::Timestamp;
use std::collections::BTreeMap;

/// The newest value of each measure: of two at one instant the greater id counts as newer.
pub(super) type Newest = BTreeMap<Measure, (Timestamp, ObservationId)>;

/// What a client asked of the record, and what it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// Values that were not there before.
    Observe { version: Option<u64>, values: Vec<(Measure, (Timestamp, ObservationId))> },
    /// Anything else, which may change nothing.
    Change { version: Option<u64> },
    /// A look at it.
    Read { version: Option<u64>, newest: Option<Newest> },
}

/// The record. Timers and other entities change it too, so that its version is only known from
/// below.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Record {
    version_min: u64,
    newest: Newest,
}

impl Record {
    fn at(&self, version: Option<u64>, least: u64) -> Option<Self> {
        let version_min = version.unwrap_or(least);
        (version_min >= least).then(|| Self { version_min, newest: self.newest.clone() })
    }
}

impl Model for Record {
    type Call = Asked;

    fn step(&self, call: &Asked) -> Option<Self> {
        match call {
            Asked::Observe { version, values } => {
                let mut next = self.at(*version, self.version_min + 1)?;
                for (measure, value) in values {
                    let newest = next.newest.entry(*measure).or_insert_with(|| value.clone());
                    if *newest < *value {
                        newest.clone_from(value);
                    }
                }
                Some(next)
            }
            Asked::Change { version } => self.at(*version, self.version_min),
            Asked::Read { version, newest } => {
                if newest.as_ref().is_some_and(|newest| *newest != self.newest) {
                    return None;
                }
                self.at(*version, self.version_min)
            }
        }
    }
}
