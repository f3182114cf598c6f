//! Scores as data: what a risk model said, from exactly which inputs, and what was missing.

use crate::ids::ObservationId;
use crate::measure::Measure;
use crate::time::Timestamp;
use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

/// The risk models that run on live observations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScoreModel {
    /// National Early Warning Score 2 (RCP 2017).
    News2,
    /// Modified Early Warning Score (Subbe 2001).
    Mews,
    /// Quick SOFA (Sepsis-3, 2016).
    Qsofa,
    /// Systemic inflammatory response syndrome (1992).
    Sirs,
    /// Heart rate over systolic pressure.
    ShockIndex,
    /// KDIGO acute kidney injury stage (2012).
    KdigoAki,
}

impl ScoreModel {
    /// Every model, in stable order.
    pub const ALL: &'static [Self] =
        &[Self::News2, Self::Mews, Self::Qsofa, Self::Sirs, Self::ShockIndex, Self::KdigoAki];

    /// How many models there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The place in [`ScoreModel::ALL`]; not stable, for tables in memory only.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The stable number in stored data; never reused.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::News2 => 1,
            Self::Mews => 2,
            Self::Qsofa => 3,
            Self::Sirs => 4,
            Self::ShockIndex => 5,
            Self::KdigoAki => 6,
        }
    }

    /// The model of a stable number.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|model| model.number() == number)
    }

    /// Lower-case name for JSON, queries and terminals.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::News2 => "news2",
            Self::Mews => "mews",
            Self::Qsofa => "qsofa",
            Self::Sirs => "sirs",
            Self::ShockIndex => "shock-index",
            Self::KdigoAki => "kdigo-aki",
        }
    }
}

/// How serious a result is, in the words of its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Band {
    /// Nothing notable.
    Normal,
    /// NEWS2 1-4.
    Low,
    /// NEWS2 below 5 with a single parameter of 3.
    LowMedium,
    /// NEWS2 5-6, MEWS 4, shock index from 0.9, AKI stage 1.
    Medium,
    /// NEWS2 from 7, MEWS from 5, positive qSOFA or SIRS, shock index from 1.0, AKI stage 2 and 3.
    High,
}

impl Band {
    /// The stable number in stored data.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Normal => 0,
            Self::Low => 1,
            Self::LowMedium => 2,
            Self::Medium => 3,
            Self::High => 4,
        }
    }

    /// The band of a stable number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Normal, Self::Low, Self::LowMedium, Self::Medium, Self::High]
            .into_iter()
            .find(|band| band.number() == number)
    }

    /// Lower-case name with hyphens.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Low => "low",
            Self::LowMedium => "low-medium",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// One value that a model used, with its provenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreInput {
    /// What was measured.
    pub measure: Measure,
    /// The value as observed, in the measure's unit (before the table's rounding).
    pub value: Decimal,
    /// When it was observed.
    pub observed_at: Timestamp,
    /// Which observation it came from.
    pub observation: ObservationId,
}

/// Why a part of a score has no points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Missing {
    /// No value was ever observed.
    Absent,
    /// The newest value is older than its validity.
    Stale,
}

/// The name of a parameter: one of [`PARAMETERS`].
pub type Parameter = &'static str;

/// The name in [`PARAMETERS`] that is meant: for `#[serde(deserialize_with = ..)]`.
///
/// # Errors
/// For a name that is not in the list.
pub fn parameter_from_name<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Parameter, D::Error> {
    let name = Cow::<str>::deserialize(deserializer)?;
    let known = PARAMETERS.iter().copied().find(|known| *known == name);
    known.ok_or_else(|| D::Error::custom("unknown parameter of a score"))
}

/// What one parameter contributed. Either points or a reason for their absence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScorePart {
    /// The parameter's name in the model, for example `respiratory-rate`.
    #[serde(deserialize_with = "parameter_from_name")]
    pub parameter: Parameter,
    /// The points, if the input was usable.
    pub points: Result<i32, Missing>,
    /// The values used (or too old to use).
    pub inputs: Vec<ScoreInput>,
}

/// The result of a model at one instant. Missing is not zero: an incomplete result has a range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// Which model.
    pub model: ScoreModel,
    /// The version of the model's tables and rules.
    pub model_version: u16,
    /// The instant for which the score holds: the newest observation that triggered it.
    pub as_of: Timestamp,
    /// The lowest total that the missing parts allow.
    pub minimum: Decimal,
    /// The highest total that the missing parts allow; equal to `minimum` when complete.
    pub maximum: Decimal,
    /// The band of `minimum`: alarms use what is certain.
    pub band: Band,
    /// Every parameter in table order.
    pub parts: Vec<ScorePart>,
}

