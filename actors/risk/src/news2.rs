//! NEWS2 (RCP 2017, chart 1), with both SpO2 scales. Not for people under 16 or in pregnancy.
//!
//! Scale 2 is used only while the clinician's setting [`Measure::OxygenScale`] is 2. Consciousness
//! is read from ACVPU alone: the chart gives no conversion from the Glasgow coma scale.

use crate::history::{Observed, Reading, input};
use crate::part::{Combination, Evaluation, Inputs, Label, Part, RangedPart, combine};
use crate::reference;
use crate::table::{Precision, Table};
use rust_decimal::Decimal;
use schema_types::measure::Measure;
use schema_types::patient::MeasuredValue;
use schema_types::score::{Band, Missing, ScoreModel};
use smallvec::SmallVec;

pub(crate) const DEPENDS_ON: &[Measure] = &[
    Measure::RespiratoryRate,
    Measure::OxygenSaturation,
    Measure::OxygenFlow,
    Measure::InspiredOxygen,
    Measure::OxygenScale,
    Measure::SystolicPressure,
    Measure::HeartRate,
    Measure::Consciousness,
    Measure::BodyTemperature,
];

// All tables: reference::NEWS2, chart 1.
const RESPIRATORY_RATE: Table = Table {
    parameter: "respiratory-rate",
    measure: Measure::RespiratoryRate,
    precision: Precision::Whole,
    rows: &[(8, 3), (11, 1), (20, 0), (24, 2)],
    above: 3,
};
const OXYGEN_SATURATION_SCALE_1: Table = Table {
    parameter: "oxygen-saturation",
    measure: Measure::OxygenSaturation,
    precision: Precision::Whole,
    rows: &[(91, 3), (93, 2), (95, 1)],
    above: 0,
};
const OXYGEN_SATURATION_SCALE_2_ON_AIR: Table = Table {
    parameter: "oxygen-saturation",
    measure: Measure::OxygenSaturation,
    precision: Precision::Whole,
    rows: &[(83, 3), (85, 2), (87, 1)],
    above: 0,
};
const OXYGEN_SATURATION_SCALE_2_ON_OXYGEN: Table = Table {
    parameter: "oxygen-saturation",
    measure: Measure::OxygenSaturation,
    precision: Precision::Whole,
    rows: &[(83, 3), (85, 2), (87, 1), (92, 0), (94, 1), (96, 2)],
    above: 3,
};
const SUPPLEMENTAL_OXYGEN: &str = "supplemental-oxygen";
const SUPPLEMENTAL_OXYGEN_POINTS: i32 = 2;
const SYSTOLIC_PRESSURE: Table = Table {
    parameter: "systolic-pressure",
    measure: Measure::SystolicPressure,
    precision: Precision::Whole,
    rows: &[(90, 3), (100, 2), (110, 1), (219, 0)],
    above: 3,
};
const HEART_RATE: Table = Table {
    parameter: "heart-rate",
    measure: Measure::HeartRate,
    precision: Precision::Whole,
    rows: &[(40, 3), (50, 1), (90, 0), (110, 1), (130, 2)],
    above: 3,
};
const CONSCIOUSNESS: Table = Table {
    parameter: "consciousness",
    measure: Measure::Consciousness,
    precision: Precision::Whole,
    rows: &[(0, 0)],
    above: 3,
};
const TEMPERATURE: Table = Table {
    parameter: "temperature",
    measure: Measure::BodyTemperature,
    precision: Precision::Tenth,
    rows: &[(350, 3), (360, 1), (380, 0), (390, 1)],
    above: 2,
};
/// Room air, in percent; charted in whole numbers.
const ROOM_AIR_PERCENT: i64 = 21;
/// A single part of this many points is a red score.
const RED_SCORE: i32 = 3;

pub(crate) fn evaluate<'a>(observed: &Observed<'a>) -> Option<Evaluation<'a>> {
    let oxygen = oxygen(observed);
    let parts = [
        RESPIRATORY_RATE.part(observed),
        oxygen_saturation(observed, &oxygen),
        supplemental_oxygen(oxygen),
        SYSTOLIC_PRESSURE.part(observed),
        HEART_RATE.part(observed),
        CONSCIOUSNESS.part(observed),
        TEMPERATURE.part(observed),
    ];
    let label = Label { model: ScoreModel::News2, version: reference::version(ScoreModel::News2) };
    combine(label, observed, parts, Combination::Sum, band)
}

