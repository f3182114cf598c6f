//! Vital signs as a ward sends them: ten measures in turn, each slowly rising and falling around a
//! healthy value, so that every one is scored and none keeps an alarm open.

use rust_decimal::Decimal;
use schema_types::measure::Measure;

/// Measures in the order in which a patient's monitor sends them: middle, swing (in the smallest
/// step) and digits after the point.
const VITALS: [(Measure, i64, i64, u32); 10] = [
    (Measure::HeartRate, 72, 6, 0),
    (Measure::RespiratoryRate, 15, 2, 0),
    (Measure::OxygenSaturation, 97, 1, 0),
    (Measure::SystolicPressure, 124, 7, 0),
    (Measure::DiastolicPressure, 76, 4, 0),
    (Measure::MeanPressure, 92, 4, 0),
    (Measure::BodyTemperature, 369, 4, 1),
    (Measure::Consciousness, 0, 0, 0),
    (Measure::OxygenFlow, 0, 0, 0),
    (Measure::Glucose, 96, 8, 0),
];

/// Measures of one round.
pub const VITALS_COUNT: u64 = 10;
const _: () = assert!(VITALS.len() as u64 == VITALS_COUNT);

/// The `turn`-th value that a patient's monitor sends.
#[must_use]
pub fn vital(patient: u64, turn: u64) -> (Measure, Decimal) {
    let place = usize::try_from(turn % VITALS_COUNT).unwrap_or(0);
    let (measure, middle, swing, digits) = VITALS[place];
    let period = (4 * swing).max(1);
    let phase = i64::try_from((turn / VITALS_COUNT + patient) % period.unsigned_abs()).unwrap_or(0);
    // A triangle: 0, up to swing, down to -swing, back to 0.
    let offset = match phase {
        up if up <= swing => up,
        down if down <= 3 * swing => 2 * swing - down,
        back => back - 4 * swing,
    };
    (measure, Decimal::new(middle + offset, digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where NEWS2 gives no points.
    const HEALTHY: [(Measure, (i64, i64)); 5] = [
        (Measure::HeartRate, (51, 90)),
        (Measure::RespiratoryRate, (12, 20)),
        (Measure::OxygenSaturation, (96, 100)),
        (Measure::SystolicPressure, (111, 219)),
        (Measure::BodyTemperature, (36, 38)),
    ];

    #[test]
    fn values_move_slowly_and_stay_healthy() {
        for patient in 0..50 {
            for turn in 0..2_000 {
                let (measure, value) = vital(patient, turn);
                let (next, after) = vital(patient, turn + VITALS_COUNT);
                assert_eq!(measure, next);
                assert!((value - after).abs() <= Decimal::ONE, "{measure:?}");
                let healthy = HEALTHY.iter().find(|(known, _)| *known == measure);
                let (low, high) = healthy.map_or_else(|| measure.plausible(), |(_, range)| *range);
                assert!(value >= Decimal::from(low) && value <= Decimal::from(high), "{measure:?}");
            }
        }
    }
}
