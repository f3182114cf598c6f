//! A small patient history for tests: values by age.

use actors_risk::{Person, evaluate};
use rust_decimal::Decimal;
use schema_types::clinical::Origin;
use schema_types::history::Series;
use schema_types::ids::{ObservationId, SourceId};
use schema_types::measure::Measure;
use schema_types::patient::MeasuredValue;
use schema_types::score::{Score, ScoreModel, ScorePart};
use schema_types::time::{MICROS_PER_MINUTE, Timestamp};
use std::collections::BTreeMap;

/// The instant at which every test evaluates.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

pub(crate) fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Chart {
    pub(crate) values: BTreeMap<Measure, Series>,
}

impl Chart {
    pub(crate) fn new(values: &[(Measure, &str)]) -> Self {
        values.iter().fold(Self::default(), |chart, (measure, text)| chart.with(*measure, text))
    }

    /// Everything that NEWS2 reads, without points.
    pub(crate) fn news2_baseline() -> Self {
        Self::new(&[
            (Measure::RespiratoryRate, "16"),
            (Measure::OxygenSaturation, "97"),
            (Measure::OxygenFlow, "0"),
            (Measure::SystolicPressure, "120"),
            (Measure::HeartRate, "70"),
            (Measure::Consciousness, "0"),
            (Measure::BodyTemperature, "37.0"),
        ])
    }

    /// Replaces whatever was known of the measure by one value of this minute.
    pub(crate) fn with(mut self, measure: Measure, text: &str) -> Self {
        self.values.remove(&measure);
        self.and(measure, text, 0)
    }

    /// Adds a value observed some minutes ago.
    pub(crate) fn and(self, measure: Measure, text: &str, minutes_ago: i64) -> Self {
        self.and_value(measure, decimal(text), -minutes_ago * MICROS_PER_MINUTE)
    }

    pub(crate) fn and_value(mut self, measure: Measure, value: Decimal, micros: i64) -> Self {
        let effective_at = NOW.plus_micros(micros);
        let values = self.values.entry(measure).or_default();
        let place = values.partition_point(|other| other.effective_at <= effective_at);
        let name = format!("{}@{}", measure.label(), effective_at.unix_micros());
        let measured = MeasuredValue {
            value,
            effective_at,
            recorded_at: effective_at,
            observation: ObservationId::new(name),
            future_dated: false,
            provenance: Origin { source: SourceId::new("test"), ..Origin::default() },
        };
        values.insert(place, measured);
        self
    }

    pub(crate) fn without(mut self, measure: Measure) -> Self {
        self.values.remove(&measure);
        self
    }

    pub(crate) fn score(&self, model: ScoreModel) -> Option<Score> {
        evaluate(model, &self.values, NOW, &Person::default()).map(|found| found.to_score())
    }

    /// The total of a complete result.
    pub(crate) fn total(&self, model: ScoreModel) -> Decimal {
        let score = self.score(model).unwrap();
        assert!(score.is_complete(), "{score:?}");
        assert_eq!(score.minimum, score.maximum, "{score:?}");
        score.minimum
    }
}

pub(crate) fn part<'a>(score: &'a Score, parameter: &str) -> &'a ScorePart {
    score.parts.iter().find(|part| part.parameter == parameter).unwrap()
}

/// Minimum and maximum as text.
pub(crate) fn range(score: &Score) -> (String, String) {
    (score.minimum.to_string(), score.maximum.to_string())
}
