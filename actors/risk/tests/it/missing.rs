//! Missing is not zero, old is not fresh, and nothing is not a score.

use crate::chart::{Chart, NOW, part, range};
use actors_risk::{History, Person, evaluate};
use schema_types::measure::Measure;
use schema_types::score::{Band, Missing, ScoreModel};
use schema_types::time::MICROS_PER_MINUTE;

const HOUR: i64 = 60;

#[test]
fn nothing_observed_is_no_score() {
    let settings = Chart::new(&[(Measure::OxygenScale, "2"), (Measure::BodyWeight, "80")]);
    let unrelated = Chart::new(&[(Measure::Sodium, "140")]);
    for model in ScoreModel::ALL {
        assert_eq!(Chart::default().score(*model), None, "{model:?}");
        assert_eq!(settings.score(*model), None, "{model:?}");
        assert_eq!(unrelated.score(*model), None, "{model:?}");
    }
}

#[test]
fn one_input_gives_the_range_of_all_others() {
    let cases = [
        (ScoreModel::News2, Measure::HeartRate, "131", "3", "20", Band::LowMedium),
        (ScoreModel::News2, Measure::HeartRate, "70", "0", "17", Band::Normal),
        (ScoreModel::News2, Measure::OxygenFlow, "2", "2", "20", Band::Low),
        (ScoreModel::Mews, Measure::HeartRate, "130", "3", "14", Band::Normal),
        (ScoreModel::Mews, Measure::BodyTemperature, "37", "0", "12", Band::Normal),
        (ScoreModel::Qsofa, Measure::RespiratoryRate, "22", "1", "3", Band::Normal),
        (ScoreModel::Sirs, Measure::Bands, "11", "1", "4", Band::Normal),
        (ScoreModel::ShockIndex, Measure::HeartRate, "70", "0.20", "70", Band::Normal),
        (ScoreModel::ShockIndex, Measure::HeartRate, "349", "1.00", "349", Band::Medium),
        (ScoreModel::ShockIndex, Measure::SystolicPressure, "100", "0.01", "3.50", Band::Normal),
    ];
    for (model, measure, value, minimum, maximum, band) in cases {
        let score = Chart::new(&[(measure, value)]).score(model).unwrap();
        assert_eq!(score.minimum, minimum.parse().unwrap(), "{model:?} {measure:?}");
        assert_eq!(score.maximum, maximum.parse().unwrap(), "{model:?} {measure:?}");
        assert_eq!(score.band, band, "{model:?} {measure:?}");
        assert!(!score.is_complete());
    }
}

#[test]
fn stale_values_are_named_and_not_scored() {
    let respiratory_rate = Measure::RespiratoryRate;
    let fresh =
        Chart::news2_baseline().without(respiratory_rate).and(respiratory_rate, "30", 12 * HOUR);
    assert_eq!(range(&fresh.score(ScoreModel::News2).unwrap()), ("3".into(), "3".into()));

    let stale = Chart::news2_baseline().without(respiratory_rate).and_value(
        respiratory_rate,
        30.into(),
        -12 * HOUR * MICROS_PER_MINUTE - 1,
    );
    let score = stale.score(ScoreModel::News2).unwrap();
    let part = part(&score, "respiratory-rate");
    assert_eq!(part.points, Err(Missing::Stale));
    assert_eq!(part.inputs[0].value, 30.into());
    assert_eq!(range(&score), ("0".into(), "3".into()));
    assert_eq!(score.band, Band::Normal);
}

#[test]
fn only_stale_input_is_still_a_result() {
    let chart = Chart::default().and(Measure::HeartRate, "140", 13 * HOUR).and(
        Measure::SystolicPressure,
        "80",
        13 * HOUR,
    );
    let score = chart.score(ScoreModel::ShockIndex).unwrap();
    assert_eq!(score.parts[0].points, Err(Missing::Stale));
    assert_eq!(score.parts[0].inputs.len(), 2);
    assert_eq!(score.band, Band::Normal);
    let score = chart.score(ScoreModel::News2).unwrap();
    assert_eq!(range(&score), ("0".into(), "20".into()));
}

#[test]
fn oxygen_unknown_on_scale_2_gives_a_range() {
    let unknown = |saturation: &str| {
        Chart::news2_baseline()
            .without(Measure::OxygenFlow)
            .with(Measure::OxygenScale, "2")
            .with(Measure::OxygenSaturation, saturation)
    };
    let cases = [
        ("80", Ok(3), "3", "5"),
        ("85", Ok(2), "2", "4"),
        ("90", Ok(0), "0", "2"),
        ("92", Ok(0), "0", "2"),
        ("93", Err(Missing::Absent), "0", "3"),
        ("95", Err(Missing::Absent), "0", "4"),
        ("97", Err(Missing::Absent), "0", "5"),
    ];
    for (saturation, points, minimum, maximum) in cases {
        let score = unknown(saturation).score(ScoreModel::News2).unwrap();
        assert_eq!(part(&score, "oxygen-saturation").points, points, "{saturation}");
        assert_eq!(range(&score), (minimum.into(), maximum.into()), "{saturation}");
    }
    let stale = unknown("95").and(Measure::OxygenFlow, "2", 13 * HOUR);
    let score = stale.score(ScoreModel::News2).unwrap();
    let saturation = part(&score, "oxygen-saturation");
    assert_eq!(saturation.points, Err(Missing::Stale));
    let inputs: Vec<_> = saturation.inputs.iter().map(|input| input.measure).collect();
    assert_eq!(inputs, [Measure::OxygenSaturation, Measure::OxygenFlow, Measure::OxygenScale]);
    assert_eq!(part(&score, "supplemental-oxygen").points, Err(Missing::Stale));
}