fn band(minimum: i32, parts: &[Part<'_>]) -> Band {
    let is_red = parts.iter().any(|part| part.points == Ok(RED_SCORE));
    match minimum {
        7.. => Band::High,
        5..=6 => Band::Medium,
        _ if is_red => Band::LowMedium,
        1..=4 => Band::Low,
        _ => Band::Normal,
    }
}

/// Whether the patient breathes supplemental oxygen, and from which values that is known.
struct Oxygen<'a> {
    is_supplied: Result<bool, Missing>,
    inputs: Inputs<'a>,
}

/// Flow or inspired fraction, whichever is newer; of one instant, either one that says oxygen.
fn oxygen<'a>(observed: &Observed<'a>) -> Oxygen<'a> {
    let sources = [Measure::OxygenFlow, Measure::InspiredOxygen];
    let readings = sources.map(|measure| (measure, observed.reading(measure)));
    let newest_at = readings.iter().filter_map(|(_, r)| r.value()).map(|v| v.effective_at).max();
    let newest = readings.iter().filter_map(|(measure, reading)| match reading.value() {
        Some(value) if Some(value.effective_at) == newest_at => Some((*measure, *reading, value)),
        Some(_) | None => None,
    });
    let newest: SmallVec<[(Measure, Reading<'_>, &MeasuredValue); 2]> = newest.collect();
    let fresh = newest.iter().filter_map(|(measure, reading, _)| {
        reading.fresh().ok().map(|value| supplies_oxygen(*measure, value.value))
    });
    let is_supplied = match (newest.is_empty(), fresh.reduce(|one, other| one || other)) {
        (_, Some(is_supplied)) => Ok(is_supplied),
        (false, None) => Err(Missing::Stale),
        (true, None) => Err(Missing::Absent),
    };
    let inputs = newest.iter().map(|(measure, _, value)| input(*measure, value)).collect();
    Oxygen { is_supplied, inputs }
}

/// A flow is compared as it is (0.25 L/min is oxygen), a fraction in whole percent.
fn supplies_oxygen(measure: Measure, value: Decimal) -> bool {
    if measure == Measure::OxygenFlow {
        value > Decimal::ZERO
    } else {
        Precision::Whole.units(value) > ROOM_AIR_PERCENT
    }
}

fn supplemental_oxygen(oxygen: Oxygen<'_>) -> RangedPart<'_> {
    let Oxygen { is_supplied, inputs } = oxygen;
    match is_supplied {
        Ok(true) => RangedPart::known(SUPPLEMENTAL_OXYGEN, SUPPLEMENTAL_OXYGEN_POINTS, inputs),
        Ok(false) => RangedPart::known(SUPPLEMENTAL_OXYGEN, 0, inputs),
        Err(missing) => {
            let range = (0, SUPPLEMENTAL_OXYGEN_POINTS);
            RangedPart::missing(SUPPLEMENTAL_OXYGEN, missing, range, inputs)
        }
    }
}

/// On scale 2 the points from 93 % up depend on whether oxygen is given. While that is unknown the
/// part has no points but a range; its two ends belong to the two ends of the oxygen part, so that
/// the ranges of both may be added.
fn oxygen_saturation<'a>(observed: &Observed<'a>, oxygen: &Oxygen<'a>) -> RangedPart<'a> {
    let scale = match observed.reading(Measure::OxygenScale) {
        Reading::Fresh(scale) if scale.value == Decimal::TWO => scale,
        Reading::Fresh(_) | Reading::Stale(_) | Reading::Absent => {
            return OXYGEN_SATURATION_SCALE_1.part(observed);
        }
    };
    let on_air = OXYGEN_SATURATION_SCALE_2_ON_AIR.part(observed);
    let on_oxygen = OXYGEN_SATURATION_SCALE_2_ON_OXYGEN.part(observed);
    let mut part = match oxygen.is_supplied {
        Ok(true) => on_oxygen,
        Ok(false) if node_env::planted!("news2-scale-2-on-air") => on_oxygen,
        Ok(false) => on_air,
        Err(_) if on_air.part.points == on_oxygen.part.points => on_oxygen,
        Err(missing) => {
            let range =
                (on_air.lowest.min(on_oxygen.lowest), on_air.highest.max(on_oxygen.highest));
            let mut inputs = on_oxygen.part.inputs;
            inputs.extend(oxygen.inputs.iter().copied());
            RangedPart::missing(on_oxygen.part.parameter, missing, range, inputs)
        }
    };
    if !part.part.inputs.is_empty() {
        part.part.inputs.push(input(Measure::OxygenScale, scale));
    }
    part
}
