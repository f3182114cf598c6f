//! The vectors of the publications, and what becomes of missing, old and corrected values.

use super::*;
use schema_types::clinical::{Code, Observation, ObservationStatus, ObservationValue, Provenance};
use schema_types::ids::ObservationId;
use schema_types::patient::PatientEvent;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

fn recorded(id: &str, measure: Measure, value: &str, seconds: i64) -> PatientEvent {
    let observation = Observation {
        id: ObservationId::new(id),
        code: Code::default(),
        category: String::new(),
        value: ObservationValue::Absent(String::new()),
        measured: Some((measure, value.parse().unwrap())),
        effective_at: at(seconds),
        status: ObservationStatus::Final,
        device: None,
        encounter: None,
        provenance: Provenance::default(),
        issues: Vec::new(),
    };
    PatientEvent::ObservationRecorded {
        observation: Box::new(observation),
        recorded_at: at(seconds),
        future_dated: false,
        as_resource: false,
    }
}

/// `text` is pairs such as `rr 16, o2sat 97`.
fn values(text: &str) -> Values {
    let mut values = Values::default();
    for (number, pair) in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()).enumerate()
    {
        let (name, value) = pair.split_once(' ').unwrap();
        let measure = match name {
            "rr" => Measure::RespiratoryRate,
            "sat" => Measure::OxygenSaturation,
            "flow" => Measure::OxygenFlow,
            "scale" => Measure::OxygenScale,
            "sbp" => Measure::SystolicPressure,
            "hr" => Measure::HeartRate,
            "acvpu" => Measure::Consciousness,
            "gcs" => Measure::GlasgowComaScale,
            "temp" => Measure::BodyTemperature,
            "co2" => Measure::ArterialCarbonDioxide,
            "wbc" => Measure::WhiteCells,
            "bands" => Measure::Bands,
            other => panic!("no measure {other}"),
        };
        values.take(&recorded(&format!("o{number}"), measure, value, 1_000));
    }
    values
}

fn total(model: ScoreModel, text: &str) -> (i64, bool) {
    let expected = expected(model, &values(text)).unwrap();
    (rounded(expected.minimum, 0), expected.complete)
}

const NORMAL: &str = "rr 16, sat 97, flow 0, sbp 120, hr 70, acvpu 0, temp 37.0";

/// The vectors of the reference: one parameter off a normal patient.
#[test]
fn news2_edges() {
    let cases: [(&str, &[(&str, i64)]); 6] = [
        (
            "rr",
            &[
                ("8", 3),
                ("9", 1),
                ("11", 1),
                ("12", 0),
                ("20", 0),
                ("20.5", 2),
                ("24", 2),
                ("25", 3),
            ],
        ),
        ("sat", &[("91", 3), ("92", 2), ("93", 2), ("94", 1), ("95", 1), ("96", 0)]),
        (
            "sbp",
            &[
                ("90", 3),
                ("91", 2),
                ("100", 2),
                ("101", 1),
                ("110", 1),
                ("111", 0),
                ("219", 0),
                ("220", 3),
            ],
        ),
        (
            "hr",
            &[
                ("40", 3),
                ("41", 1),
                ("50", 1),
                ("51", 0),
                ("90", 0),
                ("91", 1),
                ("110", 1),
                ("111", 2),
                ("130", 2),
                ("131", 3),
            ],
        ),
        (
            "temp",
            &[
                ("35.0", 3),
                ("35.1", 1),
                ("36.0", 1),
                ("36.1", 0),
                ("38.04", 0),
                ("38.05", 1),
                ("39.0", 1),
                ("39.1", 2),
            ],
        ),
        ("acvpu", &[("0", 0), ("1", 3), ("4", 3)]),
    ];
    for (name, vectors) in cases {
        for (value, points) in vectors {
            let rest = NORMAL.split(", ").filter(|pair| !pair.starts_with(name));
            let text = format!("{}, {name} {value}", rest.collect::<Vec<_>>().join(", "));
            assert_eq!(total(ScoreModel::News2, &text), (*points, true), "{name} {value}");
        }
    }
}

