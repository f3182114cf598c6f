//! Quantities with UCUM units, and exact conversion between the units that scores and labs need.
//!
//! Source: UCUM 2.1 case-sensitive codes. This is not a general UCUM engine: a unit that is not in
//! the table is kept with its value but cannot be scored.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A value with the unit code that the source sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantity {
    /// The value with the precision of the source.
    pub value: Decimal,
    /// UCUM code, or what the source sent instead.
    pub unit: String,
}

/// What is measured, where the conversion between mass and substance concentration depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Analyte {
    /// No molar conversion.
    None,
    /// 113.12 g/mol.
    Creatinine,
    /// 584.66 g/mol.
    Bilirubin,
    /// Urea nitrogen: 28.014 g of nitrogen per mol of urea.
    UreaNitrogen,
    /// 180.156 g/mol.
    Glucose,
    /// 90.08 g/mol.
    Lactate,
    /// Haemoglobin monomer, 16 114 g/mol.
    Haemoglobin,
    /// Monovalent ion: 1 mmol is 1 meq.
    MonovalentIon,
}

/// Why a conversion is not possible.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConversionError {
    /// The unit is not in the table.
    #[error("unknown unit")]
    UnknownUnit,
    /// The two units measure different things.
    #[error("units are not commensurable")]
    NotCommensurable,
    /// The result does not fit a 96-bit decimal.
    #[error("value out of range")]
    OutOfRange,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dimension {
    Pressure,
    Rate,
    Fraction,
    Temperature,
    MassConcentration,
    SubstanceConcentration,
    EquivalentConcentration,
    CellConcentration,
    Flow,
    Volume,
    Mass,
    Length,
    Time,
    Unity,
}

/// `base = value * numerator / denominator + offset`.
struct Unit {
    dimension: Dimension,
    numerator: Decimal,
    denominator: Decimal,
    offset_numerator: Decimal,
    offset_denominator: Decimal,
}

fn linear(dimension: Dimension, numerator: i64, scale: u32, denominator: i64) -> Unit {
    Unit {
        dimension,
        numerator: Decimal::new(numerator, scale),
        denominator: Decimal::new(denominator, 0),
        offset_numerator: Decimal::ZERO,
        offset_denominator: Decimal::ONE,
    }
}

/// The unit table: canonical base of each dimension is mm\[Hg\], /min, %, Cel, g/L, mmol/L, meq/L,
/// 10*9/L, L/min, mL, kg, cm, s and 1.
fn unit(code: &str) -> Option<Unit> {
    let known = match code {
        "mm[Hg]" | "mmHg" | "mm Hg" | "mmHG" => linear(Dimension::Pressure, 1, 0, 1),
        "kPa" => linear(Dimension::Pressure, 1_000_000, 0, 133_322),
        "/min" | "1/min" | "{beats}/min" | "{Beats}/min" | "{breaths}/min" | "{Breaths}/min"
        | "beats/min" | "breaths/min" | "{resp}/min" | "{counts}/min" | "bpm" | "BPM"
        | "breaths/minute" | "beats/minute" | "beats per minute" => {
            linear(Dimension::Rate, 1, 0, 1)
        }
        "/s" | "Hz" => linear(Dimension::Rate, 60, 0, 1),
        "%" | "%{saturation}" | "% O2" | "%O2" | "%{bands}" => linear(Dimension::Fraction, 1, 0, 1),
        "1" | "{fraction}" | "{ratio}" => linear(Dimension::Unity, 1, 0, 1),
        "Cel" | "degC" | "°C" | "C" | "cel" => linear(Dimension::Temperature, 1, 0, 1),
        "[degF]" | "degF" | "°F" | "F" => Unit {
            offset_numerator: Decimal::new(-160, 0),
            offset_denominator: Decimal::new(9, 0),
            ..linear(Dimension::Temperature, 5, 0, 9)
        },
        "K" => Unit {
            offset_numerator: Decimal::new(-27_315, 2),
            ..linear(Dimension::Temperature, 1, 0, 1)
        },
        "kg" => linear(Dimension::Mass, 1, 0, 1),
        "g" => linear(Dimension::Mass, 1, 3, 1),
        "[lb_av]" | "lb" | "lbs" => linear(Dimension::Mass, 45_359_237, 8, 1),
        "cm" => linear(Dimension::Length, 1, 0, 1),
        "m" => linear(Dimension::Length, 100, 0, 1),
        "mm" => linear(Dimension::Length, 1, 1, 1),
        "[in_i]" | "in" => linear(Dimension::Length, 254, 2, 1),
        "mL" | "ml" => linear(Dimension::Volume, 1, 0, 1),
        "L" | "l" => linear(Dimension::Volume, 1000, 0, 1),
        "L/min" | "l/min" => linear(Dimension::Flow, 1, 0, 1),
        "mL/min" | "ml/min" => linear(Dimension::Flow, 1, 3, 1),
        "s" => linear(Dimension::Time, 1, 0, 1),
        "min" => linear(Dimension::Time, 60, 0, 1),
        "h" => linear(Dimension::Time, 3600, 0, 1),
        "{INR}" | "{inr}" | "INR" | "{score}" | "{GCS}" | "{#}" | "{code}" | "" => {
            linear(Dimension::Unity, 1, 0, 1)
        }
        other => return concentration(other),
    };
    Some(known)
}

