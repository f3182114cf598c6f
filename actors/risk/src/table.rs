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

    /// The rounded value in units of the last decimal: 37.15 at one decimal is 372.
    pub(crate) fn units(self, value: Decimal) -> i64 {
        units(value, self.decimals())
    }
}

/// Rounds half away from zero.
pub(crate) fn round(value: Decimal, decimals: u32) -> Decimal {
    value.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero)
}

/// Rounds half away from zero and counts in units of the last of `decimals`; saturates.
fn units(value: Decimal, decimals: u32) -> i64 {
    let (mantissa, scale) = (value.mantissa(), value.scale());
    let units = if let Some(missing) = decimals.checked_sub(scale) {
        mantissa.saturating_mul(10_i128.pow(missing))
    } else {
        let one = 10_i128.pow(scale - decimals);
        // Narrow numbers are divided much faster.
        match (i64::try_from(mantissa), i64::try_from(one)) {
            (Ok(mantissa), Ok(one)) if mantissa.abs() < i64::MAX / 2 && one < i64::MAX / 2 => {
                i128::from((mantissa + one / 2 * mantissa.signum()) / one)
            }
            _ => (mantissa + one / 2 * mantissa.signum()) / one,
        }
    };
    i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX })
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
        let units = self.precision.units(value);
        let edge = i64::from(node_env::planted!("score-edge-exclusive"));
        let row = self.rows.iter().find(|(at_most, _)| units + edge <= *at_most);
        row.map_or(self.above, |(_, points)| *points)
    }

    /// The fewest and the most points that any value can get.
    pub(crate) fn range(&self) -> (i32, i32) {
        let points = self.rows.iter().map(|(_, points)| *points);
        points.fold((self.above, self.above), |(low, high), p| (low.min(p), high.max(p)))
    }

    /// The part of a result, scored or with its range.
    pub(crate) fn part<'a>(&self, observed: &Observed<'a>) -> RangedPart<'a> {
        let reading = observed.reading(self.measure);
        let inputs = reading.value().map(|value| input(self.measure, value)).into_iter().collect();
        match reading.fresh() {
            Ok(value) => RangedPart::known(self.parameter, self.points(value.value), inputs),
            Err(missing) => RangedPart::missing(self.parameter, missing, self.range(), inputs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_the_rounded_value() {
        let numbers = [
            "0",
            "0.4",
            "0.5",
            "0.49999999999999999999999999",
            "-0.5",
            "-0.4",
            "37.15",
            "37.149",
            "-37.15",
            "1.005",
            "120",
            "79228162514264337593543950335",
            "99.95",
            "3.4028235",
            "-79228162514264337593543950335",
            "0.0000000000000000000000000001",
        ];
        for text in numbers {
            let value: Decimal = text.parse().unwrap();
            for precision in [Precision::Whole, Precision::Tenth] {
                let decimals = precision.decimals();
                let rounded = round(value, decimals);
                for limit in [-372, -371, -1, 0, 1, 2, 4, 5, 37, 371, 372, 1_000] {
                    let expected = rounded <= Decimal::new(limit, decimals);
                    assert_eq!(precision.units(value) <= limit, expected, "{text} {limit}");
                }
            }
        }
    }
}
