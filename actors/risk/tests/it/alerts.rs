//! Who is told about what: thresholds of the models and critical values.

use crate::chart::{Chart, decimal};
use actors_risk::{
    CRITICAL_LIMITS, CriticalBound, Person, alert_severity, critical_value, critical_value_for,
    depends_on, models_for, reference,
};
use rust_decimal::Decimal;
use schema_types::measure::Measure;
use schema_types::patient::Severity::{self, Critical, Warning};
use schema_types::score::ScoreModel;

type Values<'a> = &'a [(Measure, &'a str)];

fn severity(model: ScoreModel, values: Values<'_>) -> Option<Severity> {
    alert_severity(&Chart::new(values).score(model).unwrap().result(false))
}

#[test]
fn scores_alert_at_their_thresholds() {
    use Measure::{
        BodyTemperature as Temperature, HeartRate, RespiratoryRate, SystolicPressure as Pressure,
    };
    let cases: &[(ScoreModel, Values<'_>, Option<Severity>)] = &[
        (ScoreModel::News2, &[(HeartRate, "111"), (RespiratoryRate, "21")], None),
        (ScoreModel::News2, &[(HeartRate, "131")], Some(Warning)),
        (ScoreModel::News2, &[(HeartRate, "131"), (RespiratoryRate, "21")], Some(Warning)),
        (ScoreModel::News2, &[(HeartRate, "131"), (RespiratoryRate, "25")], Some(Warning)),
        (
            ScoreModel::News2,
            &[(HeartRate, "131"), (RespiratoryRate, "25"), (Temperature, "38.5")],
            Some(Critical),
        ),
        (ScoreModel::Mews, &[(HeartRate, "130")], None),
        (ScoreModel::Mews, &[(HeartRate, "130"), (RespiratoryRate, "15")], Some(Warning)),
        (ScoreModel::Mews, &[(HeartRate, "130"), (RespiratoryRate, "21")], Some(Critical)),
        (ScoreModel::Qsofa, &[(Pressure, "100")], None),
        (ScoreModel::Qsofa, &[(Pressure, "100"), (RespiratoryRate, "22")], Some(Warning)),
        (ScoreModel::Sirs, &[(HeartRate, "91")], None),
        (ScoreModel::Sirs, &[(HeartRate, "91"), (Temperature, "38.1")], Some(Warning)),
        (ScoreModel::ShockIndex, &[(HeartRate, "179"), (Pressure, "200")], None),
        (ScoreModel::ShockIndex, &[(HeartRate, "90"), (Pressure, "100")], Some(Warning)),
        (ScoreModel::ShockIndex, &[(HeartRate, "199"), (Pressure, "200")], Some(Warning)),
        (ScoreModel::ShockIndex, &[(HeartRate, "100"), (Pressure, "100")], Some(Critical)),
    ];
    for (model, values, expected) in cases {
        assert_eq!(severity(*model, values), *expected, "{model:?} {values:?}");
    }
    let stages = [("1.2", None), ("1.5", Some(Warning)), ("2.0", Some(Critical))];
    for (current, expected) in stages {
        let chart = Chart::default().and(Measure::Creatinine, "1.0", 72 * 60).and(
            Measure::Creatinine,
            current,
            0,
        );
        let score = chart.score(ScoreModel::KdigoAki).unwrap();
        assert_eq!(alert_severity(&score.result(false)), expected, "{current}");
    }
}

/// Every measure with the last values that are not critical; `-` where there is no limit.
const NOT_YET_CRITICAL: &[(Measure, &str, &str)] = &[
    (Measure::Potassium, "2.5", "6.5"),
    (Measure::Sodium, "120", "160"),
    (Measure::Glucose, "40", "500"),
    (Measure::Haemoglobin, "7.0", "20"),
    (Measure::Platelets, "20", "1000"),
    (Measure::WhiteCells, "1.0", "50"),
    (Measure::Inr, "-", "5"),
    (Measure::Lactate, "-", "4"),
    (Measure::Creatinine, "-", "7.4"),
    (Measure::UreaNitrogen, "-", "104"),
    (Measure::Bilirubin, "-", "15"),
    (Measure::ArterialCarbonDioxide, "19", "67"),
    (Measure::ArterialOxygen, "43", "-"),
    (Measure::OxygenSaturation, "85", "-"),
    (Measure::GlasgowComaScale, "9", "-"),
    (Measure::Consciousness, "-", "3"),
    (Measure::BodyTemperature, "32.0", "41.0"),
    (Measure::RespiratoryRate, "5", "36"),
    (Measure::HeartRate, "40", "140"),
    (Measure::SystolicPressure, "90", "-"),
];

#[test]
fn critical_values_are_strict() {
    let step = decimal("0.01");
    let mut limits_count = 0;
    for (measure, low, high) in NOT_YET_CRITICAL {
        for (limit, beyond) in [(low, -step), (high, step)] {
            if *limit == "-" {
                continue;
            }
            let value = decimal(limit);
            assert_eq!(critical_value(*measure, value), None, "{measure:?} {limit}");
            let beyond = critical_value(*measure, value + beyond);
            assert_eq!(beyond, Some(Critical), "{measure:?} beyond {limit}");
            limits_count += 1;
        }
    }
    assert_eq!(limits_count, CRITICAL_LIMITS.len());
    assert_eq!(critical_value(Measure::BodyWeight, decimal("300")), None);
}

#[test]
fn adult_rates_are_not_critical_in_a_child() {
    let child = Person { age_years: Some(2) };
    let rate = decimal("150");
    assert_eq!(critical_value_for(&child, Measure::HeartRate, rate), None);
    assert_eq!(critical_value_for(&Person::default(), Measure::HeartRate, rate), Some(Critical));
    let potassium = critical_value_for(&child, Measure::Potassium, decimal("7.5"));
    assert_eq!(potassium, Some(Critical));
}

#[test]
fn every_critical_limit_is_plausible_and_has_a_source() {
    for limit in CRITICAL_LIMITS {
        let (CriticalBound::BelowTenths(tenths) | CriticalBound::AboveTenths(tenths)) = limit.bound;
        let (low, high) = limit.measure.plausible();
        let value = Decimal::new(tenths, 1);
        assert!(Decimal::from(low) < value && value < Decimal::from(high), "{limit:?}");
        assert!(limit.source.len() > 20, "{limit:?}");
    }
}

#[test]
fn dependencies_and_models_agree() {
    for measure in Measure::ALL {
        let models: Vec<_> = models_for(*measure).collect();
        for model in ScoreModel::ALL {
            assert_eq!(models.contains(model), depends_on(*model).contains(measure));
        }
    }
    let of_heart_rate: Vec<_> = models_for(Measure::HeartRate).collect();
    let expected = [ScoreModel::News2, ScoreModel::Mews, ScoreModel::Sirs, ScoreModel::ShockIndex];
    assert_eq!(of_heart_rate, expected);
    for model in ScoreModel::ALL {
        assert!(reference::citation(*model).len() > 40);
        assert!(reference::version(*model) >= 1);
    }
}
