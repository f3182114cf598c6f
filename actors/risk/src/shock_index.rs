//! Shock index: heart rate over systolic pressure. Bands use the exact ratio by cross
//! multiplication; the stored value is rounded. Points of its one part: 0 below 0.9, 1 from 0.9,
//! 2 from 1.0. While an input is missing, the range spans its plausible values.

use crate::history::{Observed, input};
use crate::limits::SHOCK_INDEX_DECIMALS;
use crate::part::{Evaluation, Inputs, Label, Part, Parts};
use crate::reference;
use crate::table::round;
use rust_decimal::Decimal;
use schema_types::measure::Measure;
use schema_types::score::{Band, Missing, ScoreModel};

pub(crate) const DEPENDS_ON: &[Measure] = &[Measure::HeartRate, Measure::SystolicPressure];

/// Ten times the ratio from which each band holds, with its points; reference::SHOCK_INDEX.
const THRESHOLDS_TENTHS: &[(i64, i32, Band)] = &[(10, 2, Band::High), (9, 1, Band::Medium)];

/// Heart rate and systolic pressure.
#[derive(Clone, Copy)]
struct Ratio {
    heart_rate: Decimal,
    systolic_pressure: Decimal,
}

impl Ratio {
    /// Plausible pressures are at least 1 mm\[Hg\], so that this never divides by zero.
    fn rounded(self) -> Decimal {
        // A quotient without end is slow to find; an exact one has a precision of its own.
        if let Some((rate, pressure)) = self.whole()
            && (rate * 100) % pressure != 0
        {
            let hundredths = (rate * 200 + pressure) / (pressure * 2);
            return Decimal::new(hundredths, SHOCK_INDEX_DECIMALS);
        }
        round(self.heart_rate / self.systolic_pressure, SHOCK_INDEX_DECIMALS)
    }

    /// Both as whole numbers, if they are: as they nearly always are, and much faster.
    fn whole(self) -> Option<(i64, i64)> {
        let whole = |value: Decimal| {
            let number = i32::try_from(value.mantissa()).ok().filter(|_| value.scale() == 0)?;
            (number > 0).then_some(i64::from(number))
        };
        Some((whole(self.heart_rate)?, whole(self.systolic_pressure)?))
    }

    fn grade(self) -> (i32, Band) {
        let whole = self.whole();
        let reached = THRESHOLDS_TENTHS.iter().find(|(tenths, _, _)| {
            if let Some((rate, pressure)) = whole {
                return rate * 10 >= pressure * tenths;
            }
            self.heart_rate >= self.systolic_pressure * Decimal::new(*tenths, 1)
        });
        reached.map_or((0, Band::Normal), |(_, points, band)| (*points, *band))
    }
}

pub(crate) fn evaluate<'a>(observed: &Observed<'a>) -> Option<Evaluation<'a>> {
    let heart_rate = observed.reading(Measure::HeartRate);
    let systolic_pressure = observed.reading(Measure::SystolicPressure);
    let readings =
        [(Measure::HeartRate, heart_rate), (Measure::SystolicPressure, systolic_pressure)];
    let inputs: Inputs<'_> = readings
        .iter()
        .filter_map(|(measure, reading)| reading.value().map(|value| input(*measure, value)))
        .collect();
    if inputs.is_empty() {
        return None;
    }
    let (slowest, fastest) = bounds(Measure::HeartRate, heart_rate.fresh().map(|v| v.value));
    let (weakest, strongest) =
        bounds(Measure::SystolicPressure, systolic_pressure.fresh().map(|v| v.value));
    let lowest = Ratio { heart_rate: slowest, systolic_pressure: strongest };
    let highest = Ratio { heart_rate: fastest, systolic_pressure: weakest };
    let (points, band) = lowest.grade();
    let points = match (heart_rate.fresh(), systolic_pressure.fresh()) {
        (Ok(_), Ok(_)) => Ok(points),
        (Err(Missing::Absent), _) | (_, Err(Missing::Absent)) => Err(Missing::Absent),
        (Err(Missing::Stale), _) | (_, Err(Missing::Stale)) => Err(Missing::Stale),
    };
    let mut parts = Parts::new();
    parts.push(Part { parameter: "shock-index", points, inputs });
    Some(Evaluation {
        label: Label {
            model: ScoreModel::ShockIndex,
            version: reference::version(ScoreModel::ShockIndex),
        },
        as_of: observed.as_of(),
        minimum: lowest.rounded(),
        maximum: highest.rounded(),
        band,
        parts,
    })
}

/// The lowest and highest value that a measure can have, given what is known of it.
fn bounds(measure: Measure, value: Result<Decimal, Missing>) -> (Decimal, Decimal) {
    let (low, high) = measure.plausible();
    value.map_or((Decimal::from(low), Decimal::from(high)), |value| (value, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_give_what_decimals_give() {
        for heart_rate in 1..=350_i64 {
            for systolic_pressure in [1_i64, 3, 7, 8, 16, 64, 80, 99, 100, 120, 125, 200, 349, 350]
            {
                let whole = Ratio {
                    heart_rate: Decimal::from(heart_rate),
                    systolic_pressure: Decimal::from(systolic_pressure),
                };
                let exact = whole.heart_rate / whole.systolic_pressure;
                let expected = round(exact, SHOCK_INDEX_DECIMALS);
                let got = whole.rounded();
                let name = format!("{heart_rate}/{systolic_pressure}");
                assert_eq!((got, got.scale()), (expected, expected.scale()), "{name}");
                let slow = Ratio { heart_rate: Decimal::new(heart_rate * 10, 1), ..whole };
                assert_eq!(whole.grade().0, slow.grade().0, "{name}");
            }
        }
    }
}
