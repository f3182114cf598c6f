//! KDIGO AKI: exact edges of creatinine and urine output, decimals that floats get wrong.

use crate::chart::{Chart, decimal, part, range};
use actors_risk::{Person, evaluate};
use rust_decimal::Decimal;
use schema_types::measure::Measure;
use schema_types::score::{Band, Missing, Score, ScoreModel};
use schema_types::time::{MICROS_PER_HOUR, MICROS_PER_MINUTE};

const MODEL: ScoreModel = ScoreModel::KdigoAki;

fn creatinine_points(earlier: &[(&str, i64)], current: &str) -> Result<i32, Missing> {
    let chart = earlier.iter().fold(Chart::default(), |chart, (value, hours_ago)| {
        chart.and(Measure::Creatinine, value, hours_ago * 60)
    });
    let score = chart.and(Measure::Creatinine, current, 0).score(MODEL).unwrap();
    part(&score, "creatinine").points
}

#[test]
fn creatinine_edges() {
    let cases = [
        ("1.0", 24, "1.29", 0),
        ("1.0", 24, "1.30", 1),
        ("1.0", 48, "1.30", 1),
        ("1.0", 49, "1.30", 0),
        ("0.2", 72, "0.298", 0),
        ("1.00", 72, "1.49", 0),
        ("1.00", 72, "1.50", 1),
        ("1.00", 168, "1.50", 1),
        ("1.00", 72, "1.99", 1),
        ("1.00", 72, "2.00", 2),
        ("1.00", 72, "2.99", 2),
        ("1.00", 72, "3.00", 3),
        ("3.9", 24, "4.0", 0),
        ("3.7", 24, "4.0", 3),
        ("3.7", 49, "4.0", 0),
        ("3.69", 24, "3.99", 1),
        ("2.6", 72, "4.0", 3),
        // In floats 1.2 - 0.9 is below 0.3, and 1.5 times each of these baselines is above its
        // exact product.
        ("0.9", 24, "1.2", 1),
        ("1.1", 72, "1.65", 1),
        ("0.4", 72, "0.6", 1),
        ("0.8", 72, "1.2", 1),
        ("1.3", 72, "1.95", 1),
        ("1.6", 72, "2.4", 1),
        ("1.1", 72, "1.64", 0),
    ];
    for (baseline, hours_ago, current, stage) in cases {
        let points = creatinine_points(&[(baseline, hours_ago)], current);
        assert_eq!(points, Ok(stage), "{baseline} -> {current} after {hours_ago} h");
    }
}

#[test]
fn creatinine_compares_with_the_lowest_of_each_window() {
    let falling_then_rising = [("2.0", 100), ("1.0", 60), ("1.2", 40), ("1.6", 10)];
    assert_eq!(creatinine_points(&falling_then_rising, "1.49"), Ok(0));
    assert_eq!(creatinine_points(&falling_then_rising, "1.50"), Ok(1));
    assert_eq!(creatinine_points(&[("0.5", 169), ("1.0", 100)], "1.2"), Ok(0));
    assert_eq!(creatinine_points(&[("2.0", 24)], "1.0"), Ok(0));
}

#[test]
fn creatinine_window_ends_to_the_microsecond() {
    let before = |micros: i64, baseline: &str, current: &str| {
        let chart = Chart::default()
            .and_value(Measure::Creatinine, decimal(baseline), -micros)
            .and(Measure::Creatinine, current, 0);
        part(&chart.score(MODEL).unwrap(), "creatinine").points
    };
    assert_eq!(before(48 * MICROS_PER_HOUR, "1.0", "1.3"), Ok(1));
    assert_eq!(before(48 * MICROS_PER_HOUR + 1, "1.0", "1.3"), Ok(0));
    assert_eq!(before(168 * MICROS_PER_HOUR, "1.0", "2.0"), Ok(2));
    assert_eq!(before(168 * MICROS_PER_HOUR + 1, "1.0", "2.0"), Err(Missing::Absent));
    // Two results of one instant are two samples of the same moment, not a rise.
    assert_eq!(before(0, "1.0", "2.0"), Err(Missing::Absent));
}

#[test]
fn molar_creatinine_meets_the_molar_limits() {
    let molar = |value: &str| Measure::Creatinine.normalise(decimal(value), "umol/L").unwrap();
    let cases = [
        ("88.4", "114.8", 24, 0),
        ("88.4", "114.9", 24, 1),
        ("100", "126", 24, 0),
        ("100", "127", 24, 1),
        ("100", "150", 72, 1),
        ("97", "145.5", 72, 1),
        ("97", "145.4", 72, 0),
        ("320", "353.6", 24, 3),
        ("320", "353.5", 24, 1),
    ];
    for (baseline, current, hours_ago, stage) in cases {
        let chart = Chart::default()
            .and_value(Measure::Creatinine, molar(baseline), -hours_ago * MICROS_PER_HOUR)
            .and_value(Measure::Creatinine, molar(current), 0);
        let score = chart.score(MODEL).unwrap();
        assert_eq!(part(&score, "creatinine").points, Ok(stage), "{baseline} -> {current}");
    }
}

#[test]
fn a_single_creatinine_is_not_stage_zero() {
    let chart = Chart::new(&[(Measure::Creatinine, "9.0")]);
    let score = chart.score(MODEL).unwrap();
    assert_eq!(part(&score, "creatinine").points, Err(Missing::Absent));
    assert_eq!(part(&score, "creatinine").inputs.len(), 1);
    assert_eq!(range(&score), ("0".into(), "3".into()));
    assert_eq!(score.band, Band::Normal);
}

