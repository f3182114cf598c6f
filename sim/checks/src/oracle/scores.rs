//! NEWS2, qSOFA, SIRS and shock index by points, written from the published charts and not from the
//! tables of the product. Whole numbers only: a value is rounded half away from zero to the
//! precision of the chart before it is looked up.
//!
//! Sources: Royal College of Physicians, NEWS2, 2017, chart 1; Singer, JAMA 2016;315:801 (qSOFA);
//! Bone, Chest 1992;101:1644 (SIRS); shock index: Rady, Ann Emerg Med 1994;24:685.

use super::values::Values;
use schema_types::Decimal;
use schema_types::measure::Measure;
use schema_types::score::{Band, ScoreModel};
use schema_types::time::Timestamp;

/// What a model says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// The time of the newest value that the model reads.
    pub as_of: Timestamp,
    /// The least that the score can be, given what is missing.
    pub minimum: Decimal,
    /// The most.
    pub maximum: Decimal,
    /// The band of the least.
    pub band: Band,
    /// Whether nothing is missing.
    pub complete: bool,
}

/// The models that are known here.
pub const MODELS: [ScoreModel; 4] =
    [ScoreModel::News2, ScoreModel::Qsofa, ScoreModel::Sirs, ScoreModel::ShockIndex];

const NEWS2_READS: &[Measure] = &[
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
const QSOFA_READS: &[Measure] = &[
    Measure::RespiratoryRate,
    Measure::SystolicPressure,
    Measure::Consciousness,
    Measure::GlasgowComaScale,
];
const SIRS_READS: &[Measure] = &[
    Measure::BodyTemperature,
    Measure::HeartRate,
    Measure::RespiratoryRate,
    Measure::ArterialCarbonDioxide,
    Measure::WhiteCells,
    Measure::Bands,
];
const SHOCK_INDEX_READS: &[Measure] = &[Measure::HeartRate, Measure::SystolicPressure];

/// What a model says of the newest values; `None` when it has nothing to say, or is not known here.
#[must_use]
pub fn expected(model: ScoreModel, values: &Values) -> Option<Expected> {
    let reads = match model {
        ScoreModel::News2 => NEWS2_READS,
        ScoreModel::Qsofa => QSOFA_READS,
        ScoreModel::Sirs => SIRS_READS,
        ScoreModel::ShockIndex => SHOCK_INDEX_READS,
        ScoreModel::Mews | ScoreModel::KdigoAki => return None,
    };
    let times = reads.iter().filter_map(|measure| values.newest(*measure, Timestamp::MAX));
    let as_of = times.map(|(at, _)| at).max()?;
    expected_at(model, values, as_of)
}

/// What a model says at an instant.
#[must_use]
pub fn expected_at(model: ScoreModel, values: &Values, as_of: Timestamp) -> Option<Expected> {
    let at = At { values, as_of };
    match model {
        ScoreModel::News2 => news2(&at),
        ScoreModel::Qsofa => at.sum(QSOFA_READS, &qsofa_parts(&at)),
        ScoreModel::Sirs => at.sum(SIRS_READS, &sirs_parts(&at)),
        ScoreModel::ShockIndex => shock_index(&at),
        ScoreModel::Mews | ScoreModel::KdigoAki => None,
    }
}

/// The points that a part may have: the same twice when its value is known.
type Points = (i64, i64);

struct At<'a> {
    values: &'a Values,
    as_of: Timestamp,
}

