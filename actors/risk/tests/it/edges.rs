//! Both sides of every edge of the tables, and the composite examples. Vectors are
//! `value points`, one parameter away from a baseline without points.

use crate::chart::{Chart, decimal, part};
use actors_risk::{AlteredMentation, Options, Person, evaluate_with};
use rust_decimal::Decimal;
use schema_types::measure::Measure;
use schema_types::score::{Band, ScoreModel};

fn check_edges(model: ScoreModel, baseline: &Chart, vectors: &[(Measure, &str)]) {
    for (measure, edges) in vectors {
        for edge in edges.split(", ") {
            let (value, points) = edge.split_once(' ').unwrap();
            let total = baseline.clone().with(*measure, value).total(model);
            assert_eq!(total, decimal(points), "{model:?} {measure:?} {value}");
        }
    }
}

#[test]
fn news2_edges() {
    let vectors = [
        (Measure::RespiratoryRate, "8 3, 9 1, 11 1, 12 0, 20 0, 21 2, 24 2, 25 3"),
        (Measure::OxygenSaturation, "91 3, 92 2, 93 2, 94 1, 95 1, 96 0, 100 0"),
        (Measure::SystolicPressure, "90 3, 91 2, 100 2, 101 1, 110 1, 111 0, 219 0, 220 3"),
        (Measure::HeartRate, "40 3, 41 1, 50 1, 51 0, 90 0, 91 1, 110 1, 111 2, 130 2, 131 3"),
        (
            Measure::BodyTemperature,
            "35.0 3, 35.1 1, 36.0 1, 36.1 0, 38.0 0, 38.1 1, 39.0 1, 39.1 2",
        ),
        (Measure::Consciousness, "0 0, 1 3, 2 3, 3 3, 4 3"),
        (Measure::OxygenFlow, "0 0, 0.25 2, 15 2"),
    ];
    check_edges(ScoreModel::News2, &Chart::news2_baseline(), &vectors);
}

#[test]
fn news2_oxygen_scale_2_edges() {
    let on_air = Chart::news2_baseline().with(Measure::OxygenScale, "2");
    let on_oxygen = on_air.clone().with(Measure::OxygenFlow, "2");
    let air = "83 3, 84 2, 85 2, 86 1, 87 1, 88 0, 92 0, 93 0, 95 0, 97 0, 100 0";
    let oxygen = "83 5, 84 4, 85 4, 86 3, 87 3, 88 2, 92 2, 93 3, 94 3, 95 4, 96 4, 97 5, 100 5";
    check_edges(ScoreModel::News2, &on_air, &[(Measure::OxygenSaturation, air)]);
    check_edges(ScoreModel::News2, &on_oxygen, &[(Measure::OxygenSaturation, oxygen)]);
}

#[test]
fn news2_oxygen_by_fraction_and_by_the_newer_of_the_two() {
    let model = ScoreModel::News2;
    let none = Chart::news2_baseline().without(Measure::OxygenFlow);
    for (fraction, points) in [("21", 0), ("20.9", 0), ("21.4", 0), ("21.5", 2), ("28", 2)] {
        let chart = none.clone().with(Measure::InspiredOxygen, fraction);
        assert_eq!(chart.total(model), Decimal::from(points), "{fraction}");
    }
    let cases = [("0", 0, "28", 5, 0), ("0", 5, "28", 0, 2), ("2", 5, "21", 0, 0)];
    for (flow, flow_age, fraction, fraction_age, points) in cases {
        let chart = none.clone().and(Measure::OxygenFlow, flow, flow_age).and(
            Measure::InspiredOxygen,
            fraction,
            fraction_age,
        );
        assert_eq!(chart.total(model), Decimal::from(points), "{flow} {fraction}");
    }
    let same_instant = none.with(Measure::OxygenFlow, "0").with(Measure::InspiredOxygen, "40");
    assert_eq!(same_instant.total(model), Decimal::TWO);
}