fn concentration(code: &str) -> Option<Unit> {
    use Dimension::{
        CellConcentration, EquivalentConcentration, MassConcentration, SubstanceConcentration,
    };
    Some(match code {
        "g/L" | "g/l" | "mg/mL" => linear(MassConcentration, 1, 0, 1),
        "g/dL" | "g/dl" | "gm/dL" => linear(MassConcentration, 10, 0, 1),
        "mg/dL" | "mg/dl" => linear(MassConcentration, 1, 2, 1),
        "mg/L" | "ug/mL" => linear(MassConcentration, 1, 3, 1),
        "mmol/L" | "mmol/l" => linear(SubstanceConcentration, 1, 0, 1),
        "umol/L" | "umol/l" | "µmol/L" => linear(SubstanceConcentration, 1, 3, 1),
        "mol/L" => linear(SubstanceConcentration, 1000, 0, 1),
        "meq/L" | "mEq/L" | "meq/l" => linear(EquivalentConcentration, 1, 0, 1),
        "10*9/L" | "10*9/l" | "10*3/uL" | "10*3/ul" | "K/uL" | "x10E3/uL" | "10*3/mm3"
        | "10E3/uL" | "10^3/uL" | "10^9/L" | "x10(9)/L" | "10*3.uL" | "/nL" | "Thousand/uL" => {
            linear(CellConcentration, 1, 0, 1)
        }
        "/uL" | "/mm3" | "10*6/L" | "{cells}/uL" => linear(CellConcentration, 1, 3, 1),
        "10*12/L" | "10*6/uL" => linear(CellConcentration, 1000, 0, 1),
        _ => return None,
    })
}

/// Grams per mole.
fn molar_mass(analyte: Analyte) -> Option<Decimal> {
    match analyte {
        Analyte::None | Analyte::MonovalentIon => None,
        Analyte::Creatinine => Some(Decimal::new(11_312, 2)),
        Analyte::Bilirubin => Some(Decimal::new(58_466, 2)),
        Analyte::UreaNitrogen => Some(Decimal::new(28_014, 3)),
        Analyte::Glucose => Some(Decimal::new(180_156, 3)),
        Analyte::Lactate => Some(Decimal::new(9_008, 2)),
        Analyte::Haemoglobin => Some(Decimal::new(16_114, 0)),
    }
}

