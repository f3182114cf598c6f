//! Quick SOFA (Sepsis-3, 2016): one point each for fast breathing, low pressure and altered
//! mentation; positive from 2. Mentation is altered when the Glasgow coma scale or ACVPU, each
//! while fresh, says so.

use crate::AlteredMentation;
use crate::criteria::{BinaryPart, Criterion, Edge};
use crate::history::Observed;
use crate::part::{Combination, Evaluation, Label, Part, combine};
use crate::reference;
use crate::table::Precision;
use schema_types::measure::Measure;
use schema_types::score::{Band, ScoreModel};

pub(crate) const DEPENDS_ON: &[Measure] = &[
    Measure::RespiratoryRate,
    Measure::SystolicPressure,
    Measure::GlasgowComaScale,
    Measure::Consciousness,
];

// reference::QSOFA, box 4 of Singer 2016.
const RESPIRATORY_RATE: BinaryPart = BinaryPart {
    parameter: "respiratory-rate",
    criteria: &[Criterion {
        measure: Measure::RespiratoryRate,
        precision: Some(Precision::Whole),
        edges: &[Edge::AtLeast(220)],
    }],
};
const SYSTOLIC_PRESSURE: BinaryPart = BinaryPart {
    parameter: "systolic-pressure",
    criteria: &[Criterion {
        measure: Measure::SystolicPressure,
        precision: Some(Precision::Whole),
        edges: &[Edge::AtMost(1000)],
    }],
};
const NOT_ALERT: Criterion = Criterion {
    measure: Measure::Consciousness,
    precision: Some(Precision::Whole),
    edges: &[Edge::Above(0)],
};
const ALTERED_MENTATION_BELOW_15: BinaryPart = BinaryPart {
    parameter: "altered-mentation",
    criteria: &[
        Criterion {
            measure: Measure::GlasgowComaScale,
            precision: Some(Precision::Whole),
            edges: &[Edge::Below(150)],
        },
        NOT_ALERT,
    ],
};
const ALTERED_MENTATION_AT_MOST_13: BinaryPart = BinaryPart {
    parameter: "altered-mentation",
    criteria: &[
        Criterion {
            measure: Measure::GlasgowComaScale,
            precision: Some(Precision::Whole),
            edges: &[Edge::AtMost(130)],
        },
        NOT_ALERT,
    ],
};

pub(crate) fn evaluate<'a>(
    observed: &Observed<'a>,
    rule: AlteredMentation,
) -> Option<Evaluation<'a>> {
    let altered_mentation = match rule {
        AlteredMentation::Below15 => &ALTERED_MENTATION_BELOW_15,
        AlteredMentation::AtMost13 => &ALTERED_MENTATION_AT_MOST_13,
    };
    let parts = [
        RESPIRATORY_RATE.part(observed),
        SYSTOLIC_PRESSURE.part(observed),
        altered_mentation.part(observed),
    ];
    let label = Label { model: ScoreModel::Qsofa, version: reference::qsofa_version(rule) };
    combine(label, observed, parts, Combination::Sum, band)
}

fn band(minimum: i32, _: &[Part<'_>]) -> Band {
    let positive = if node_env::planted!("qsofa-positive-from-three") { 3 } else { 2 };
    if minimum >= positive { Band::High } else { Band::Normal }
}