impl At<'_> {
    fn exact(&self, measure: Measure) -> Option<Decimal> {
        self.values.fresh(measure, self.as_of)
    }

    /// In whole units.
    fn whole(&self, measure: Measure) -> Option<i64> {
        self.exact(measure).map(|value| rounded(value, 0))
    }

    /// In tenths of the unit.
    fn tenths(&self, measure: Measure) -> Option<i64> {
        self.exact(measure).map(|value| rounded(value, 1))
    }

    fn has_any(&self, reads: &[Measure]) -> bool {
        reads.iter().any(|measure| {
            let newest = self.values.newest(*measure, self.as_of);
            newest.is_some_and(|(_, value)| measure.is_plausible(value))
        })
    }

    fn total(&self, parts: &[Points], band: Band) -> Expected {
        Expected {
            as_of: self.as_of,
            minimum: Decimal::from(parts.iter().map(|(least, _)| least).sum::<i64>()),
            maximum: Decimal::from(parts.iter().map(|(_, most)| most).sum::<i64>()),
            band,
            complete: parts.iter().all(|(least, most)| least == most),
        }
    }

    /// Yes-or-no parts of which two make an alarm.
    fn sum(&self, reads: &[Measure], parts: &[Option<bool>]) -> Option<Expected> {
        if !self.has_any(reads) {
            return None;
        }
        let points = |part: &Option<bool>| match part {
            Some(is_met) => (i64::from(*is_met), i64::from(*is_met)),
            None => (0, 1),
        };
        let parts: Vec<Points> = parts.iter().map(points).collect();
        let certain = parts.iter().filter(|(least, _)| *least > 0).count();
        Some(self.total(&parts, if certain >= 2 { Band::High } else { Band::Normal }))
    }
}

fn rounded(value: Decimal, decimals: u32) -> i64 {
    let scaled = value * Decimal::from(10_i64.pow(decimals));
    let half = if scaled.is_sign_negative() { Decimal::new(-5, 1) } else { Decimal::new(5, 1) };
    i64::try_from((scaled + half).trunc()).unwrap_or(i64::MAX)
}

fn known(points: Option<i64>, most: i64) -> Points {
    points.map_or((0, most), |points| (points, points))
}

const fn respiration_points(rate: i64) -> i64 {
    if rate <= 8 || rate >= 25 {
        3
    } else if rate >= 21 {
        2
    } else if rate <= 11 {
        1
    } else {
        0
    }
}

const fn saturation_points_scale_1(percent: i64) -> i64 {
    if percent >= 96 {
        0
    } else if percent >= 94 {
        1
    } else if percent >= 92 {
        2
    } else {
        3
    }
}

const fn saturation_points_scale_2(percent: i64, on_oxygen: bool) -> i64 {
    if percent <= 83 {
        3
    } else if percent <= 85 {
        2
    } else if percent <= 87 {
        1
    } else if percent <= 92 || !on_oxygen {
        0
    } else if percent <= 94 {
        1
    } else if percent <= 96 {
        2
    } else {
        3
    }
}

const fn systolic_points(pressure: i64) -> i64 {
    if pressure <= 90 || pressure >= 220 {
        3
    } else if pressure <= 100 {
        2
    } else if pressure <= 110 {
        1
    } else {
        0
    }
}

const fn pulse_points(rate: i64) -> i64 {
    if rate <= 40 || rate >= 131 {
        3
    } else if rate >= 111 {
        2
    } else if rate <= 50 || rate >= 91 {
        1
    } else {
        0
    }
}

const fn temperature_points(tenths: i64) -> i64 {
    if tenths <= 350 {
        3
    } else if tenths >= 391 {
        2
    } else if tenths <= 360 || tenths >= 381 {
        1
    } else {
        0
    }
}

fn news2(at: &At<'_>) -> Option<Expected> {
    let scored: Vec<Measure> =
        NEWS2_READS.iter().copied().filter(|read| *read != Measure::OxygenScale).collect();
    if !at.has_any(&scored) {
        return None;
    }
    let oxygen = oxygen(at);
    let parts = [
        known(at.whole(Measure::RespiratoryRate).map(respiration_points), 3),
        saturation(at, oxygen),
        known(oxygen.map(|on_oxygen| if on_oxygen { 2 } else { 0 }), 2),
        known(at.whole(Measure::SystolicPressure).map(systolic_points), 3),
        known(at.whole(Measure::HeartRate).map(pulse_points), 3),
        known(at.whole(Measure::Consciousness).map(|level| if level == 0 { 0 } else { 3 }), 3),
        known(at.tenths(Measure::BodyTemperature).map(temperature_points), 3),
    ];
    let least: i64 = parts.iter().map(|(least, _)| least).sum();
    let band = if least >= 7 {
        Band::High
    } else if least >= 5 {
        Band::Medium
    } else if parts.contains(&(3, 3)) {
        Band::LowMedium
    } else if least >= 1 {
        Band::Low
    } else {
        Band::Normal
    };
    Some(at.total(&parts, band))
}

