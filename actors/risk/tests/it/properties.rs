//! What must hold for any input: ranges are ranges, completeness means one number, and learning
//! what was missing never leaves the range that was given before (DET-1: and twice is the same).

use crate::chart::{Chart, NOW};
use actors_risk::{Observed, depends_on};
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;
use rust_decimal::Decimal;
use schema_types::measure::Measure;
use schema_types::score::{Missing, Score, ScoreModel};
use schema_types::time::{MICROS_PER_HOUR, MICROS_PER_MINUTE};

/// Any plausible value with two decimals, mostly near the edges of the tables.
fn value_of(measure: Measure) -> impl Strategy<Value = Decimal> {
    let (low, high) = measure.plausible();
    let (low, high) = (low * 100 + 1, high * 100);
    (any::<u64>(), any::<bool>()).prop_map(move |(raw, is_typical)| {
        let (from, to) = if is_typical { typical(measure) } else { (low, high) };
        let width = u64::try_from(to - from + 1).unwrap();
        Decimal::new(from + i64::try_from(raw % width).unwrap(), 2)
    })
}

/// Where the edges lie, in hundredths.
fn typical(measure: Measure) -> (i64, i64) {
    let (low, high) = measure.plausible();
    let (from, to) = if measure == Measure::BodyTemperature {
        (34, 40)
    } else if measure == Measure::OxygenSaturation {
        (80, 100)
    } else if measure == Measure::RespiratoryRate {
        (5, 35)
    } else if measure == Measure::Creatinine {
        (1, 5)
    } else if measure == Measure::OxygenFlow || measure == Measure::OxygenScale {
        return (low * 100 + 100, low * 100 + 200);
    } else {
        (low + 1, high.min(230))
    };
    (from * 100, to * 100)
}

/// Ages from fresh to stale for every measure.
fn age_micros() -> impl Strategy<Value = i64> {
    select(vec![0, 1, 6, 12, 13, 25, 60, 170, 9_000]).prop_map(|hours: i64| hours * MICROS_PER_HOUR)
}

fn entry(measures: &'static [Measure]) -> impl Strategy<Value = (Measure, Decimal, i64)> {
    select(measures).prop_flat_map(|measure| {
        (value_of(measure), age_micros()).prop_map(move |(value, age)| (measure, value, age))
    })
}

/// A chart with up to 12 values of measures that the model reads, and values to fill gaps with.
#[derive(Debug, Clone)]
struct Case {
    model: ScoreModel,
    chart: Chart,
    fill: Vec<(Measure, Decimal)>,
}

fn case() -> impl Strategy<Value = Case> {
    select(ScoreModel::ALL).prop_flat_map(|model| {
        let measures = depends_on(model);
        let entries = proptest::collection::vec(entry(measures), 0..12);
        let fill: Vec<_> = measures
            .iter()
            .map(|measure| value_of(*measure).prop_map(move |value| (*measure, value)))
            .collect();
        (entries, fill).prop_map(move |(entries, fill)| {
            let chart =
                entries.into_iter().fold(Chart::default(), |chart, (measure, value, age)| {
                    chart.and_value(measure, value, -age)
                });
            Case { model, chart, fill }
        })
    })
}

/// The measures that a part without points waits for.
fn inputs_of(model: ScoreModel, parameter: &str) -> Vec<Measure> {
    match parameter {
        "respiratory-rate" => vec![Measure::RespiratoryRate],
        "oxygen-saturation" => vec![Measure::OxygenSaturation],
        "supplemental-oxygen" => vec![Measure::OxygenFlow, Measure::InspiredOxygen],
        "systolic-pressure" => vec![Measure::SystolicPressure],
        "heart-rate" => vec![Measure::HeartRate],
        "consciousness" => vec![Measure::Consciousness],
        "temperature" => vec![Measure::BodyTemperature],
        "altered-mentation" => vec![Measure::GlasgowComaScale, Measure::Consciousness],
        "ventilation" => vec![Measure::RespiratoryRate, Measure::ArterialCarbonDioxide],
        "white-cells" => vec![Measure::WhiteCells, Measure::Bands],
        "creatinine" => vec![Measure::Creatinine],
        "urine-output" => vec![Measure::BodyWeight, Measure::UrineOutput],
        "shock-index" => depends_on(model).to_vec(),
        other => panic!("unknown part {other}"),
    }
}

/// Whether the value itself is there and the part waits for another one. One creatinine and a few
/// urine volumes still wait for more of the same.
fn is_known(model: ScoreModel, chart: &Chart, measure: Measure) -> bool {
    let reading = Observed::new(&chart.values, NOW).reading(measure);
    model != ScoreModel::KdigoAki && reading.fresh().is_ok()
}

fn is_within(inner: &Score, outer: &Score) -> bool {
    outer.minimum <= inner.minimum && inner.maximum <= outer.maximum
}

/// Adds a fresh value; creatinine and urine need earlier ones beside it.
fn filled(chart: Chart, measure: Measure, value: Decimal) -> Chart {
    let chart = chart.and_value(measure, value, 0);
    if measure == Measure::UrineOutput {
        return (1..24)
            .fold(chart, |chart, hour| chart.and_value(measure, value, -hour * MICROS_PER_HOUR));
    }
    if measure == Measure::Creatinine {
        return chart.and_value(measure, Decimal::ONE, -MICROS_PER_MINUTE);
    }
    chart
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4096, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn a_range_is_a_range_and_complete_is_one_number(case in case()) {
        let Some(score) = case.chart.score(case.model) else {
            return Ok(());
        };
        prop_assert!(score.minimum <= score.maximum);
        prop_assert!(score.minimum >= Decimal::ZERO);
        if score.is_complete() {
            prop_assert_eq!(score.minimum, score.maximum);
        }
        let is_stale_named = score.parts.iter().all(|part| {
            part.points != Err(Missing::Stale) || !part.inputs.is_empty()
        });
        prop_assert!(is_stale_named);
        prop_assert_eq!(case.chart.score(case.model), Some(score));
    }

    #[test]
    fn filling_gaps_narrows_the_range_until_it_is_one_number(case in case()) {
        let mut chart = case.chart;
        let Some(mut before) = chart.score(case.model) else {
            return Ok(());
        };
        for (measure, value) in case.fill {
            let is_awaited = before.parts.iter().any(|part| {
                part.points.is_err() && inputs_of(case.model, part.parameter).contains(&measure)
            });
            if !is_awaited || is_known(case.model, &chart, measure) {
                continue;
            }
            chart = filled(chart, measure, value);
            let after = chart.score(case.model).unwrap();
            prop_assert!(is_within(&after, &before), "{measure:?}: {before:?} -> {after:?}");
            before = after;
        }
        prop_assert!(before.is_complete(), "{before:?}");
        prop_assert_eq!(before.minimum, before.maximum);
    }
}
