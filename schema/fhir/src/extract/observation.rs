//! Observation resources as observations: one for the resource, one for each component.

use super::paths::{concept_codes, text};
use super::{ExtractContext, Facts};
use crate::reference::Reference;
use crate::resource::Resource;
use crate::time::parse_instant;
use schema_types::Decimal;
use schema_types::clinical::{Code, Observation, ObservationStatus, ObservationValue, Provenance};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EncounterId, EntityId, EntityKind, ObservationId};
use schema_types::measure::{Acvpu, MEDULLA_SYSTEM, Measure, MeasureError};
use schema_types::phi::Phi;
use schema_types::quantity::Quantity;
use schema_types::time::Timestamp;
use serde_json::Value;

pub(super) fn observations(
    resource: &Resource,
    facts: &Facts,
    context: &ExtractContext,
) -> Vec<Observation> {
    let value = resource.value();
    let shared = Shared::new(facts, context, value);
    let components: &[Value] =
        value.get("component").and_then(Value::as_array).map_or(&[], Vec::as_slice);
    let mut found = Vec::new();
    let has_own = choice(value).is_some() || value.get("dataAbsentReason").is_some();
    if has_own || components.is_empty() {
        found.push(shared.one(value, shared.id.to_owned(), "Observation".to_owned()));
    }
    for (index, component) in components.iter().enumerate() {
        let id = format!("{}.c{index}", shared.id);
        found.push(shared.one(component, id, format!("Observation.component[{index}]")));
    }
    found
}

struct Shared<'a> {
    id: &'a str,
    context: &'a ExtractContext,
    category: String,
    status: ObservationStatus,
    effective_at: Timestamp,
    device: Option<EntityId>,
    encounter: Option<EncounterId>,
}

impl<'a> Shared<'a> {
    fn new(facts: &'a Facts, context: &'a ExtractContext, value: &Value) -> Self {
        let issued = parse_instant(text(value, "issued")).map(|stated| stated.at);
        let stated = facts.date.and_then(|date| date.anchor());
        Self {
            id: facts.id.as_deref().unwrap_or_default(),
            context,
            category: facts.categories.first().map(|code| code.code.clone()).unwrap_or_default(),
            status: status(&facts.status),
            effective_at: stated.or(issued).unwrap_or(context.received_at),
            device: facts.device_reference.as_ref().and_then(|device| {
                let key = reference_key(device)?;
                Some(EntityId::new(context.tenant.clone(), EntityKind::Device, &key))
            }),
            encounter: facts
                .encounter_reference
                .as_ref()
                .and_then(reference_key)
                .map(EncounterId::new),
        }
    }

    fn one(&self, part: &Value, id: String, position: String) -> Observation {
        let codes = part.get("code").map(concept_codes).unwrap_or_default();
        let value = observation_value(part);
        let named = codes.iter().find_map(|code| {
            Measure::from_code(&code.system, &code.code).map(|measure| (code, measure))
        });
        let mut issues = Vec::new();
        let measured =
            named.and_then(|(code, measure)| measured((code, measure), &value, part, &mut issues));
        let code = named.map(|(code, _)| code).or(codes.first()).cloned().unwrap_or_default();
        Observation {
            id: ObservationId::new(id),
            code,
            category: self.category.clone(),
            value,
            measured,
            effective_at: self.effective_at,
            status: self.status,
            device: self.device.clone(),
            encounter: self.encounter.clone(),
            provenance: Provenance {
                source: self.context.source.clone(),
                message: self.context.message,
                position,
            },
            issues,
        }
    }
}

/// The key of an entity that a reference names: its id, or its business identifier.
fn reference_key(reference: &Reference) -> Option<String> {
    match reference {
        Reference::Local { id, .. } | Reference::Absolute { id, .. } => Some(id.clone()),
        Reference::Urn(urn) => Some(urn.clone()),
        Reference::Identifier { value, .. } => Some(value.clone()),
        Reference::Conditional { .. } | Reference::Contained(_) | Reference::Other(_) => None,
    }
}

fn status(code: &str) -> ObservationStatus {
    match code {
        "final" => ObservationStatus::Final,
        "amended" | "corrected" => ObservationStatus::Corrected,
        "cancelled" | "entered-in-error" => ObservationStatus::Withdrawn,
        _ => ObservationStatus::Preliminary,
    }
}

/// The name and value of `value[x]`.
fn choice(part: &Value) -> Option<(&str, &Value)> {
    let map = part.as_object()?;
    map.iter().find(|(name, _)| name.starts_with("value")).map(|(name, value)| (&**name, value))
}

