//! Parts of a result with the points that they can contribute, and their sum with its range. All
//! borrow the values that they were made from; [`Evaluation`] becomes data when somebody keeps it.

use crate::history::Observed;
use rust_decimal::Decimal;
use schema_types::measure::Measure;
use schema_types::patient::MeasuredValue;
use schema_types::score::{Band, Missing, Score, ScoreInput, ScoreModel, ScorePart, ScoreResult};
use schema_types::time::Timestamp;
use smallvec::SmallVec;

/// A value that a part used, or found too old to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input<'a> {
    /// What was measured.
    pub measure: Measure,
    /// The value.
    pub value: &'a MeasuredValue,
}

/// The inputs of a part; nearly always few.
pub(crate) type Inputs<'a> = SmallVec<[Input<'a>; 3]>;

/// What one parameter contributed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    pub(crate) parameter: &'static str,
    pub(crate) points: Result<i32, Missing>,
    pub(crate) inputs: Inputs<'a>,
}

/// A part of a result and the points it may stand for: one number if it is known.
#[derive(Debug, Clone)]
pub(crate) struct RangedPart<'a> {
    pub(crate) part: Part<'a>,
    pub(crate) lowest: i32,
    pub(crate) highest: i32,
}

impl<'a> RangedPart<'a> {
    pub(crate) fn known(parameter: &'static str, points: i32, inputs: Inputs<'a>) -> Self {
        let part = Part { parameter, points: Ok(points), inputs };
        Self { part, lowest: points, highest: points }
    }

    pub(crate) fn missing(
        parameter: &'static str,
        missing: Missing,
        (lowest, highest): (i32, i32),
        inputs: Inputs<'a>,
    ) -> Self {
        let is_zero = node_env::planted!("score-missing-counts-as-zero");
        let points = if is_zero { Ok(0) } else { Err(missing) };
        let part = Part { parameter, points, inputs };
        Self { part, lowest, highest: if is_zero { lowest } else { highest } }
    }
}

/// The parts of a result in table order; the longest table has seven.
pub(crate) type Parts<'a> = SmallVec<[Part<'a>; 7]>;

/// What a model says, with references to the values that it says it of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation<'a> {
    pub(crate) label: Label,
    pub(crate) as_of: Timestamp,
    pub(crate) minimum: Decimal,
    pub(crate) maximum: Decimal,
    pub(crate) band: Band,
    pub(crate) parts: Parts<'a>,
}

impl<'a> Evaluation<'a> {
    /// What is kept of the result. `future_dated`: whether it was made from future-dated values.
    #[must_use]
    pub fn result(&self, future_dated: bool) -> ScoreResult {
        ScoreResult {
            model: self.label.model,
            model_version: self.label.version,
            as_of: self.as_of,
            minimum: self.minimum,
            maximum: self.maximum,
            band: self.band,
            complete: self.parts.iter().all(|part| part.points.is_ok()),
            future_dated,
        }
    }

    /// The result with its parts and copies of its inputs.
    #[must_use]
    pub fn to_score(&self) -> Score {
        let input = |input: &Input<'_>| ScoreInput {
            measure: input.measure,
            value: input.value.value,
            observed_at: input.value.effective_at,
            observation: input.value.observation.clone(),
        };
        let part = |part: &Part<'_>| ScorePart {
            parameter: part.parameter,
            points: part.points,
            inputs: part.inputs.iter().map(input).collect(),
        };
        Score {
            model: self.label.model,
            model_version: self.label.version,
            as_of: self.as_of,
            minimum: self.minimum,
            maximum: self.maximum,
            band: self.band,
            parts: self.parts.iter().map(part).collect(),
        }
    }

    /// Every input of every part, in the order of the parts.
    pub fn inputs(&self) -> impl Iterator<Item = Input<'a>> {
        self.parts.iter().flat_map(|part| part.inputs.iter().copied())
    }

    /// The input that was observed last; of several at one instant the last in order.
    #[must_use]
    pub fn newest_input(&self) -> Option<Input<'a>> {
        self.inputs().max_by_key(|input| input.value.effective_at)
    }
}

/// How the parts of a model make a total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Combination {
    /// All points together.
    Sum,
    /// The most serious part.
    Highest,
}

/// The model and version that a result carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) model: ScoreModel,
    pub(crate) version: u16,
}

/// The result of a model from its parts; `None` when no part has an input, of whatever age.
pub(crate) fn combine<'a>(
    label: Label,
    observed: &Observed<'a>,
    ranged: impl IntoIterator<Item = RangedPart<'a>>,
    combination: Combination,
    band: fn(i32, &[Part<'_>]) -> Band,
) -> Option<Evaluation<'a>> {
    let mut parts = Parts::new();
    let mut total: Option<(i32, i32)> = None;
    for RangedPart { part, lowest, highest } in ranged {
        total = Some(match (total, combination) {
            (None, _) => (lowest, highest),
            (Some((low, high)), Combination::Sum) => (low + lowest, high + highest),
            (Some((low, high)), Combination::Highest) => (low.max(lowest), high.max(highest)),
        });
        parts.push(part);
    }
    if parts.iter().all(|part| part.inputs.is_empty()) {
        return None;
    }
    let (minimum, maximum) = total?;
    Some(Evaluation {
        label,
        as_of: observed.as_of(),
        minimum: Decimal::from(minimum),
        maximum: Decimal::from(maximum),
        band: band(minimum, &parts),
        parts,
    })
}
