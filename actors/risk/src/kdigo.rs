//! KDIGO acute kidney injury stage (2012), from creatinine and from urine output; the worse counts.
//!
//! Baseline is the lowest creatinine of the 7 days before the newest one, 48 hours for the rise of
//! 0.3 mg/dL. With a single value there is nothing to compare, so that part is missing. Not
//! covered, because no input says it: renal replacement, and eGFR below 35 under 18 years.

use crate::history::{Observed, input};
use crate::limits::{
    BASELINE_MICROS_MAX, CREATININE_DECIMALS, RISE_MICROS_MAX, URINE_GAP_MICROS_MAX,
};
use crate::part::{Combination, Evaluation, Inputs, Label, Part, RangedPart, combine};
use crate::reference;
use crate::table::round;
use rust_decimal::Decimal;
use schema_types::measure::Measure;
use schema_types::patient::MeasuredValue;
use schema_types::score::{Band, Missing, ScoreModel};
use schema_types::time::MICROS_PER_HOUR;

pub(crate) const DEPENDS_ON: &[Measure] =
    &[Measure::Creatinine, Measure::UrineOutput, Measure::BodyWeight];

const CREATININE: &str = "creatinine";
const URINE_OUTPUT: &str = "urine-output";
const STAGES: (i32, i32) = (0, 3);

// reference::KDIGO_AKI, table 2.
/// Ten times the ratio to baseline from which a stage holds.
const RATIO_TENTHS: &[(i64, i32)] = &[(30, 3), (20, 2), (15, 1)];
/// Rise within 48 hours, in tenths of mg/dL.
const RISE_TENTHS: i64 = 3;
/// Creatinine that makes any rise stage 3, in tenths of mg/dL.
const HIGH_TENTHS: i64 = 40;
/// Hours, limit in tenths of mL/kg/h, stage; the most serious first.
const OLIGURIA: &[(i64, i64, i32)] = &[(24, 3, 3), (12, 5, 2), (6, 5, 1)];
/// Hours without any urine that make stage 3.
const ANURIA_HOURS: i64 = 12;
/// Window lengths in hours, longest first.
const WINDOW_HOURS: &[i64] = &[24, 12, 6];

pub(crate) fn evaluate<'a>(observed: &Observed<'a>) -> Option<Evaluation<'a>> {
    let parts = [creatinine(observed), urine_output(observed)];
    let label =
        Label { model: ScoreModel::KdigoAki, version: reference::version(ScoreModel::KdigoAki) };
    combine(label, observed, parts, Combination::Highest, band)
}

fn band(stage: i32, _: &[Part<'_>]) -> Band {
    match stage {
        2.. => Band::High,
        1 => Band::Medium,
        _ => Band::Normal,
    }
}

fn creatinine<'a>(observed: &Observed<'a>) -> RangedPart<'a> {
    let reading = observed.reading(Measure::Creatinine);
    let mut inputs: Inputs<'_> =
        reading.value().map(|value| input(Measure::Creatinine, value)).into_iter().collect();
    let current = match reading.fresh() {
        Ok(current) => current,
        Err(missing) => return RangedPart::missing(CREATININE, missing, STAGES, inputs),
    };
    let Some(baseline) = lowest_before(observed, current, BASELINE_MICROS_MAX) else {
        return RangedPart::missing(CREATININE, Missing::Absent, STAGES, inputs);
    };
    let in_a_week = node_env::planted!("kdigo-rise-in-a-week");
    let rise_micros_max = if in_a_week { BASELINE_MICROS_MAX } else { RISE_MICROS_MAX };
    let recent = lowest_before(observed, current, rise_micros_max);
    inputs.push(input(Measure::Creatinine, baseline));
    inputs
        .extend(recent.filter(|recent| *recent != baseline).map(|v| input(Measure::Creatinine, v)));
    let stage = creatinine_stage(current.value, baseline.value, recent.map(|v| v.value));
    RangedPart::known(CREATININE, stage, inputs)
}

/// The lowest value that is older than `current` by at most `age_micros_max`.
fn lowest_before<'a>(
    observed: &Observed<'a>,
    current: &MeasuredValue,
    age_micros_max: i64,
) -> Option<&'a MeasuredValue> {
    let from = current.effective_at.plus_micros(-age_micros_max - 1);
    let to = current.effective_at.plus_micros(-1);
    observed.window(Measure::Creatinine, from, to).min_by_key(|value| value.value)
}

