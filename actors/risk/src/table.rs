//! A scoring table as data: rounding precision, rows from the lowest value up, points.

use crate::history::{Observed, input};
use crate::part::RangedPart;
use rust_decimal::{Decimal, RoundingStrategy};
use schema_types::measure::Measure;

/// The precision at which a table is charted; values are rounded to it, half away from zero,
/// before they are scored (clinical-scores rule 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    /// Whole numbers.
    Whole,
    /// One decimal.
    Tenth,
}

impl Precision {
    pub(crate) const fn decimals(self) -> u32 {
        match self {
            Self::Whole => 0,
            Self::Tenth => 1,
        }
    }

    pub(crate) fn round(self, value: Decimal) -> Decimal {
        round(value, self.decimals())
    }
}

/// Rounds half away from zero.
pub(crate) fn round(value: Decimal, decimals: u32) -> Decimal {
    value.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero)
}

/// One parameter of a model.
#[derive(Debug)]
pub(crate) struct Table {
    /// Name of the part in results.
    pub(crate) parameter: &'static str,
    /// What is read.
    pub(crate) measure: Measure,
    /// Rounding, and the unit of the rows: tenths for [`Precision::Tenth`].
    pub(crate) precision: Precision,
    /// `(largest value that still belongs to the row, points)`, ascending.
    pub(crate) rows: &'static [(i64, i32)],
    /// Points above the last row.
    pub(crate) above: i32,
}

impl Table {
    /// The points of a value.
    pub(crate) fn points(&self, value: Decimal) -> i32 {
        let rounded = self.precision.round(value);
        let decimals = self.precision.decimals();
        let row = self.rows.iter().find(|(at_most, _)| rounded <= Decimal::new(*at_most, decimals));
        row.map_or(self.above, |(_, points)| *points)
    }

    /// The fewest and the most points that any value can get.
    pub(crate) fn range(&self) -> (i32, i32) {
        let points = self.rows.iter().map(|(_, points)| *points);
        points.fold((self.above, self.above), |(low, high), p| (low.min(p), high.max(p)))
    }

    /// The part of a result, scored or with its range.
    pub(crate) fn part(&self, observed: &Observed<'_>) -> RangedPart {
        let reading = observed.reading(self.measure);
        let inputs = reading.value().map(|value| input(self.measure, value)).into_iter().collect();
        match reading.fresh() {
            Ok(value) => RangedPart::known(self.parameter, self.points(value.value), inputs),
            Err(missing) => RangedPart::missing(self.parameter, missing, self.range(), inputs),
        }
    }
}
