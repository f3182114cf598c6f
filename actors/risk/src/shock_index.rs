//! Shock index: heart rate over systolic pressure. Bands use the exact ratio by cross
//! multiplication; the stored value is rounded. Points of its one part: 0 below 0.9, 1 from 0.9,
//! 2 from 1.0. While an input is missing, the range spans its plausible values.

use crate::history::{Observed, input};
use crate::limits::SHOCK_INDEX_DECIMALS;
use crate::reference;
use crate::table::round;
use rust_decimal::Decimal;
use schema_types::measure::Measure;
use schema_types::score::{Band, Missing, Score, ScoreModel, ScorePart};

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
        round(self.heart_rate / self.systolic_pressure, SHOCK_INDEX_DECIMALS)
    }

    fn grade(self) -> (i32, Band) {
        let reached = THRESHOLDS_TENTHS.iter().find(|(tenths, _, _)| {
            self.heart_rate >= self.systolic_pressure * Decimal::new(*tenths, 1)
        });
        reached.map_or((0, Band::Normal), |(_, points, band)| (*points, *band))
    }
}

pub(crate) fn evaluate(observed: &Observed<'_>) -> Option<Score> {
    let heart_rate = observed.reading(Measure::HeartRate);
    let systolic_pressure = observed.reading(Measure::SystolicPressure);
    let readings =
        [(Measure::HeartRate, heart_rate), (Measure::SystolicPressure, systolic_pressure)];
    let inputs: Vec<_> = readings
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
    Some(Score {
        model: ScoreModel::ShockIndex,
        model_version: reference::version(ScoreModel::ShockIndex),
        as_of: observed.as_of(),
        minimum: lowest.rounded(),
        maximum: highest.rounded(),
        band,
        parts: vec![ScorePart { parameter: "shock-index", points, inputs }],
    })
}

/// The lowest and highest value that a measure can have, given what is known of it.
fn bounds(measure: Measure, value: Result<Decimal, Missing>) -> (Decimal, Decimal) {
    let (low, high) = measure.plausible();
    value.map_or((Decimal::from(low), Decimal::from(high)), |value| (value, value))
}