fn creatinine_stage(current: Decimal, baseline: Decimal, recent: Option<Decimal>) -> i32 {
    let has_risen =
        recent.is_some_and(|recent| reaches(current - recent, Decimal::new(RISE_TENTHS, 1)));
    let by_ratio = RATIO_TENTHS
        .iter()
        .find(|(tenths, _)| reaches(current, baseline * Decimal::new(*tenths, 1)))
        .map_or(0, |(_, stage)| *stage);
    let stage = by_ratio.max(i32::from(has_risen));
    if stage > 0 && reaches(current, Decimal::new(HIGH_TENTHS, 1)) { STAGES.1 } else { stage }
}

/// `value >= limit` at the precision of laboratories.
fn reaches(value: Decimal, limit: Decimal) -> bool {
    round(value - limit, CREATININE_DECIMALS) >= Decimal::ZERO
}

fn urine_output<'a>(observed: &Observed<'a>) -> RangedPart<'a> {
    let newest = observed.reading(Measure::UrineOutput);
    let newest_input = newest.value().map(|value| input(Measure::UrineOutput, value));
    let mut inputs: Inputs<'_> = newest_input.into_iter().collect();
    let newest = match newest.fresh() {
        Ok(newest) => newest,
        Err(missing) => return RangedPart::missing(URINE_OUTPUT, missing, STAGES, inputs),
    };
    let windows: Vec<Window<'_>> =
        WINDOW_HOURS.iter().filter_map(|hours| Window::covered(observed, newest, *hours)).collect();
    let Some(longest) = windows.first() else {
        return RangedPart::missing(URINE_OUTPUT, Missing::Absent, STAGES, inputs);
    };
    inputs = longest.values.iter().map(|v| input(Measure::UrineOutput, v)).collect();
    if windows.iter().any(|window| window.hours == ANURIA_HOURS && window.total.is_zero()) {
        return RangedPart::known(URINE_OUTPUT, STAGES.1, inputs);
    }
    let weight = observed.reading(Measure::BodyWeight);
    inputs.extend(weight.value().map(|value| input(Measure::BodyWeight, value)));
    match weight.fresh() {
        Ok(weight) => {
            let stage = oliguria_stage(&windows, weight.value);
            RangedPart::known(URINE_OUTPUT, stage, inputs)
        }
        Err(missing) => RangedPart::missing(URINE_OUTPUT, missing, STAGES, inputs),
    }
}

/// The mean of the hourly volumes per kilogram is compared, as in the MIT-LCP derivation.
fn oliguria_stage(windows: &[Window<'_>], weight_kg: Decimal) -> i32 {
    let is_below = |hours: i64, tenths: i64| {
        windows.iter().filter(|window| window.hours == hours).any(|window| {
            window.total < Decimal::new(tenths, 1) * weight_kg * Decimal::from(window.values.len())
        })
    };
    let fulfilled = OLIGURIA.iter().find(|(hours, tenths, _)| is_below(*hours, *tenths));
    fulfilled.map_or(0, |(_, _, stage)| *stage)
}

/// Hourly volumes that leave no gap in the hours up to the newest one.
struct Window<'a> {
    hours: i64,
    values: Vec<&'a MeasuredValue>,
    total: Decimal,
}

impl<'a> Window<'a> {
    /// The window of the last `hours` up to `newest`, if the values cover it. Each value stands
    /// for the hour before it.
    fn covered(observed: &Observed<'a>, newest: &MeasuredValue, hours: i64) -> Option<Self> {
        let to = newest.effective_at;
        let from = to.plus_micros(-hours * MICROS_PER_HOUR);
        let values: Vec<&MeasuredValue> = observed.window(Measure::UrineOutput, from, to).collect();
        let mut covered_until = from;
        for value in &values {
            if value.effective_at.micros_since(covered_until) > URINE_GAP_MICROS_MAX {
                return None;
            }
            covered_until = value.effective_at;
        }
        let total = values.iter().map(|value| value.value).sum();
        (!values.is_empty()).then_some(Self { hours, values, total })
    }
}
