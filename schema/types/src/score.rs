//! Scores as data: what a risk model said, from exactly which inputs, and what was missing.

use crate::ids::ObservationId;
use crate::measure::Measure;
use crate::time::Timestamp;
use rust_decimal::Decimal;

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
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// No value was ever observed.
    Absent,
    /// The newest value is older than its validity.
    Stale,
}

/// What one parameter contributed. Either points or a reason for their absence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScorePart {
    /// The parameter's name in the model, for example `respiratory-rate`.
    pub parameter: &'static str,
    /// The points, if the input was usable.
    pub points: Result<i32, Missing>,
    /// The values used (or too old to use).
    pub inputs: Vec<ScoreInput>,
}

/// The result of a model at one instant. Missing is not zero: an incomplete result has a range.
#[derive(Debug, Clone, PartialEq, Eq)]
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