#[test]
fn creatinine_inputs_are_current_baseline_and_recent() {
    let chart = Chart::default()
        .and(Measure::Creatinine, "1.0", 100 * 60)
        .and(Measure::Creatinine, "1.2", 24 * 60)
        .and(Measure::Creatinine, "1.5", 0);
    let score = chart.score(MODEL).unwrap();
    let values: Vec<_> =
        part(&score, "creatinine").inputs.iter().map(|input| input.value.to_string()).collect();
    assert_eq!(values, ["1.5", "1.0", "1.2"]);
}

/// A body of 100 kg with `hours` volumes of the same size, one every `spacing_minutes`.
fn urine(volume: &str, hours: i64, spacing_minutes: i64) -> Chart {
    (0..hours).fold(Chart::new(&[(Measure::BodyWeight, "100")]), |chart, hour| {
        chart.and(Measure::UrineOutput, volume, hour * spacing_minutes)
    })
}

fn urine_points(chart: &Chart) -> Result<i32, Missing> {
    part(&chart.score(MODEL).unwrap(), "urine-output").points
}

#[test]
fn urine_edges() {
    let cases = [
        ("49", 5, Err(Missing::Absent)),
        ("49", 6, Ok(1)),
        ("49", 11, Ok(1)),
        ("49", 12, Ok(2)),
        ("49.99", 6, Ok(1)),
        ("50", 6, Ok(0)),
        ("50", 24, Ok(0)),
        ("29", 23, Ok(2)),
        ("29", 24, Ok(3)),
        ("30", 24, Ok(2)),
        ("0", 6, Ok(1)),
        ("0", 11, Ok(1)),
        ("0", 12, Ok(3)),
        ("1", 12, Ok(2)),
    ];
    for (volume, hours, expected) in cases {
        assert_eq!(urine_points(&urine(volume, hours, 60)), expected, "{volume} mL, {hours} h");
    }
}

#[test]
fn urine_needs_hours_without_a_gap() {
    assert_eq!(urine_points(&urine("10", 6, 75)), Ok(1));
    assert_eq!(urine_points(&urine("10", 12, 76)), Err(Missing::Absent));
    let with_gap = (0..12)
        .filter(|hour| *hour != 8)
        .fold(Chart::new(&[(Measure::BodyWeight, "100")]), |chart, hour| {
            chart.and(Measure::UrineOutput, "0", hour * 60)
        });
    assert_eq!(urine_points(&with_gap), Ok(1));
}

#[test]
fn urine_needs_the_weight_except_for_anuria() {
    let without_weight = |chart: Chart| chart.without(Measure::BodyWeight);
    assert_eq!(urine_points(&without_weight(urine("10", 12, 60))), Err(Missing::Absent));
    assert_eq!(urine_points(&without_weight(urine("0", 12, 60))), Ok(3));
    let old_weight =
        without_weight(urine("10", 12, 60)).and(Measure::BodyWeight, "100", 366 * 24 * 60);
    let score = old_weight.score(MODEL).unwrap();
    assert_eq!(part(&score, "urine-output").points, Err(Missing::Stale));
    assert!(part(&score, "urine-output").inputs.iter().any(|i| i.measure == Measure::BodyWeight));
}

#[test]
fn old_urine_and_old_creatinine_are_stale() {
    let day = 24 * 60;
    let chart = (0..6).fold(Chart::new(&[(Measure::BodyWeight, "100")]), |chart, hour| {
        chart.and(Measure::UrineOutput, "10", day + 1 + hour * 60)
    });
    let chart =
        chart.and(Measure::Creatinine, "1", 7 * day + 1).and(Measure::Creatinine, "1", 8 * day);
    let score = chart.score(MODEL).unwrap();
    assert_eq!(part(&score, "urine-output").points, Err(Missing::Stale));
    assert_eq!(part(&score, "creatinine").points, Err(Missing::Stale));
}

#[test]
fn the_worse_part_is_the_stage() {
    let stage = |chart: Chart| {
        let score: Score = chart.score(MODEL).unwrap();
        (score.minimum, score.maximum, score.band)
    };
    let rise = |chart: Chart, current: &str| {
        chart.and(Measure::Creatinine, "1.0", 72 * 60).and(Measure::Creatinine, current, 0)
    };
    let cases = [
        (rise(urine("100", 24, 60), "1.0"), 0, 0, Band::Normal),
        (rise(urine("49", 12, 60), "1.5"), 2, 2, Band::High),
        (rise(urine("49", 6, 60), "3.0"), 3, 3, Band::High),
        (rise(urine("49", 6, 60), "1.0"), 1, 1, Band::Medium),
        (rise(Chart::default(), "1.5"), 1, 3, Band::Medium),
        (rise(Chart::default(), "3.0"), 3, 3, Band::High),
    ];
    for (chart, minimum, maximum, band) in cases {
        let expected = (Decimal::from(minimum), Decimal::from(maximum), band);
        assert_eq!(stage(chart.clone()), expected, "{chart:?}");
    }
}

#[test]
fn children_are_staged_too() {
    let chart = Chart::default().and(Measure::Creatinine, "0.4", 72 * 60).and(
        Measure::Creatinine,
        "0.8",
        0,
    );
    let child = Person { age_years: Some(3) };
    let score = evaluate(MODEL, &chart.values, crate::chart::NOW, &child).unwrap().to_score();
    assert_eq!(score.minimum, Decimal::TWO);
}

#[test]
fn the_stage_holds_while_no_new_creatinine_arrives() {
    let chart = Chart::default().and(Measure::Creatinine, "1.0", 96 * 60).and(
        Measure::Creatinine,
        "1.3",
        48 * 60,
    );
    let later = crate::chart::NOW.plus_micros(MICROS_PER_MINUTE);
    let score = evaluate(MODEL, &chart.values, later, &Person::default()).unwrap().to_score();
    assert_eq!(part(&score, "creatinine").points, Ok(1));
}
