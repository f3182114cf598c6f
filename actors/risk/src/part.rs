//! Parts of a result with the points that they can contribute, and their sum with its range.

use crate::history::Observed;
use rust_decimal::Decimal;
use schema_types::score::{Band, Missing, Score, ScoreInput, ScoreModel, ScorePart};

/// A part of a result and the points it may stand for: one number if it is known.
#[derive(Debug, Clone)]
pub(crate) struct RangedPart {
    pub(crate) part: ScorePart,
    pub(crate) lowest: i32,
    pub(crate) highest: i32,
}

impl RangedPart {
    pub(crate) fn known(parameter: &'static str, points: i32, inputs: Vec<ScoreInput>) -> Self {
        let part = ScorePart { parameter, points: Ok(points), inputs };
        Self { part, lowest: points, highest: points }
    }

    pub(crate) fn missing(
        parameter: &'static str,
        missing: Missing,
        (lowest, highest): (i32, i32),
        inputs: Vec<ScoreInput>,
    ) -> Self {
        let part = ScorePart { parameter, points: Err(missing), inputs };
        Self { part, lowest, highest }
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
#[derive(Debug, Clone, Copy)]
pub(crate) struct Label {
    pub(crate) model: ScoreModel,
    pub(crate) version: u16,
}

/// The result of a model from its parts; `None` when no part has an input, of whatever age.
pub(crate) fn combine(
    label: Label,
    observed: &Observed<'_>,
    parts: Vec<RangedPart>,
    combination: Combination,
    band: fn(i32, &[ScorePart]) -> Band,
) -> Option<Score> {
    if parts.iter().all(|part| part.part.inputs.is_empty()) {
        return None;
    }
    let lowest = parts.iter().map(|part| part.lowest);
    let highest = parts.iter().map(|part| part.highest);
    let (minimum, maximum) = match combination {
        Combination::Sum => (lowest.sum(), highest.sum()),
        Combination::Highest => (lowest.max().unwrap_or(0), highest.max().unwrap_or(0)),
    };
    let parts: Vec<ScorePart> = parts.into_iter().map(|part| part.part).collect();
    Some(Score {
        model: label.model,
        model_version: label.version,
        as_of: observed.as_of(),
        minimum: Decimal::from(minimum),
        maximum: Decimal::from(maximum),
        band: band(minimum, &parts),
        parts,
    })
}