#[test]
fn the_oxygen_scale_of_last_year_no_longer_holds() {
    let on_scale = |days: i64| {
        Chart::news2_baseline()
            .with(Measure::OxygenSaturation, "90")
            .and(Measure::OxygenScale, "2", days * 24 * HOUR)
            .total(ScoreModel::News2)
    };
    assert_eq!(on_scale(365), 0.into());
    assert_eq!(on_scale(366), 3.into());
}

#[test]
fn either_fresh_input_of_a_shared_part_is_enough() {
    let chart = Chart::default()
        .and(Measure::WhiteCells, "20", 25 * HOUR)
        .and(Measure::Bands, "5", 0)
        .and(Measure::GlasgowComaScale, "3", 13 * HOUR)
        .and(Measure::Consciousness, "0", 1);
    let score = chart.score(ScoreModel::Sirs).unwrap();
    let white_cells = part(&score, "white-cells");
    assert_eq!(white_cells.points, Ok(0));
    assert_eq!(white_cells.inputs.len(), 1);
    let score = chart.score(ScoreModel::Qsofa).unwrap();
    assert_eq!(part(&score, "altered-mentation").points, Ok(0));

    let old = Chart::default().and(Measure::WhiteCells, "20", 25 * HOUR);
    let score = old.score(ScoreModel::Sirs).unwrap();
    assert_eq!(part(&score, "white-cells").points, Err(Missing::Stale));
    assert_eq!(part(&score, "ventilation").points, Err(Missing::Absent));
}

#[test]
fn what_came_later_is_not_seen() {
    let chart = Chart::news2_baseline().and(Measure::HeartRate, "140", -1);
    assert_eq!(chart.total(ScoreModel::News2), 0.into());
    let after = NOW.plus_micros(MICROS_PER_MINUTE);
    let score = evaluate(ScoreModel::News2, &chart.values, after, &Person::default());
    let score = score.unwrap().to_score();
    assert_eq!(score.minimum, 3.into());
    assert_eq!(score.as_of, after);
}

#[test]
fn a_window_excludes_its_start_and_includes_its_end() {
    let chart = [3, 2, 1, 0].into_iter().fold(Chart::default(), |chart, minutes_ago| {
        chart.and(Measure::HeartRate, &format!("7{minutes_ago}"), minutes_ago)
    });
    let at = |minutes_ago: i64| NOW.plus_micros(-minutes_ago * MICROS_PER_MINUTE);
    let values = |from, to| -> Vec<String> {
        let inside = chart.values.between(Measure::HeartRate, at(from), at(to));
        inside.map(|value| value.value.to_string()).collect()
    };
    assert_eq!(values(3, 1), ["72", "71"]);
    assert_eq!(values(4, 3), ["73"]);
    assert!(values(1, 1).is_empty());
    assert!(values(9, 5).is_empty());
    let newest = chart.values.newest(Measure::HeartRate, at(1)).unwrap();
    assert_eq!(newest.value.to_string(), "71");
}

#[test]
fn implausible_values_are_never_scored() {
    let cases = [
        (Measure::RespiratoryRate, "81"),
        (Measure::OxygenSaturation, "101"),
        (Measure::SystolicPressure, "0"),
        (Measure::HeartRate, "-1"),
    ];
    for (measure, value) in cases {
        let score = Chart::news2_baseline().with(measure, value).score(ScoreModel::News2).unwrap();
        let missing = score.parts.iter().find(|part| part.points.is_err()).unwrap();
        assert_eq!(missing.points, Err(Missing::Absent), "{measure:?}");
        assert_eq!(range(&score), ("0".into(), "3".into()), "{measure:?}");
    }
    let no_pressure = Chart::new(&[(Measure::HeartRate, "70"), (Measure::SystolicPressure, "0")]);
    assert!(!no_pressure.score(ScoreModel::ShockIndex).unwrap().is_complete());
}

#[test]
fn adult_models_are_not_for_children() {
    let chart = Chart::news2_baseline();
    for (age_years, has_score) in [(Some(15), false), (Some(16), true), (None, true)] {
        for model in [
            ScoreModel::News2,
            ScoreModel::Mews,
            ScoreModel::Qsofa,
            ScoreModel::Sirs,
            ScoreModel::ShockIndex,
        ] {
            let score = evaluate(model, &chart.values, NOW, &Person { age_years });
            assert_eq!(score.is_some(), has_score, "{model:?} {age_years:?}");
        }
    }
}