/// Converts `value` from one unit to another; exact except for the final division.
///
/// # Errors
/// [`ConversionError`] when a unit is unknown, the dimensions differ (after the molar conversion
/// of `analyte`), or the result does not fit.
pub fn convert(
    value: Decimal,
    from: &str,
    to: &str,
    analyte: Analyte,
) -> Result<Decimal, ConversionError> {
    if from == to {
        return Ok(value);
    }
    let source = unit(from).ok_or(ConversionError::UnknownUnit)?;
    let target = unit(to).ok_or(ConversionError::UnknownUnit)?;
    let (bridge_numerator, bridge_denominator) =
        bridge(source.dimension, target.dimension, analyte)?;
    let overflow = ConversionError::OutOfRange;
    // base = (value * n / d + on / od); all products first so that only one division rounds.
    let scaled = value
        .checked_mul(source.numerator)
        .and_then(|v| v.checked_mul(source.offset_denominator))
        .and_then(|v| {
            source.offset_numerator.checked_mul(source.denominator).and_then(|o| v.checked_add(o))
        })
        .ok_or_else(|| overflow.clone())?;
    let scaled_divisor = source.denominator * source.offset_denominator;
    // result = (base * bridge - target offset) * target.d / target.n
    let result = scaled
        .checked_mul(bridge_numerator)
        .and_then(|v| v.checked_mul(target.denominator))
        .and_then(|v| v.checked_div(scaled_divisor * bridge_denominator * target.numerator))
        .ok_or_else(|| overflow.clone())?;
    let offset = (target.offset_numerator * target.denominator)
        .checked_div(target.offset_denominator * target.numerator)
        .ok_or(overflow)?;
    Ok((result - offset).normalize())
}

fn bridge(
    from: Dimension,
    to: Dimension,
    analyte: Analyte,
) -> Result<(Decimal, Decimal), ConversionError> {
    use Dimension::{
        EquivalentConcentration, Fraction, MassConcentration, SubstanceConcentration, Unity,
    };
    if from == to {
        return Ok((Decimal::ONE, Decimal::ONE));
    }
    let mass = molar_mass(analyte);
    match (from, to) {
        (Unity, Fraction) => Ok((Decimal::ONE_HUNDRED, Decimal::ONE)),
        (Fraction, Unity) => Ok((Decimal::ONE, Decimal::ONE_HUNDRED)),
        // g/L -> mmol/L: multiply by 1000, divide by g/mol
        (MassConcentration, SubstanceConcentration) => {
            mass.map(|m| (Decimal::ONE_THOUSAND, m)).ok_or(ConversionError::NotCommensurable)
        }
        (SubstanceConcentration, MassConcentration) => {
            mass.map(|m| (m, Decimal::ONE_THOUSAND)).ok_or(ConversionError::NotCommensurable)
        }
        (SubstanceConcentration, EquivalentConcentration)
        | (EquivalentConcentration, SubstanceConcentration)
            if analyte == Analyte::MonovalentIon =>
        {
            Ok((Decimal::ONE, Decimal::ONE))
        }
        _ => Err(ConversionError::NotCommensurable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_what_scores_need() {
        let cases = [
            ("100.4", "[degF]", "Cel", Analyte::None, "38"),
            ("310.15", "K", "Cel", Analyte::None, "37"),
            ("37", "Cel", "[degF]", Analyte::None, "98.6"),
            ("1", "mg/dL", "umol/L", Analyte::Creatinine, "88.40"),
            ("353.6", "umol/L", "mg/dL", Analyte::Creatinine, "4.00"),
            ("7", "mmol/L", "mg/dL", Analyte::UreaNitrogen, "19.61"),
            ("16", "kPa", "mm[Hg]", Analyte::None, "120.01"),
            ("0.5", "1", "%", Analyte::None, "50"),
            ("9500", "/uL", "10*9/L", Analyte::None, "9.5"),
            ("140", "meq/L", "mmol/L", Analyte::MonovalentIon, "140"),
            ("150", "[lb_av]", "kg", Analyte::None, "68.04"),
        ];
        for (value, from, to, analyte, expected) in cases {
            let got = convert(value.parse().unwrap(), from, to, analyte).unwrap();
            let expected: Decimal = expected.parse().unwrap();
            assert_eq!(got.round_dp(expected.scale()), expected, "{value} {from} -> {to}");
        }
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        let one = Decimal::ONE;
        assert_eq!(
            convert(one, "mg/dL", "mmol/L", Analyte::None),
            Err(ConversionError::NotCommensurable)
        );
        assert_eq!(convert(one, "furlong", "cm", Analyte::None), Err(ConversionError::UnknownUnit));
        assert_eq!(
            convert(Decimal::MAX, "mol/L", "umol/L", Analyte::None),
            Err(ConversionError::OutOfRange)
        );
    }
}