/// Whether oxygen is given: flow or inspired fraction, whichever was observed later; of one
/// instant, either.
fn oxygen(at: &At<'_>) -> Option<bool> {
    let observed_at = |measure| {
        let (at, value) = at.values.newest(measure, at.as_of)?;
        Measure::is_plausible(measure, value).then_some(at)
    };
    let (flow_at, fraction_at) =
        (observed_at(Measure::OxygenFlow), observed_at(Measure::InspiredOxygen));
    let newest = flow_at.max(fraction_at);
    let flow = at.exact(Measure::OxygenFlow).filter(|_| flow_at == newest);
    let fraction = at.whole(Measure::InspiredOxygen).filter(|_| fraction_at == newest);
    let by_flow = flow.map(|litres| litres > Decimal::ZERO);
    let by_fraction = fraction.map(|percent| percent > 21);
    match (by_flow, by_fraction) {
        (Some(one), Some(other)) => Some(one || other),
        (one, other) => one.or(other),
    }
}

fn saturation(at: &At<'_>, oxygen: Option<bool>) -> Points {
    let percent = at.whole(Measure::OxygenSaturation);
    if at.whole(Measure::OxygenScale) != Some(2) {
        return known(percent.map(saturation_points_scale_1), 3);
    }
    let Some(percent) = percent else { return (0, 3) };
    let (air, given) =
        (saturation_points_scale_2(percent, false), saturation_points_scale_2(percent, true));
    match oxygen {
        Some(true) => (given, given),
        Some(false) => (air, air),
        None => (air.min(given), air.max(given)),
    }
}

/// Met when any known criterion is met; unknown when none is known.
fn any(criteria: &[Option<bool>]) -> Option<bool> {
    criteria.iter().flatten().copied().reduce(|one, other| one || other)
}

fn qsofa_parts(at: &At<'_>) -> [Option<bool>; 3] {
    [
        at.whole(Measure::RespiratoryRate).map(|rate| rate >= 22),
        at.whole(Measure::SystolicPressure).map(|pressure| pressure <= 100),
        any(&[
            at.whole(Measure::GlasgowComaScale).map(|total| total < 15),
            at.whole(Measure::Consciousness).map(|level| level > 0),
        ]),
    ]
}

fn sirs_parts(at: &At<'_>) -> [Option<bool>; 4] {
    let exact = |measure| at.exact(measure);
    [
        at.tenths(Measure::BodyTemperature).map(|tenths| !(360..=380).contains(&tenths)),
        at.whole(Measure::HeartRate).map(|rate| rate > 90),
        any(&[
            at.whole(Measure::RespiratoryRate).map(|rate| rate > 20),
            exact(Measure::ArterialCarbonDioxide).map(|mmhg| mmhg < Decimal::from(32)),
        ]),
        any(&[
            exact(Measure::WhiteCells)
                .map(|count| count < Decimal::from(4) || count > Decimal::from(12)),
            exact(Measure::Bands).map(|percent| percent > Decimal::TEN),
        ]),
    ]
}

fn shock_index(at: &At<'_>) -> Option<Expected> {
    if !at.has_any(SHOCK_INDEX_READS) {
        return None;
    }
    let bounds = |measure: Measure| {
        let (low, high) = measure.plausible();
        let known = at.exact(measure).map(|value| (value, value));
        (known.is_some(), known.unwrap_or((Decimal::from(low), Decimal::from(high))))
    };
    let (has_rate, (slowest, fastest)) = bounds(Measure::HeartRate);
    let (has_pressure, (weakest, strongest)) = bounds(Measure::SystolicPressure);
    let band = if slowest >= strongest {
        Band::High
    } else if slowest * Decimal::TEN >= strongest * Decimal::from(9) {
        Band::Medium
    } else {
        Band::Normal
    };
    let hundredths =
        |rate: Decimal, pressure: Decimal| Decimal::new(rounded(rate / pressure, 2), 2);
    Some(Expected {
        as_of: at.as_of,
        minimum: hundredths(slowest, strongest),
        maximum: hundredths(fastest, weakest),
        band,
        complete: has_rate && has_pressure,
    })
}

#[cfg(test)]
#[path = "scores_test.rs"]
mod tests;
