//! How words are shown as JSON: times in RFC 3339 UTC, decimals with their digits, codes by label.

use crate::http::ApiError;
use crate::http::request::Asked;
use schema_fhir::time::{parse_date_time, render_instant};
use schema_types::Decimal;
use schema_types::clinical::{Location, Provenance};
use schema_types::ids::EntityId;
use schema_types::measure::Measure;
use schema_types::patient::{
    Alert, AlertCondition, AlertStatus, EncounterStatus, MeasuredValue, Registration, Severity,
};
use schema_types::score::{Missing, Score};
use schema_types::time::{MICROS_PER_SECOND, Timestamp};
use serde_json::{Map, Value, json};
use std::str::FromStr;

/// An instant.
pub(crate) fn time(at: Timestamp) -> Value {
    Value::from(render_instant(at))
}

/// An instant that may be absent.
pub(crate) fn optional_time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, time)
}

/// A number with exactly its digits.
pub(crate) fn decimal(value: Decimal) -> Value {
    serde_json::Number::from_str(&value.to_string()).map_or(Value::Null, Value::Number)
}

/// An instant among the query parameters: RFC 3339, or a date.
pub(crate) fn time_parameter(asked: &Asked, name: &str) -> Result<Option<Timestamp>, ApiError> {
    asked.parameter(name).map(|text| parse_time(name, text)).transpose()
}

/// Reads RFC 3339 or a date; the `+` of an offset may arrive as a space.
pub(crate) fn parse_time(name: &str, text: &str) -> Result<Timestamp, ApiError> {
    let stated = parse_date_time(&text.replace(' ', "+"));
    stated.map(|stated| stated.at).ok_or_else(|| {
        ApiError::bad_request(format!("{name} is not a time, for example 2026-01-31T08:00:00Z"))
    })
}

/// The age of something at an instant, in whole seconds.
pub(crate) fn age_seconds(now: Timestamp, at: Timestamp) -> Value {
    Value::from(now.micros_since(at).div_euclid(MICROS_PER_SECOND))
}

/// Where a fact came from, as members of the object that tells it.
pub(crate) fn add_provenance(map: &mut Map<String, Value>, provenance: &Provenance) {
    map.insert("source".to_owned(), Value::from(provenance.source.as_str()));
    map.insert("message".to_owned(), Value::from(provenance.message.to_hex()));
    map.insert("position".to_owned(), Value::from(provenance.position.as_str()));
}

/// A value of a measure, with its origin and its age at `now`.
pub(crate) fn measured(measure: Measure, value: &MeasuredValue, now: Timestamp) -> Value {
    let mut shown = json!({
        "measure": measure.label(),
        "value": decimal(value.value),
        "unit": measure.unit(),
        "observed_at": time(value.effective_at),
        "recorded_at": time(value.recorded_at),
        "age_seconds": age_seconds(now, value.effective_at),
        "observation": value.observation.as_str(),
        "future_dated": value.future_dated,
    });
    if let Some(map) = shown.as_object_mut() {
        add_provenance(map, &Provenance::from(&value.provenance));
    }
    shown
}

/// A place.
pub(crate) fn location(location: &Location) -> Value {
    json!({
        "facility": location.facility,
        "ward": location.ward,
        "room": location.room,
        "bed": location.bed,
    })
}

/// What an alert is about.
pub(crate) fn condition(condition: &AlertCondition) -> Value {
    match condition {
        AlertCondition::Score(model) => json!({ "kind": "score", "model": model.label() }),
        AlertCondition::CriticalValue(measure) => {
            json!({ "kind": "critical-value", "measure": measure.label() })
        }
        AlertCondition::DeviceSilent(device) => {
            json!({ "kind": "device-silent", "device": device.key() })
        }
    }
}

/// The short name of a condition.
fn condition_name(condition: &AlertCondition) -> String {
    match condition {
        AlertCondition::Score(model) => model.label().to_owned(),
        AlertCondition::CriticalValue(measure) => format!("critical-{}", measure.label()),
        AlertCondition::DeviceSilent(device) => format!("device-silent {}", device.key()),
    }
}

/// An alert of a patient.
pub(crate) fn alert(patient: &EntityId, alert: &Alert) -> Value {
    let severity = match alert.severity {
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    };
    json!({
        "id": alert.id.as_str(),
        "patient": patient.key(),
        "condition": condition_name(&alert.condition),
        "about": condition(&alert.condition),
        "severity": severity,
        "status": alert_status(alert.status),
        "raised_at": time(alert.raised_at),
        "observed_at": time(alert.observed_at),
        "changed_at": time(alert.changed_at),
        "escalations": alert.escalations,
        "suppressed": alert.suppressed,
        "acknowledged_by": alert.acknowledged_by.as_ref().map(|by| by.as_str()),
        "future_dated": alert.future_dated,
        "trigger": decimal(alert.trigger),
        "observation": alert.observation.as_ref().map(|observation| observation.as_str()),
    })
}

/// The word for where an alert is in its life.
pub(crate) const fn alert_status(status: AlertStatus) -> &'static str {
    match status {
        AlertStatus::Active => "active",
        AlertStatus::Escalated => "escalated",
        AlertStatus::Acknowledged => "acknowledged",
        AlertStatus::Resolved => "resolved",
    }
}

/// The word for how a patient is known.
pub(crate) const fn registration(registration: Registration) -> &'static str {
    match registration {
        Registration::Unknown => "unknown",
        Registration::Provisional => "provisional",
        Registration::Registered => "registered",
    }
}

/// The word for where a stay is in its life.
pub(crate) const fn encounter_status(status: EncounterStatus) -> &'static str {
    match status {
        EncounterStatus::Planned => "planned",
        EncounterStatus::Open => "open",
        EncounterStatus::Discharged => "discharged",
        EncounterStatus::Cancelled => "cancelled",
    }
}

/// The word for why a part of a score has no points.
pub(crate) const fn missing(missing: Missing) -> &'static str {
    match missing {
        Missing::Absent => "absent",
        Missing::Stale => "stale",
    }
}

/// The result of a model in short.
pub(crate) fn score(score: &Score) -> Value {
    score_of(score, score.is_complete())
}

/// [`score`] of a result whose parts may not be known.
pub(crate) fn score_of(score: &Score, complete: bool) -> Value {
    let missing: Vec<Value> = score
        .parts
        .iter()
        .filter_map(|part| {
            let reason = missing(part.points.err()?);
            Some(json!({ "parameter": part.parameter, "missing": reason }))
        })
        .collect();
    json!({
        "model": score.model.label(),
        "model_version": score.model_version,
        "as_of": time(score.as_of),
        "minimum": decimal(score.minimum),
        "maximum": decimal(score.maximum),
        "complete": complete,
        "band": score.band.label(),
        "missing": missing,
    })
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// Bytes of lower-case hexadecimal.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// Standard Base64 with padding (RFC 4648 section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let group = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for place in 0..4 {
            let index = usize::try_from((group >> (18 - 6 * place)) & 0x3F).unwrap_or(0);
            let is_padding = usize::try_from(place).unwrap_or(0) > chunk.len();
            text.push(if is_padding { '=' } else { char::from(ALPHABET[index]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_and_hex_have_their_standard_forms() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (bytes, text) in cases {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(from_hex(&hex(&[0, 15, 255])), Some(vec![0, 15, 255]));
        for text in ["0", "0g", "é0"] {
            assert_eq!(from_hex(text), None, "{text}");
        }
    }

    #[test]
    fn decimals_keep_their_digits() {
        let shown = decimal("37.50".parse().unwrap());
        assert_eq!(shown.to_string(), "37.50");
    }
}
