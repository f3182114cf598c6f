//! Modified Early Warning Score (Subbe 2001). Not for children.
//!
//! The original leaves a heart rate of exactly 40 undefined ("< 40", then "41-50"); here 40 and
//! less score 2. It knows no confusion either: new confusion scores as "reacts to voice".

use crate::history::Observed;
use crate::part::{Combination, Evaluation, Label, Part, combine};
use crate::reference;
use crate::table::{Precision, Table};
use schema_types::measure::Measure;
use schema_types::score::{Band, ScoreModel};

pub(crate) const DEPENDS_ON: &[Measure] = &[
    Measure::RespiratoryRate,
    Measure::SystolicPressure,
    Measure::HeartRate,
    Measure::Consciousness,
    Measure::BodyTemperature,
];

/// reference::MEWS, table 1.
const TABLES: &[Table] = &[
    Table {
        parameter: "respiratory-rate",
        measure: Measure::RespiratoryRate,
        precision: Precision::Whole,
        rows: &[(8, 2), (14, 0), (20, 1), (29, 2)],
        above: 3,
    },
    Table {
        parameter: "systolic-pressure",
        measure: Measure::SystolicPressure,
        precision: Precision::Whole,
        rows: &[(70, 3), (80, 2), (100, 1), (199, 0)],
        above: 2,
    },
    Table {
        parameter: "heart-rate",
        measure: Measure::HeartRate,
        precision: Precision::Whole,
        rows: &[(40, 2), (50, 1), (100, 0), (110, 1), (129, 2)],
        above: 3,
    },
    // 0 alert, 1 confusion, 2 voice, 3 pain, 4 unresponsive.
    Table {
        parameter: "consciousness",
        measure: Measure::Consciousness,
        precision: Precision::Whole,
        rows: &[(0, 0), (2, 1), (3, 2)],
        above: 3,
    },
    Table {
        parameter: "temperature",
        measure: Measure::BodyTemperature,
        precision: Precision::Tenth,
        rows: &[(349, 2), (384, 0)],
        above: 2,
    },
];

pub(crate) fn evaluate<'a>(observed: &Observed<'a>) -> Option<Evaluation<'a>> {
    let parts = TABLES.iter().map(|table| table.part(observed));
    let label = Label { model: ScoreModel::Mews, version: reference::version(ScoreModel::Mews) };
    combine(label, observed, parts, Combination::Sum, band)
}

/// 5 and more was the trigger of the original; many sites act at 4.
fn band(minimum: i32, _: &[Part<'_>]) -> Band {
    match minimum {
        5.. => Band::High,
        4 => Band::Medium,
        _ => Band::Normal,
    }
}
