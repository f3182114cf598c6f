//! Values beyond which somebody must be told at once, for adults, as the project's table states
//! them, written down once more. Sources: Kost, JAMA 1990;263:704-707, moved outward to the numbers
//! that laboratories publish today; AABB 2023 for haemoglobin; the limits of emergency teams for
//! vital signs. All bounds are strict.

use schema_types::Decimal;
use schema_types::measure::Measure;

/// A measure, below and above how many tenths of its unit it is critical.
type Limits = (Measure, Option<i64>, Option<i64>);

const LIMITS: &[Limits] = &[
    (Measure::RespiratoryRate, Some(50), Some(360)),
    (Measure::OxygenSaturation, Some(850), None),
    (Measure::HeartRate, Some(400), Some(1_400)),
    (Measure::SystolicPressure, Some(900), None),
    (Measure::BodyTemperature, Some(320), Some(410)),
    (Measure::Consciousness, None, Some(30)),
    (Measure::GlasgowComaScale, Some(90), None),
    (Measure::Potassium, Some(25), Some(65)),
    (Measure::Sodium, Some(1_200), Some(1_600)),
    (Measure::Glucose, Some(400), Some(5_000)),
    (Measure::Haemoglobin, Some(70), Some(200)),
    (Measure::Platelets, Some(200), Some(10_000)),
    (Measure::WhiteCells, Some(10), Some(500)),
    (Measure::Inr, None, Some(50)),
    (Measure::Lactate, None, Some(40)),
    (Measure::Creatinine, None, Some(74)),
    (Measure::UreaNitrogen, None, Some(1_040)),
    (Measure::Bilirubin, None, Some(150)),
    (Measure::ArterialCarbonDioxide, Some(190), Some(670)),
    (Measure::ArterialOxygen, Some(430), None),
];

/// Whether a value of an adult is critical by itself.
#[must_use]
pub fn is_critical(measure: Measure, value: Decimal) -> bool {
    LIMITS.iter().filter(|(limited, ..)| *limited == measure).any(|(_, below, above)| {
        below.is_some_and(|tenths| value < Decimal::new(tenths, 1))
            || above.is_some_and(|tenths| value > Decimal::new(tenths, 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_strict() {
        let cases = [
            (Measure::HeartRate, 140, false),
            (Measure::HeartRate, 141, true),
            (Measure::HeartRate, 40, false),
            (Measure::HeartRate, 39, true),
            (Measure::OxygenSaturation, 85, false),
            (Measure::OxygenSaturation, 84, true),
            (Measure::BodyWeight, 0, false),
        ];
        for (measure, value, expected) in cases {
            assert_eq!(is_critical(measure, Decimal::from(value)), expected, "{measure:?} {value}");
        }
    }
}