#[test]
fn news2_scale_2_and_composites() {
    let cases = [
        ("flow 0, sat 83", 3),
        ("flow 0, sat 88", 0),
        ("flow 0, sat 100", 0),
        ("flow 1, sat 83", 5),
        ("flow 1, sat 92", 2),
        ("flow 1, sat 93", 3),
        ("flow 1, sat 95", 4),
        ("flow 1, sat 97", 5),
    ];
    for (text, points) in cases {
        let text = format!("rr 16, sbp 120, hr 70, acvpu 0, temp 37, scale 2, {text}");
        assert_eq!(total(ScoreModel::News2, &text).0, points, "{text}");
    }
    let composite = "rr 24, sat 95, flow 2, sbp 105, hr 112, acvpu 0, temp 38.5";
    assert_eq!(total(ScoreModel::News2, composite), (9, true));
    assert_eq!(total(ScoreModel::News2, &format!("{composite}, scale 2")), (10, true));
    let worst = "rr 25, sat 80, flow 2, sbp 80, hr 140, acvpu 4, temp 34";
    assert_eq!(total(ScoreModel::News2, worst), (20, true));
}

#[test]
fn bands_and_what_is_missing() {
    let red = expected(ScoreModel::News2, &values("rr 25")).unwrap();
    assert_eq!((red.band, red.complete), (Band::LowMedium, false));
    assert_eq!((red.minimum, red.maximum), (Decimal::from(3), Decimal::from(20)));
    assert_eq!(expected(ScoreModel::News2, &values("scale 2")), None);
    assert_eq!(expected(ScoreModel::Qsofa, &values("temp 40")), None);
    let mut stale = values("rr 25");
    stale.take(&recorded("late", Measure::HeartRate, "70", 1_001 + 12 * 3_600));
    let stale = expected(ScoreModel::News2, &stale).unwrap();
    assert_eq!((stale.minimum, stale.complete), (Decimal::ZERO, false));
}

#[test]
fn qsofa_sirs_and_shock_index_edges() {
    let cases = [
        (ScoreModel::Qsofa, "rr 21, sbp 101, gcs 15", 0),
        (ScoreModel::Qsofa, "rr 22, sbp 100, gcs 14", 3),
        (ScoreModel::Qsofa, "rr 22, sbp 101, gcs 15, acvpu 1", 2),
        (ScoreModel::Sirs, "temp 38.0, hr 90, rr 20, wbc 12.0", 0),
        (ScoreModel::Sirs, "temp 38.1, hr 91, rr 21, wbc 12.1", 4),
        (ScoreModel::Sirs, "temp 35.9, hr 60, co2 31.9, wbc 3.9", 3),
        (ScoreModel::Sirs, "temp 36.0, hr 60, co2 32, bands 10", 0),
        (ScoreModel::Sirs, "temp 36.0, hr 60, rr 12, wbc 5, bands 11", 1),
    ];
    for (model, text, points) in cases {
        assert_eq!(total(model, text), (points, true), "{text}");
    }
    let cases = [("hr 89, sbp 100", Band::Normal), ("hr 90, sbp 100", Band::Medium)];
    for (text, band) in cases.into_iter().chain([("hr 100, sbp 100", Band::High)]) {
        assert_eq!(expected(ScoreModel::ShockIndex, &values(text)).unwrap().band, band, "{text}");
    }
    let third = expected(ScoreModel::ShockIndex, &values("hr 100, sbp 150")).unwrap();
    assert_eq!(third.minimum, Decimal::new(67, 2));
}

#[test]
fn corrections_and_withdrawals_count() {
    let mut values = values("rr 25");
    values.take(&recorded("o0", Measure::RespiratoryRate, "16", 1_000));
    assert_eq!(expected(ScoreModel::News2, &values).unwrap().minimum, Decimal::ZERO);
    let mut gone = recorded("o0", Measure::RespiratoryRate, "16", 1_000);
    if let PatientEvent::ObservationRecorded { observation, .. } = &mut gone {
        observation.status = ObservationStatus::Withdrawn;
    }
    values.take(&gone);
    assert_eq!(expected(ScoreModel::News2, &values), None);
}