#[test]
fn news2_composites_and_bands() {
    let ill = Chart::new(&[
        (Measure::RespiratoryRate, "24"),
        (Measure::OxygenSaturation, "95"),
        (Measure::OxygenFlow, "4"),
        (Measure::SystolicPressure, "105"),
        (Measure::HeartRate, "112"),
        (Measure::Consciousness, "0"),
        (Measure::BodyTemperature, "38.5"),
    ]);
    let worst = Chart::new(&[
        (Measure::RespiratoryRate, "25"),
        (Measure::OxygenSaturation, "80"),
        (Measure::OxygenFlow, "15"),
        (Measure::SystolicPressure, "80"),
        (Measure::HeartRate, "140"),
        (Measure::Consciousness, "4"),
        (Measure::BodyTemperature, "34.0"),
    ]);
    let well = Chart::news2_baseline();
    let low = well.clone().with(Measure::HeartRate, "91");
    let four = well.clone().with(Measure::HeartRate, "111").with(Measure::OxygenFlow, "2");
    let six = four.clone().with(Measure::RespiratoryRate, "21");
    let seven = six.clone().with(Measure::BodyTemperature, "38.1");
    let red = well.clone().with(Measure::RespiratoryRate, "25");
    let red_four = red.clone().with(Measure::HeartRate, "91");
    let medium = red.clone().with(Measure::HeartRate, "111");
    let cases = [
        (ill.clone().with(Measure::OxygenScale, "2"), 10, Band::High),
        (ill.clone().with(Measure::OxygenScale, "1"), 9, Band::High),
        (ill, 9, Band::High),
        (worst, 20, Band::High),
        (well, 0, Band::Normal),
        (low, 1, Band::Low),
        (four, 4, Band::Low),
        (six, 6, Band::Medium),
        (seven, 7, Band::High),
        (red_four, 4, Band::LowMedium),
        (red, 3, Band::LowMedium),
        (medium, 5, Band::Medium),
    ];
    for (chart, total, band) in cases {
        let score = chart.score(ScoreModel::News2).unwrap();
        assert_eq!((score.minimum, score.band), (Decimal::from(total), band), "{score:?}");
    }
}

#[test]
fn news2_names_what_it_used_and_in_which_order() {
    let chart = Chart::news2_baseline().with(Measure::OxygenScale, "2");
    let score = chart.score(ScoreModel::News2).unwrap();
    let names: Vec<_> = score.parts.iter().map(|part| part.parameter).collect();
    assert_eq!(
        names,
        [
            "respiratory-rate",
            "oxygen-saturation",
            "supplemental-oxygen",
            "systolic-pressure",
            "heart-rate",
            "consciousness",
            "temperature"
        ]
    );
    let used: Vec<_> =
        part(&score, "oxygen-saturation").inputs.iter().map(|input| input.measure).collect();
    assert_eq!(used, [Measure::OxygenSaturation, Measure::OxygenScale]);
    let known = |name: &&str| schema_types::score::PARAMETERS.contains(name);
    for model in ScoreModel::ALL {
        let chart = chart.clone().with(Measure::Creatinine, "1.0").with(Measure::Bands, "1");
        let score = chart.score(*model).unwrap();
        assert!(score.parts.iter().map(|part| part.parameter).all(|name| known(&name)));
    }
}

#[test]
fn mews_edges() {
    let baseline = Chart::new(&[
        (Measure::RespiratoryRate, "12"),
        (Measure::SystolicPressure, "120"),
        (Measure::HeartRate, "70"),
        (Measure::Consciousness, "0"),
        (Measure::BodyTemperature, "37.0"),
    ]);
    let vectors = [
        (Measure::SystolicPressure, "70 3, 71 2, 80 2, 81 1, 100 1, 101 0, 199 0, 200 2"),
        (
            Measure::HeartRate,
            "39 2, 40 2, 41 1, 50 1, 51 0, 100 0, 101 1, 110 1, 111 2, 129 2, 130 3",
        ),
        (Measure::RespiratoryRate, "8 2, 9 0, 14 0, 15 1, 20 1, 21 2, 29 2, 30 3"),
        (Measure::BodyTemperature, "34.9 2, 34.94 2, 34.95 0, 35.0 0, 38.4 0, 38.45 2, 38.5 2"),
        (Measure::Consciousness, "0 0, 1 1, 2 1, 3 2, 4 3"),
    ];
    check_edges(ScoreModel::Mews, &baseline, &vectors);
    let worst = Chart::new(&[
        (Measure::RespiratoryRate, "30"),
        (Measure::SystolicPressure, "70"),
        (Measure::HeartRate, "130"),
        (Measure::Consciousness, "4"),
        (Measure::BodyTemperature, "34.0"),
    ]);
    assert_eq!(worst.total(ScoreModel::Mews), Decimal::from(14));
}

#[test]
fn qsofa_edges() {
    let baseline = Chart::new(&[
        (Measure::RespiratoryRate, "16"),
        (Measure::SystolicPressure, "120"),
        (Measure::GlasgowComaScale, "15"),
    ]);
    let vectors = [
        (Measure::RespiratoryRate, "21 0, 21.4 0, 21.5 1, 22 1"),
        (Measure::SystolicPressure, "100 1, 100.4 1, 100.5 0, 101 0"),
        (Measure::GlasgowComaScale, "15 0, 14 1, 3 1"),
        (Measure::Consciousness, "0 0, 1 1, 4 1"),
    ];
    check_edges(ScoreModel::Qsofa, &baseline, &vectors);
    let by_words = baseline.without(Measure::GlasgowComaScale).with(Measure::Consciousness, "1");
    assert_eq!(by_words.total(ScoreModel::Qsofa), Decimal::ONE);
}

