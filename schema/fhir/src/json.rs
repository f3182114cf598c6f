//! JSON text to values with order and decimals as sent (of an exponent only the spelling changes:
//! `1E-22` is written `1e-22`), and with what serde_json lets pass refused:
//! repeated property names, deep nesting. Not here: anything about FHIR.

use crate::error::{FhirError, path_name};
use crate::limits::{JSON_DEPTH_MAX, Limits};
use schema_types::error_code::ErrorCode;
use serde_json::Value;
use std::collections::BTreeSet;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Parses `bytes`. A UTF-8 byte order mark is skipped.
pub(crate) fn parse(bytes: &[u8], limits: &Limits) -> Result<Value, FhirError> {
    if bytes.len() > limits.bundle_bytes_max {
        return Err(FhirError::new(ErrorCode::FhirTooLarge, "", "body exceeds the limit"));
    }
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        syntax(format!("body is not UTF-8 from byte {} on", error.valid_up_to()))
    })?;
    let shape = scan(text.as_bytes());
    if shape.depth > limits.depth_max.min(JSON_DEPTH_MAX) {
        return Err(syntax("arrays and objects are nested too deeply".to_owned()));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| {
        syntax(format!("body is not JSON at line {} column {}", error.line(), error.column()))
    })?;
    // serde_json keeps the last of equal names; fewer members than name separators betrays that.
    if members(&value) != shape.names {
        return Err(repeated(text));
    }
    Ok(value)
}

fn syntax(reason: String) -> FhirError {
    FhirError::new(ErrorCode::FhirSyntax, "", reason)
}

struct Shape {
    depth: usize,
    names: usize,
}

fn scan(bytes: &[u8]) -> Shape {
    let (mut depth, mut deepest, mut names) = (0_usize, 0_usize, 0_usize);
    let mut in_string = false;
    let mut escaped = false;
    for byte in bytes {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b':' => names += 1,
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Shape { depth: deepest, names }
}

fn members(value: &Value) -> usize {
    match value {
        Value::Object(map) => map.len() + map.values().map(members).sum::<usize>(),
        Value::Array(items) => items.iter().map(members).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Finds the first repeated name in text that is known to be JSON.
fn repeated(text: &str) -> FhirError {
    let mut open: Vec<BTreeSet<String>> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['"', '{', '}']) {
        let tail = &rest[at..];
        if let Some(after) = tail.strip_prefix('{') {
            open.push(BTreeSet::new());
            rest = after;
        } else if let Some(after) = tail.strip_prefix('}') {
            open.pop();
            rest = after;
        } else {
            let end = string_end(tail);
            let (literal, after) = tail.split_at(end);
            rest = after;
            if !after.trim_start().starts_with(':') {
                continue;
            }
            let name: String = serde_json::from_str(literal).unwrap_or_default();
            if let Some(names) = open.last_mut()
                && !names.insert(name.clone())
            {
                let reason = format!("property {} appears twice in one object", path_name(&name));
                return syntax(reason);
            }
        }
    }
    syntax("a property name is reserved".to_owned())
}

/// The length of the string literal at the start of `text`, quotes included.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_decimals_as_sent() {
        let texts = [
            r#"{"b":1.0,"a":1.00,"c":[1e-22,0.00000000000000000001,-0,1e+3,100]}"#,
            r#"{"z":123456789012345678901234567890.123456789,"y":{"x":[]}}"#,
        ];
        for text in texts {
            let value = parse(text.as_bytes(), &Limits::default()).unwrap();
            assert_eq!(serde_json::to_string(&value).unwrap(), text);
        }
        let spelled = parse(b"[1E-22,1e3]", &Limits::default()).unwrap();
        assert_eq!(spelled.to_string(), "[1e-22,1e+3]", "only the exponent's spelling changes");
        let marked = parse(b"\xEF\xBB\xBF{\"a\":1}", &Limits::default()).unwrap();
        assert_eq!(marked["a"].to_string(), "1");
    }

    #[test]
    fn refuses_what_is_not_json() {
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        let very_deep = "[".repeat(1_000_000);
        let cases: &[(&[u8], &str)] = &[
            (b"", "not JSON"),
            (b"{\"a\":1,}", "not JSON"),
            (b"{'a':1}", "not JSON"),
            (b"{\"a\":NaN}", "not JSON"),
            (b"{\"a\":01}", "not JSON"),
            (b"{\"a\":\"\xff\"}", "not UTF-8"),
            (b"\xFE\xFF\x00{", "not UTF-8"),
            (b"{\"a\":1,\"a\":2}", "property a appears twice"),
            (b"{\"x\":{\"a\":1,\"\\u0061\":2},\"a\":3}", "property a appears twice"),
            (b"{\"x:y\":\"{\",\"J S\":1,\"J S\":2}", "property ? appears twice"),
            (b"{\"$serde_json::private::Number\":\"1\"}", "reserved"),
            (deep.as_bytes(), "too deeply"),
            (very_deep.as_bytes(), "too deeply"),
        ];
        for (bytes, reason) in cases {
            let error = parse(bytes, &Limits::default()).unwrap_err();
            assert_eq!(error.code, ErrorCode::FhirSyntax);
            assert!(error.reason.contains(reason), "{} / {reason}", error.reason);
        }
    }
}