fn observation_value(part: &Value) -> ObservationValue {
    let Some((name, value)) = choice(part) else {
        return ObservationValue::Absent(absent_reason(part));
    };
    match name {
        "valueQuantity" => quantity_value(value),
        "valueInteger" => match decimal(value) {
            Some(value) => ObservationValue::Quantity(Quantity { value, unit: String::new() }),
            None => words(value.to_string()),
        },
        "valueCodeableConcept" => match concept_codes(value).into_iter().next() {
            Some(code) if !code.code.is_empty() => ObservationValue::Coded(code),
            Some(code) => words(code.display),
            None => ObservationValue::Absent(absent_reason(part)),
        },
        "valueSampledData" => sampled(value),
        "valueRange" => {
            words(format!("{} - {}", amount(value.get("low")), amount(value.get("high"))))
        }
        "valueRatio" => words(format!(
            "{} : {}",
            amount(value.get("numerator")),
            amount(value.get("denominator"))
        )),
        "valuePeriod" => words(format!("{} - {}", text(value, "start"), text(value, "end"))),
        "valueBoolean" => words(value.to_string()),
        _ => words(value.as_str().unwrap_or_default().to_owned()),
    }
}

fn words(text: String) -> ObservationValue {
    ObservationValue::Text(Phi::new(text))
}

fn absent_reason(part: &Value) -> String {
    let codes = part.get("dataAbsentReason").map(concept_codes).unwrap_or_default();
    codes.into_iter().next().map(|code| code.code).unwrap_or_default()
}

/// A JSON number as a decimal with its precision; `None` when it needs more than 28 digits.
pub(crate) fn decimal(value: &Value) -> Option<Decimal> {
    let text = value.as_number()?.to_string();
    if text.contains(['e', 'E']) {
        return Decimal::from_scientific(&text).ok();
    }
    Decimal::from_str_exact(&text).ok()
}

/// A Quantity; with a comparator (`<`, `>=`) or an unreadable number it is text, since it is no
/// number to calculate with.
fn quantity_value(value: &Value) -> ObservationValue {
    let unit = [text(value, "code"), text(value, "unit")];
    let unit = unit.into_iter().find(|unit| !unit.is_empty()).unwrap_or_default();
    let number = value.get("value").and_then(decimal);
    match (number, value.get("comparator")) {
        (Some(number), None) => {
            ObservationValue::Quantity(Quantity { value: number, unit: unit.to_owned() })
        }
        (_, _) if value.get("value").is_none() => ObservationValue::Absent(String::new()),
        (_, _) => words(amount(Some(value))),
    }
}

fn amount(quantity: Option<&Value>) -> String {
    let Some(quantity) = quantity else { return String::new() };
    let number = quantity.get("value").map(ToString::to_string).unwrap_or_default();
    let unit = [text(quantity, "unit"), text(quantity, "code")];
    let unit = unit.into_iter().find(|unit| !unit.is_empty()).unwrap_or_default();
    format!("{}{number} {unit}", text(quantity, "comparator")).trim().to_owned()
}

fn sampled(value: &Value) -> ObservationValue {
    let origin = value.get("origin");
    let zero = origin.map(quantity_value);
    let number = |name: &str| value.get(name).and_then(decimal);
    match (zero, number("period")) {
        (Some(ObservationValue::Quantity(origin)), Some(period_ms)) => ObservationValue::Sampled {
            origin,
            period_ms,
            factor: number("factor").unwrap_or(Decimal::ONE),
            data: text(value, "data").to_owned(),
        },
        (_, _) => words(text(value, "data").to_owned()),
    }
}

/// A number sent as text is not measured: nobody says in what unit it is.
fn measured(
    (code, measure): (&Code, Measure),
    value: &ObservationValue,
    part: &Value,
    issues: &mut Vec<ErrorCode>,
) -> Option<(Measure, Decimal)> {
    let level = |text: &str| {
        let level = Acvpu::from_text(text)?;
        Some((measure, Decimal::from(level.number())))
    };
    let consciousness = measure == Measure::Consciousness;
    // AVPU, coma and sedation scales share bare numbers; only our own code says which is meant.
    let bare = consciousness && ![MEDULLA_SYSTEM, "MEDULLA"].contains(&code.system.as_str());
    match value {
        ObservationValue::Quantity(_) if bare => None,
        ObservationValue::Quantity(quantity) => number(measure, quantity, issues),
        ObservationValue::Coded(first) if consciousness => {
            let all = part.get("valueCodeableConcept").map(concept_codes).unwrap_or_default();
            all.iter()
                .chain([first])
                .find_map(|code: &Code| level(&code.code).or_else(|| level(&code.display)))
        }
        ObservationValue::Text(text) if consciousness => level(text.expose()),
        ObservationValue::Text(_)
        | ObservationValue::Coded(_)
        | ObservationValue::Sampled { .. }
        | ObservationValue::Absent(_) => None,
    }
}

fn number(
    measure: Measure,
    quantity: &Quantity,
    issues: &mut Vec<ErrorCode>,
) -> Option<(Measure, Decimal)> {
    match measure.normalise(quantity.value, &quantity.unit) {
        Ok(value) => Some((measure, value)),
        Err(MeasureError::Implausible) => {
            issues.push(ErrorCode::ClinicalImplausible);
            None
        }
        Err(MeasureError::Unit(_)) => {
            issues.push(ErrorCode::ClinicalUnit);
            None
        }
    }
}
