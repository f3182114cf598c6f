//! JSON values as words for a table.

use serde_json::Value;

/// The text, number or truth at a JSON pointer; empty when there is none.
pub(crate) fn at(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).map(plain).unwrap_or_default()
}

/// A value without quotes.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// The list at a JSON pointer; empty when there is none.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A time without its fraction and zone sign, as people read it.
pub(crate) fn time(text: &str) -> String {
    let whole = text.split('.').next().unwrap_or_default();
    whole.trim_end_matches('Z').replacen('T', " ", 1)
}

/// The time at a JSON pointer.
pub(crate) fn time_at(value: &Value, pointer: &str) -> String {
    time(&at(value, pointer))
}

/// An age in seconds in the unit that a person would choose.
pub(crate) fn age(seconds: i64) -> String {
    match seconds {
        ..0 => "in the future".to_owned(),
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The age at a JSON pointer.
pub(crate) fn age_at(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_i64).map(age).unwrap_or_default()
}

/// A number with its unit; units that are no units are left out.
pub(crate) fn quantity(value: &Value) -> String {
    let unit = at(value, "/unit");
    let unit = if unit.starts_with('{') { String::new() } else { unit };
    format!("{} {unit}", at(value, "/value")).trim().to_owned()
}

/// The points of a score, as a range when parts are missing.
pub(crate) fn points(score: &Value) -> String {
    let (minimum, maximum) = (at(score, "/minimum"), at(score, "/maximum"));
    if minimum == maximum { minimum } else { format!("{minimum} to {maximum}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_become_words() {
        let value = json!({"a": {"b": 1}, "c": "x", "d": null, "e": [1, 2]});
        assert_eq!((at(&value, "/a/b"), at(&value, "/c")), ("1".to_owned(), "x".to_owned()));
        assert_eq!((at(&value, "/d"), at(&value, "/z")), (String::new(), String::new()));
        assert_eq!(list(&value, "/e").len() + list(&value, "/z").len(), 2);
        assert_eq!(time("2026-01-02T03:04:05.678901Z"), "2026-01-02 03:04:05");
        let ages = [(-1, "in the future"), (90, "90 s"), (600, "10 min"), (7_200, "2 h")];
        for (seconds, words) in ages {
            assert_eq!(age(seconds), words);
        }
        assert_eq!(quantity(&json!({"value": 0, "unit": "{code}"})), "0");
        assert_eq!(points(&json!({"minimum": 3, "maximum": 8})), "3 to 8");
    }
}
