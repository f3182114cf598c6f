//! OBX-5 by its data type in OBX-2, and the number that a known measure can use.

use super::code::{text_of, triplets};
use super::{Decoder, unit};
use crate::error::{Hl7Error, Position};
use crate::message::{Part, Segment};
use crate::time::NOT_A_TIME;
use schema_types::Decimal;
use schema_types::clinical::{Code, ObservationValue};
use schema_types::error_code::ErrorCode;
use schema_types::measure::{Acvpu, MEDULLA_SYSTEM, Measure, MeasureError};
use schema_types::phi::Phi;
use schema_types::quantity::Quantity;

/// How public-health messages say that a date was asked for and is not known.
const UNKNOWN_DATE: &str = "99999999";
const NOT_A_NUMBER: &str = "the value is not a number";

impl Decoder<'_> {
    /// The values of an OBX, one per repetition of a number or code; never empty.
    pub(super) fn values(&self, obx: &Segment<'_>) -> Result<Vec<ObservationValue>, Hl7Error> {
        let field = obx.field(5);
        if field.is_empty() || field.is_null() {
            return Ok(vec![ObservationValue::Absent(String::new())]);
        }
        let at = obx.position().with_field(5);
        let said = field.repetitions().filter(|one| !one.is_empty() && !one.is_null());
        match obx.field(2).value().as_str() {
            "NM" => said.map(|one| number(&one, obx, at)).collect(),
            "SN" => said.map(|one| structured_number(&one, obx, at)).collect(),
            "CE" | "CWE" | "CNE" | "CF" => Ok(said.map(|one| coded(&one)).collect()),
            "NA" | "MA" => Ok(vec![samples(&field, obx, at)?]),
            "DT" | "TS" | "DTM" if field.value() == UNKNOWN_DATE => {
                Ok(vec![ObservationValue::Absent("unknown".into())])
            }
            "DT" | "TS" | "DTM" => {
                for one in said {
                    self.time_of(&one.component(1), at)?;
                }
                Ok(vec![text(&field)])
            }
            "TM" => {
                for one in said {
                    // A time of day is read as one of a day that exists.
                    let day = format!("20000101{}", one.component(1).value());
                    crate::time::parse_time(&day, 0)
                        .map_err(|_| Hl7Error::data_type(at, NOT_A_TIME))?;
                }
                Ok(vec![text(&field)])
            }
            "ED" => Ok(vec![ObservationValue::Absent("document in the archived message".into())]),
            _ => Ok(vec![text(&field)]),
        }
    }
}

fn number(one: &Part<'_>, obx: &Segment<'_>, at: Position) -> Result<ObservationValue, Hl7Error> {
    let value = decimal(&one.value()).ok_or_else(|| Hl7Error::data_type(at, NOT_A_NUMBER))?;
    Ok(ObservationValue::Quantity(Quantity { value, unit: unit::sent(&obx.field(6)) }))
}

/// An HL7 NM: optional sign, digits, optional point. No exponent, no separators.
pub(super) fn decimal(text: &str) -> Option<Decimal> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let filled = digits.bytes().any(|byte| byte.is_ascii_digit());
    if !plain || !filled {
        return None;
    }
    Decimal::from_str_exact(text).ok()
}

/// `comparator ^ number ^ separator ^ number`: only a bare number is a quantity; a bound, a range
/// or a ratio is not a value that can be scored.
fn structured_number(
    one: &Part<'_>,
    obx: &Segment<'_>,
    at: Position,
) -> Result<ObservationValue, Hl7Error> {
    let [comparator, first, separator, second] =
        [1, 2, 3, 4].map(|component| one.component(component).value());
    for number in [&first, &second] {
        if !number.is_empty() && decimal(number).is_none() {
            return Err(Hl7Error::data_type(at, NOT_A_NUMBER));
        }
    }
    let bare = separator.is_empty() && second.is_empty();
    match decimal(&first) {
        Some(value) if bare && matches!(comparator.as_str(), "" | "=") => {
            Ok(ObservationValue::Quantity(Quantity { value, unit: unit::sent(&obx.field(6)) }))
        }
        _ => {
            let joined = format!("{comparator}{first}{separator}{second}");
            Ok(ObservationValue::Text(Phi::new(joined)))
        }
    }
}