impl Score {
    /// Whether every part had a usable input.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.parts.iter().all(|part| part.points.is_ok())
    }

    /// What is kept of the result; `future_dated`: whether its inputs are dated in the future.
    #[must_use]
    pub fn result(&self, future_dated: bool) -> ScoreResult {
        ScoreResult {
            model: self.model,
            model_version: self.model_version,
            as_of: self.as_of,
            minimum: self.minimum,
            maximum: self.maximum,
            band: self.band,
            complete: self.is_complete(),
            future_dated,
        }
    }
}

/// The result of a model without its parts: what states and events keep. The parts follow from the
/// values held, by the model's version, and are found again when somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreResult {
    /// Which model.
    pub model: ScoreModel,
    /// The version of the model's tables and rules.
    pub model_version: u16,
    /// The instant for which the result holds.
    pub as_of: Timestamp,
    /// The lowest total that the missing parts allow.
    pub minimum: Decimal,
    /// The highest total that the missing parts allow.
    pub maximum: Decimal,
    /// The band of `minimum`.
    pub band: Band,
    /// Whether every part had a usable input.
    pub complete: bool,
    /// Whether the inputs are dated in the future; such results are kept apart from present ones.
    pub future_dated: bool,
}

impl ScoreResult {
    /// Whether the result can stand in a list of results: totals are small numbers.
    #[must_use]
    pub fn is_storable(&self) -> bool {
        [self.minimum, self.maximum].iter().all(|total| i32::try_from(total.mantissa()).is_ok())
    }
}

/// The current result of each model: a map without allocations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scores([Option<ScoreResult>; ScoreModel::COUNT]);

impl Scores {
    /// The result of a model.
    #[must_use]
    pub const fn get(&self, model: &ScoreModel) -> Option<&ScoreResult> {
        self.0[model.index()].as_ref()
    }

    /// Whether there is a result of a model.
    #[must_use]
    pub const fn contains_key(&self, model: &ScoreModel) -> bool {
        self.0[model.index()].is_some()
    }

    /// Keeps a result in place of the one of its model; answers that one.
    pub const fn insert(&mut self, result: ScoreResult) -> Option<ScoreResult> {
        self.0[result.model.index()].replace(result)
    }

    /// Lets go of the result of a model.
    pub const fn remove(&mut self, model: ScoreModel) -> Option<ScoreResult> {
        self.0[model.index()].take()
    }

    /// Lets go of every result.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The results in the order of their models.
    pub fn values(&self) -> impl Iterator<Item = &ScoreResult> {
        self.0.iter().flatten()
    }

    /// Models and their results, in the order of the models.
    pub fn iter(&self) -> ScoresIter<'_> {
        self.0.iter().filter_map(|result| result.as_ref().map(|result| (&result.model, result)))
    }

    /// How many results there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values().count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

/// Goes over [`Scores`] like over a map.
pub type ScoresIter<'a> = std::iter::FilterMap<
    std::slice::Iter<'a, Option<ScoreResult>>,
    fn(&'a Option<ScoreResult>) -> Option<(&'a ScoreModel, &'a ScoreResult)>,
>;

impl<'a> IntoIterator for &'a Scores {
    type Item = (&'a ScoreModel, &'a ScoreResult);
    type IntoIter = ScoresIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl std::ops::Index<&ScoreModel> for Scores {
    type Output = ScoreResult;

    /// # Panics
    /// When there is no result of the model.
    fn index(&self, model: &ScoreModel) -> &ScoreResult {
        self.get(model).expect("a result of the model")
    }
}

impl FromIterator<ScoreResult> for Scores {
    fn from_iter<T: IntoIterator<Item = ScoreResult>>(results: T) -> Self {
        let mut scores = Self::default();
        for result in results {
            scores.insert(result);
        }
        scores
    }
}

impl Serialize for Scores {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.values())
    }
}

impl<'de> Deserialize<'de> for Scores {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let results = Vec::<ScoreResult>::deserialize(deserializer)?;
        let mut scores = Self::default();
        for result in results {
            if scores.insert(result).is_some() {
                return Err(D::Error::custom("two results of one model"));
            }
        }
        Ok(scores)
    }
}

/// Every parameter name that a stored part may carry; the wire format refers to them by position.
/// Append only.
pub const PARAMETERS: &[&str] = &[
    "respiratory-rate",
    "oxygen-saturation",
    "supplemental-oxygen",
    "systolic-pressure",
    "heart-rate",
    "consciousness",
    "temperature",
    "altered-mentation",
    "ventilation",
    "white-cells",
    "shock-index",
    "creatinine",
    "urine-output",
];