#[test]
fn qsofa_by_the_derivation_rule_has_its_own_version() {
    let options = Options { altered_mentation: AlteredMentation::AtMost13 };
    for (gcs, points) in [("15", 0), ("14", 0), ("13", 1)] {
        let chart = Chart::new(&[
            (Measure::RespiratoryRate, "16"),
            (Measure::SystolicPressure, "120"),
            (Measure::GlasgowComaScale, gcs),
        ]);
        let person = Person::default();
        let model = ScoreModel::Qsofa;
        let now = crate::chart::NOW;
        let score = evaluate_with(model, &chart.values, now, &person, options).unwrap();
        let score = score.to_score();
        assert_eq!(score.minimum, Decimal::from(points), "{gcs}");
        assert_ne!(score.model_version, chart.score(model).unwrap().model_version);
    }
}

#[test]
fn sirs_edges() {
    let baseline = Chart::new(&[
        (Measure::BodyTemperature, "37.0"),
        (Measure::HeartRate, "70"),
        (Measure::RespiratoryRate, "16"),
        (Measure::WhiteCells, "8"),
    ]);
    let vectors = [
        (Measure::BodyTemperature, "38.0 0, 38.04 0, 38.05 1, 38.1 1, 36.0 0, 35.95 0, 35.9 1"),
        (Measure::HeartRate, "90 0, 91 1"),
        (Measure::RespiratoryRate, "20 0, 21 1"),
        (Measure::ArterialCarbonDioxide, "32 0, 31.9 1"),
        (Measure::WhiteCells, "12.0 0, 12.04 1, 12.1 1, 4.0 0, 3.9 1"),
        (Measure::Bands, "10 0, 11 1"),
    ];
    check_edges(ScoreModel::Sirs, &baseline, &vectors);
    let both = baseline.with(Measure::WhiteCells, "13").with(Measure::Bands, "12");
    assert_eq!(both.total(ScoreModel::Sirs), Decimal::ONE);
}

#[test]
fn shock_index_is_banded_by_the_exact_ratio() {
    let cases = [
        ("70", "120", "0.58", Band::Normal, 0),
        ("60", "120", "0.50", Band::Normal, 0),
        ("89", "100", "0.89", Band::Normal, 0),
        ("179", "200", "0.90", Band::Normal, 0),
        ("90", "100", "0.90", Band::Medium, 1),
        ("63", "70", "0.90", Band::Medium, 1),
        ("81", "90", "0.90", Band::Medium, 1),
        ("199", "200", "1.00", Band::Medium, 1),
        ("100", "100", "1.00", Band::High, 2),
        ("140", "80", "1.75", Band::High, 2),
        ("1", "8", "0.13", Band::Normal, 0),
    ];
    for (heart_rate, pressure, shown, band, points) in cases {
        let chart =
            Chart::new(&[(Measure::HeartRate, heart_rate), (Measure::SystolicPressure, pressure)]);
        assert_eq!(chart.total(ScoreModel::ShockIndex), decimal(shown), "{heart_rate}/{pressure}");
        let score = chart.score(ScoreModel::ShockIndex).unwrap();
        assert_eq!(score.band, band, "{heart_rate}/{pressure}");
        assert_eq!(score.parts[0].points, Ok(points), "{heart_rate}/{pressure}");
    }
}

#[test]
fn values_are_rounded_half_away_from_zero_before_scoring() {
    let vectors = [
        (Measure::RespiratoryRate, "20.4 0, 20.5 2, 8.5 1, 8.4 3"),
        (Measure::BodyTemperature, "38.04 0, 38.05 1, 35.04 3, 35.05 1"),
        (Measure::OxygenSaturation, "95.4 1, 95.5 0"),
    ];
    check_edges(ScoreModel::News2, &Chart::news2_baseline(), &vectors);
    let fahrenheit = [("100.4", 0), ("100.5", 1)];
    for (value, points) in fahrenheit {
        let celsius = Measure::BodyTemperature.normalise(decimal(value), "[degF]").unwrap();
        let chart = Chart::news2_baseline().without(Measure::BodyTemperature).and_value(
            Measure::BodyTemperature,
            celsius,
            0,
        );
        assert_eq!(chart.total(ScoreModel::News2), Decimal::from(points), "{value} [degF]");
        let score = chart.score(ScoreModel::News2).unwrap();
        assert_eq!(part(&score, "temperature").inputs[0].value, celsius);
    }
}
