//! Values that are critical by themselves, as a table with sources.
//!
//! Laboratory limits start from the means of Kost's survey; those that are called most often are
//! moved outward to the round numbers that laboratories publish today, so that a page stays rare.
//! Where another source decides, the row names it.

use crate::Person;
use crate::reference::{CRITICAL_LIMITS as KOST, EMERGENCY_TEAM, SURVIVING_SEPSIS};
use rust_decimal::Decimal;
use schema_types::measure::Measure;
use schema_types::patient::Severity;

/// A strict bound in tenths of the measure's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CriticalBound {
    /// Critical below this many tenths.
    BelowTenths(i64),
    /// Critical above this many tenths.
    AboveTenths(i64),
}

/// One row: beyond the bound somebody must be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CriticalLimit {
    /// What is measured, in [`Measure::unit`].
    pub measure: Measure,
    /// From where it is critical.
    pub bound: CriticalBound,
    /// How urgent that is.
    pub severity: Severity,
    /// Whether the limit does not hold under [`crate::limits::ADULT_AGE_YEARS_MIN`].
    pub is_for_adults_only: bool,
    /// Where the limit comes from.
    pub source: &'static str,
}

const fn laboratory(measure: Measure, bound: CriticalBound, source: &'static str) -> CriticalLimit {
    let severity = Severity::Critical;
    CriticalLimit { measure, bound, severity, is_for_adults_only: false, source }
}

const fn vital_sign(measure: Measure, bound: CriticalBound, source: &'static str) -> CriticalLimit {
    let severity = Severity::Critical;
    CriticalLimit { measure, bound, severity, is_for_adults_only: true, source }
}

const TRANSFUSION: &str = "Carson JL et al. Red blood cell transfusion: 2023 AABB international \
    guidelines (threshold 7 g/dL). JAMA 2023;330:1892-1902";
const ANTICOAGULATION: &str = "Holbrook A et al. Evidence-based management of anticoagulant \
    therapy (ACCP, 9th edition). Chest 2012;141(2 Suppl):e152S-e184S; limit rounded";
const HYPOTHERMIA: &str = "Brown DJA et al. Accidental hypothermia (stage 2 below 32 Cel). N Engl \
    J Med 2012;367:1930-1938";
const HYPERTHERMIA: &str = "Usual definition of hyperpyrexia (above 41 Cel is treated as an \
    emergency); no single primary source";
const SATURATION: &str = "Smith GB et al. Review of single-parameter track and trigger systems \
    (limits 85-90 %). Resuscitation 2008;79:11-21; the lowest is used, as oxygen may be targeted \
    at 88-92 %";
const COMA: &str = "Teasdale G, Jennett B. Lancet 1974;2:81-84; total 8 or less is coma";

use CriticalBound::{AboveTenths, BelowTenths};

/// Every limit, by measure.
pub const CRITICAL_LIMITS: &[CriticalLimit] = &[
    laboratory(Measure::Potassium, BelowTenths(25), KOST),
    laboratory(Measure::Potassium, AboveTenths(65), KOST),
    laboratory(Measure::Sodium, BelowTenths(1200), KOST),
    laboratory(Measure::Sodium, AboveTenths(1600), KOST),
    laboratory(Measure::Glucose, BelowTenths(400), KOST),
    laboratory(Measure::Glucose, AboveTenths(5000), KOST),
    laboratory(Measure::Haemoglobin, BelowTenths(70), TRANSFUSION),
    laboratory(Measure::Haemoglobin, AboveTenths(200), KOST),
    laboratory(Measure::Platelets, BelowTenths(200), KOST),
    laboratory(Measure::Platelets, AboveTenths(10_000), KOST),
    laboratory(Measure::WhiteCells, BelowTenths(10), KOST),
    laboratory(Measure::WhiteCells, AboveTenths(500), KOST),
    laboratory(Measure::Inr, AboveTenths(50), ANTICOAGULATION),
    laboratory(Measure::Lactate, AboveTenths(40), SURVIVING_SEPSIS),
    laboratory(Measure::Creatinine, AboveTenths(74), KOST),
    laboratory(Measure::UreaNitrogen, AboveTenths(1040), KOST),
    laboratory(Measure::Bilirubin, AboveTenths(150), KOST),
    laboratory(Measure::ArterialCarbonDioxide, BelowTenths(190), KOST),
    laboratory(Measure::ArterialCarbonDioxide, AboveTenths(670), KOST),
    laboratory(Measure::ArterialOxygen, BelowTenths(430), KOST),
    laboratory(Measure::OxygenSaturation, BelowTenths(850), SATURATION),
    laboratory(Measure::GlasgowComaScale, BelowTenths(90), COMA),
    laboratory(Measure::Consciousness, AboveTenths(30), COMA),
    laboratory(Measure::BodyTemperature, BelowTenths(320), HYPOTHERMIA),
    laboratory(Measure::BodyTemperature, AboveTenths(410), HYPERTHERMIA),
    vital_sign(Measure::RespiratoryRate, BelowTenths(50), EMERGENCY_TEAM),
    vital_sign(Measure::RespiratoryRate, AboveTenths(360), EMERGENCY_TEAM),
    vital_sign(Measure::HeartRate, BelowTenths(400), EMERGENCY_TEAM),
    vital_sign(Measure::HeartRate, AboveTenths(1400), EMERGENCY_TEAM),
    vital_sign(Measure::SystolicPressure, BelowTenths(900), EMERGENCY_TEAM),
];

/// How urgent a value is by itself, by the limits for adults; `None` when it is not critical. The
/// value is in [`Measure::unit`] and compared as observed. All bounds are strict.
#[must_use]
pub fn critical_value(measure: Measure, value: Decimal) -> Option<Severity> {
    critical_value_for(&Person::default(), measure, value)
}

/// [`critical_value`] without the limits that do not hold for the person: rates and pressures that
/// are critical in an adult are normal in a small child.
#[must_use]
pub fn critical_value_for(person: &Person, measure: Measure, value: Decimal) -> Option<Severity> {
    let applies = |limit: &&CriticalLimit| {
        limit.measure == measure && !(limit.is_for_adults_only && person.is_child())
    };
    let is_beyond = |limit: &&CriticalLimit| match limit.bound {
        BelowTenths(bound) => value < Decimal::new(bound, 1),
        AboveTenths(bound) => value > Decimal::new(bound, 1),
    };
    let exceeded = CRITICAL_LIMITS.iter().filter(applies).filter(is_beyond);
    exceeded.map(|limit| limit.severity).max()
}
