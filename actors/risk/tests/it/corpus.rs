//! Independent vectors, written from the published tables by somebody else, outside the
//! repository.

use crate::chart::{Chart, decimal, part};
use rust_decimal::Decimal;
use schema_types::measure::Measure;
use schema_types::score::{Band, Score, ScoreModel};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The text of a vector file, or nothing where the corpus is not at hand.
#[expect(clippy::disallowed_methods, reason = "tests find the corpus by environment")]
fn vectors(name: &str) -> Option<String> {
    let Ok(corpus) = std::env::var("MEDULLA_CORPUS") else {
        println!("skipped: MEDULLA_CORPUS is not set");
        return None;
    };
    let path = PathBuf::from(corpus).join("risk-vectors").join(name);
    Some(std::fs::read_to_string(path).unwrap())
}

/// Rows by column name.
fn rows(text: &str, separator: char) -> Vec<BTreeMap<&str, &str>> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(separator).collect();
    lines.map(|line| header.iter().copied().zip(line.split(separator)).collect()).collect()
}

fn news2(row: &BTreeMap<&str, &str>, columns: &[(&str, Measure)]) -> Chart {
    let values: Vec<_> = columns.iter().map(|(column, measure)| (*measure, row[column])).collect();
    Chart::new(&values)
}

/// The files call a total of 0 low.
fn band_name(band: Band) -> &'static str {
    match band {
        Band::Normal | Band::Low => "low",
        Band::LowMedium => "low-medium",
        Band::Medium => "medium",
        Band::High => "high",
    }
}

fn has_red(score: &Score) -> &'static str {
    if score.parts.iter().any(|part| part.points == Ok(3)) { "1" } else { "0" }
}

#[test]
fn news2_vectors_with_every_part() {
    let Some(text) = vectors("news2-vectors.tsv") else {
        return;
    };
    let columns = [
        ("spo2_scale", Measure::OxygenScale),
        ("resp_rate", Measure::RespiratoryRate),
        ("spo2", Measure::OxygenSaturation),
        ("suppl_o2", Measure::OxygenFlow),
        ("temp_c", Measure::BodyTemperature),
        ("sbp", Measure::SystolicPressure),
        ("pulse", Measure::HeartRate),
    ];
    let parts = [
        ("p_rr", "respiratory-rate"),
        ("p_spo2", "oxygen-saturation"),
        ("p_o2", "supplemental-oxygen"),
        ("p_temp", "temperature"),
        ("p_sbp", "systolic-pressure"),
        ("p_pulse", "heart-rate"),
        ("p_acvpu", "consciousness"),
    ];
    let rows = rows(&text, '\t');
    for row in &rows {
        let level = "ACVPU".find(row["acvpu"]).unwrap().to_string();
        let chart = news2(row, &columns).with(Measure::Consciousness, &level);
        let case = row["case"];
        assert_eq!(chart.total(ScoreModel::News2), decimal(row["total"]), "case {case}");
        let score = chart.score(ScoreModel::News2).unwrap();
        for (column, parameter) in parts {
            let points = part(&score, parameter).points.unwrap().to_string();
            assert_eq!(points, row[column], "case {case} {parameter}");
        }
        assert_eq!(has_red(&score), row["any_single_3"], "case {case}");
        assert_eq!(band_name(score.band), row["band"], "case {case}");
    }
    assert!(!rows.is_empty());
    println!("news2: {} rows agree", rows.len());
}

#[test]
fn news2_of_synthetic_ward_vitals() {
    let Some(text) = vectors("synthetic-news-vitals.csv") else {
        return;
    };
    let columns = [
        ("resp", Measure::RespiratoryRate),
        ("sat", Measure::OxygenSaturation),
        ("sup", Measure::OxygenFlow),
        ("temp", Measure::BodyTemperature),
        ("syst", Measure::SystolicPressure),
        ("pulse", Measure::HeartRate),
    ];
    let rows = rows(&text, ',');
    for row in &rows {
        let level = if row["alert"] == "0" { "0" } else { "2" };
        let chart = news2(row, &columns).with(Measure::Consciousness, level);
        let name = row["row"];
        let expected = decimal(row["news2_scale1_expected"]);
        assert_eq!(chart.total(ScoreModel::News2), expected, "row {name}");
        let score = chart.score(ScoreModel::News2).unwrap();
        assert_eq!(has_red(&score), row["any3"], "row {name}");
        assert_eq!(band_name(score.band), row["band"], "row {name}");
    }
    assert!(!rows.is_empty());
    println!("ward vitals: {} rows agree", rows.len());
}

/// The values of a flat JSON object of numbers, booleans and nulls.
fn flat_json(text: &str) -> BTreeMap<&str, &str> {
    let inner = text.trim().trim_start_matches('{').trim_end_matches('}');
    let fields = inner.split(", ").map(|field| field.split_once(": ").unwrap());
    fields.map(|(name, value)| (name.trim_matches('"'), value)).collect()
}

fn criteria_measure(name: &str) -> Measure {
    match name {
        "rr" => Measure::RespiratoryRate,
        "sbp" => Measure::SystolicPressure,
        "gcs" => Measure::GlasgowComaScale,
        "temp" => Measure::BodyTemperature,
        "hr" => Measure::HeartRate,
        "paco2" => Measure::ArterialCarbonDioxide,
        "wbc" => Measure::WhiteCells,
        "bands_pct" => Measure::Bands,
        other => panic!("unknown input {other}"),
    }
}

#[test]
fn qsofa_and_sirs_vectors() {
    let Some(text) = vectors("qsofa-sirs-sofa-vectors.tsv") else {
        return;
    };
    let mut agreed = BTreeMap::new();
    let mut out_of_scope = 0;
    for row in rows(&text, '\t') {
        let model = match row["score"] {
            "qsofa" => ScoreModel::Qsofa,
            "sirs" => ScoreModel::Sirs,
            _ => {
                out_of_scope += 1;
                continue;
            }
        };
        let inputs = row["inputs_json"];
        let values: Vec<(Measure, &str)> = flat_json(inputs)
            .into_iter()
            .filter(|(_, value)| *value != "null")
            .map(|(name, value)| (criteria_measure(name), value))
            .collect();
        let total: Decimal = Chart::new(&values).total(model);
        assert_eq!(total, decimal(row["expected"]), "{model:?} {inputs}");
        *agreed.entry(model.label()).or_insert(0) += 1;
    }
    assert_eq!(agreed.len(), 2);
    println!("{agreed:?} rows agree; {out_of_scope} SOFA rows are out of scope");
}