fn coded(one: &Part<'_>) -> ObservationValue {
    match triplets(one).into_iter().next() {
        Some(mut code) => {
            if code.display.is_empty() {
                code.display = text_of(one);
            }
            ObservationValue::Coded(code)
        }
        None => ObservationValue::Text(Phi::new(text_of(one))),
    }
}

/// Arrays of numbers: components are samples, repetitions are rows. The interval between samples
/// is not in the message, so it is given as 0.
fn samples(
    field: &Part<'_>,
    obx: &Segment<'_>,
    at: Position,
) -> Result<ObservationValue, Hl7Error> {
    let mut data = Vec::new();
    for row in field.repetitions() {
        for sample in row.components() {
            let value = sample.value();
            match (value.is_empty(), decimal(&value)) {
                (true, _) => data.push("E".to_owned()),
                (false, Some(_)) => data.push(value),
                (false, None) => return Err(Hl7Error::data_type(at, NOT_A_NUMBER)),
            }
        }
    }
    let unit = unit::sent(&obx.field(6));
    Ok(ObservationValue::Sampled {
        origin: Quantity { value: Decimal::ZERO, unit },
        period_ms: Decimal::ZERO,
        factor: Decimal::ONE,
        data: data.join(" "),
    })
}

fn text(field: &Part<'_>) -> ObservationValue {
    let lines: Vec<String> = field.repetitions().map(|one| one.text().into_owned()).collect();
    ObservationValue::Text(Phi::new(lines.join("\n")))
}

/// The value in the unit of `measure`, or what is doubtful about it.
pub(super) fn measured(
    measure: Measure,
    codes: &[Code],
    value: &ObservationValue,
    units: &[String],
) -> Result<Option<Decimal>, ErrorCode> {
    let own_code =
        codes.iter().any(|code| code.system == MEDULLA_SYSTEM || code.system == "MEDULLA");
    match value {
        // A bare number could come from any scale (AVPU, Glasgow, sedation).
        ObservationValue::Quantity(_) if measure == Measure::Consciousness && !own_code => {
            Err(ErrorCode::ClinicalUnit)
        }
        ObservationValue::Quantity(quantity) => {
            normalised(measure, quantity.value, units).map(Some)
        }
        ObservationValue::Coded(code) if measure == Measure::Consciousness => {
            let level = Acvpu::from_text(&code.code).or_else(|| Acvpu::from_text(&code.display));
            Ok(level.map(|level| Decimal::from(level.number())))
        }
        ObservationValue::Text(text) if measure == Measure::Consciousness => {
            Ok(Acvpu::from_text(text.expose()).map(|level| Decimal::from(level.number())))
        }
        // Numbers are often sent as ST.
        ObservationValue::Text(text) => {
            decimal(text.expose()).map(|value| normalised(measure, value, units)).transpose()
        }
        ObservationValue::Coded(_)
        | ObservationValue::Sampled { .. }
        | ObservationValue::Absent(_) => Ok(None),
    }
}

fn normalised(measure: Measure, value: Decimal, units: &[String]) -> Result<Decimal, ErrorCode> {
    if units.is_empty() {
        return measure.normalise(value, "").map_err(|error| code_of(&error));
    }
    let mut error = ErrorCode::ClinicalUnit;
    for unit in units {
        match measure.normalise(value, unit) {
            Ok(value) => return Ok(value),
            Err(MeasureError::Unit(_)) => {}
            Err(implausible @ MeasureError::Implausible) => {
                error = code_of(&implausible);
                break;
            }
        }
    }
    Err(error)
}

const fn code_of(error: &MeasureError) -> ErrorCode {
    match error {
        MeasureError::Unit(_) => ErrorCode::ClinicalUnit,
        MeasureError::Implausible => ErrorCode::ClinicalImplausible,
    }
}
