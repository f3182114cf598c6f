//! Systemic inflammatory response syndrome (1992): four criteria, all strict, positive from 2.
//! Laboratory values are compared as reported: the definition counts whole cells per cubic
//! millimetre, finer than any rounding of 10*9/L would be.

use crate::criteria::{BinaryPart, Criterion, Edge};
use crate::history::Observed;
use crate::part::{Combination, Evaluation, Label, Part, combine};
use crate::reference;
use crate::table::Precision;
use schema_types::measure::Measure;
use schema_types::score::{Band, ScoreModel};

pub(crate) const DEPENDS_ON: &[Measure] = &[
    Measure::BodyTemperature,
    Measure::HeartRate,
    Measure::RespiratoryRate,
    Measure::ArterialCarbonDioxide,
    Measure::WhiteCells,
    Measure::Bands,
];

/// reference::SIRS; edges as in the MIT-LCP derivation for MIMIC.
const PARTS: &[BinaryPart] = &[
    BinaryPart {
        parameter: "temperature",
        criteria: &[Criterion {
            measure: Measure::BodyTemperature,
            precision: Some(Precision::Tenth),
            edges: &[Edge::Below(360), Edge::Above(380)],
        }],
    },
    BinaryPart {
        parameter: "heart-rate",
        criteria: &[Criterion {
            measure: Measure::HeartRate,
            precision: Some(Precision::Whole),
            edges: &[Edge::Above(900)],
        }],
    },
    BinaryPart {
        parameter: "ventilation",
        criteria: &[
            Criterion {
                measure: Measure::RespiratoryRate,
                precision: Some(Precision::Whole),
                edges: &[Edge::Above(200)],
            },
            Criterion {
                measure: Measure::ArterialCarbonDioxide,
                precision: None,
                edges: &[Edge::Below(320)],
            },
        ],
    },
    BinaryPart {
        parameter: "white-cells",
        criteria: &[
            Criterion {
                measure: Measure::WhiteCells,
                precision: None,
                edges: &[Edge::Below(40), Edge::Above(120)],
            },
            Criterion { measure: Measure::Bands, precision: None, edges: &[Edge::Above(100)] },
        ],
    },
];

pub(crate) fn evaluate<'a>(observed: &Observed<'a>) -> Option<Evaluation<'a>> {
    let parts = PARTS.iter().map(|part| part.part(observed));
    let label = Label { model: ScoreModel::Sirs, version: reference::version(ScoreModel::Sirs) };
    combine(label, observed, parts, Combination::Sum, band)
}

fn band(minimum: i32, _: &[Part<'_>]) -> Band {
    if minimum >= 2 { Band::High } else { Band::Normal }
}
