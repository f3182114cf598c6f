//! The formats of FHIR R4 primitive types. Where the specification says SHOULD, this is lenient.

use crate::limits::STRING_BYTES_MAX;
use crate::time::{parse_date, parse_date_time, parse_instant, parse_time};
use serde_json::Value;

/// A primitive type of FHIR R4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Primitive {
    Base64Binary,
    Boolean,
    Canonical,
    Code,
    Date,
    DateTime,
    Decimal,
    Id,
    Instant,
    Integer,
    Markdown,
    Oid,
    PositiveInt,
    Text,
    Time,
    UnsignedInt,
    Uri,
    Url,
    Uuid,
    Xhtml,
}

impl Primitive {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "base64Binary" => Self::Base64Binary,
            "boolean" => Self::Boolean,
            "canonical" => Self::Canonical,
            "code" => Self::Code,
            "date" => Self::Date,
            "dateTime" => Self::DateTime,
            "decimal" => Self::Decimal,
            "id" => Self::Id,
            "instant" => Self::Instant,
            "integer" => Self::Integer,
            "markdown" => Self::Markdown,
            "oid" => Self::Oid,
            "positiveInt" => Self::PositiveInt,
            "string" => Self::Text,
            "time" => Self::Time,
            "unsignedInt" => Self::UnsignedInt,
            "uri" => Self::Uri,
            "url" => Self::Url,
            "uuid" => Self::Uuid,
            "xhtml" => Self::Xhtml,
            _ => return None,
        })
    }

    /// What is wrong with `value` as this type, if anything.
    pub(crate) fn problem(self, value: &Value) -> Option<&'static str> {
        match self {
            Self::Boolean => (!value.is_boolean()).then_some("not a JSON boolean"),
            Self::Decimal => (!value.is_number()).then_some("not a JSON number"),
            Self::Integer => integer_problem(value, i64::from(i32::MIN), "not a 32-bit integer"),
            Self::UnsignedInt => integer_problem(value, 0, "not a non-negative integer"),
            Self::PositiveInt => integer_problem(value, 1, "not a positive integer"),
            Self::Base64Binary
            | Self::Canonical
            | Self::Code
            | Self::Date
            | Self::DateTime
            | Self::Id
            | Self::Instant
            | Self::Markdown
            | Self::Oid
            | Self::Text
            | Self::Time
            | Self::Uri
            | Self::Url
            | Self::Uuid
            | Self::Xhtml => match value.as_str() {
                None => Some("not a JSON string"),
                Some("") => Some("empty string"),
                Some(text) => self.text_problem(text),
            },
        }
    }

    fn text_problem(self, text: &str) -> Option<&'static str> {
        let (sound, problem) = match self {
            Self::Base64Binary => (is_base64(text), "not base64"),
            Self::Code => (is_code(text), "not a code: surrounding or repeated white space"),
            Self::Date => (parse_date(text).is_some(), "not a date"),
            Self::DateTime => (parse_date_time(text).is_some(), "not a dateTime"),
            Self::Instant => (parse_instant(text).is_some(), "not an instant"),
            Self::Time => (parse_time(text).is_some(), "not a time"),
            Self::Id => (is_id(text), "not an id"),
            Self::Oid => (text.starts_with("urn:oid:") && is_oid(&text[8..]), "not a urn:oid"),
            Self::Uuid => (is_uuid_urn(text), "not a urn:uuid"),
            Self::Canonical | Self::Uri | Self::Url => {
                (!text.contains(char::is_whitespace), "white space in a URI")
            }
            Self::Text | Self::Markdown => {
                (text.len() <= STRING_BYTES_MAX && !text.contains('\0'), "string is too long")
            }
            Self::Xhtml => (is_narrative(text), "not an XHTML div, or with active content"),
            Self::Boolean
            | Self::Decimal
            | Self::Integer
            | Self::PositiveInt
            | Self::UnsignedInt => (false, "not of its type"),
        };
        (!sound).then_some(problem)
    }
}

fn integer_problem(value: &Value, lowest: i64, problem: &'static str) -> Option<&'static str> {
    let number = value.as_number().map(ToString::to_string);
    let whole = number.and_then(|text| text.parse::<i64>().ok());
    let sound = whole.is_some_and(|whole| whole >= lowest && whole <= i64::from(i32::MAX));
    (!sound).then_some(problem)
}

/// Whether `text` has the form of a FHIR id: 1 to 64 of `A-Z a-z 0-9 - .`.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    !text.is_empty() && text.len() <= 64 && text.bytes().all(plain)
}

fn is_code(text: &str) -> bool {
    let space = |character: char| character.is_ascii_whitespace();
    let edges = text.starts_with(space) || text.ends_with(space);
    let doubled = text.as_bytes().windows(2).any(|pair| pair.iter().all(u8::is_ascii_whitespace));
    !edges && !doubled
}

fn is_oid(text: &str) -> bool {
    let mut arcs = text.split('.');
    let first = arcs.next().is_some_and(|arc| matches!(arc, "0" | "1" | "2"));
    let arc = |arc: &str| {
        let digits = !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit());
        digits && (arc == "0" || !arc.starts_with('0'))
    };
    let rest: Vec<&str> = arcs.collect();
    first && !rest.is_empty() && rest.into_iter().all(arc)
}

fn is_uuid_urn(text: &str) -> bool {
    text.strip_prefix("urn:uuid:").is_some_and(|uuid| {
        let groups: Vec<&str> = uuid.split('-').collect();
        let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
        lengths == [8, 4, 4, 4, 12] && groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn is_base64(text: &str) -> bool {
    let mut count = 0_usize;
    let mut padding = 0_usize;
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let plain = byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
        match byte {
            b'=' => padding += 1,
            _ if plain && padding == 0 => {}
            _ => return false,
        }
        count += 1;
    }
    count > 0 && count.is_multiple_of(4) && padding <= 2
}

fn is_narrative(text: &str) -> bool {
    const ACTIVE: [&str; 9] =
        ["<script", "<iframe", "<object", "<embed", "<form", "<link", "<base", "<head", "<body"];
    let trimmed = text.trim();
    let closed = trimmed.ends_with("</div>") || trimmed.ends_with("/>");
    let lower = trimmed.to_ascii_lowercase();
    trimmed.starts_with("<div") && closed && !ACTIVE.iter().any(|tag| lower.contains(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(primitive: &str, json: &str) -> bool {
        let value: Value = serde_json::from_str(json).unwrap();
        Primitive::from_name(primitive).unwrap().problem(&value).is_none()
    }

    #[test]
    fn accepts_and_refuses_by_type() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("boolean", &["true"], &["\"true\"", "1"]),
            ("decimal", &["1.00", "1E-22", "-0"], &["\"1.0\""]),
            ("integer", &["0", "-2147483648"], &["1.0", "1e3", "2147483648", "\"1\""]),
            ("positiveInt", &["1"], &["0", "-1"]),
            ("unsignedInt", &["0"], &["-1"]),
            ("string", &["\" a\\n\""], &["\"\"", "1"]),
            ("code", &["\"a b\"", "\"final\""], &["\" a\"", "\"a  b\"", "\"a \""]),
            ("id", &["\"a-1.B\""], &["\"a_b\"", "\"a b\"", "\"\""]),
            ("uri", &["\"urn:x\"", "\"Patient/1\""], &["\"a b\""]),
            ("oid", &["\"urn:oid:1.2.840\""], &["\"1.2.3\"", "\"urn:oid:3.1\"", "\"urn:oid:1\""]),
            (
                "uuid",
                &["\"urn:uuid:c757873d-ec9a-4326-a141-556f43239520\""],
                &["\"c757873d-ec9a-4326-a141-556f43239520\"", "\"urn:uuid:c757873d\""],
            ),
            ("base64Binary", &["\"QUJD\"", "\"QUI=\\n\""], &["\"QUJ\"", "\"Q=JD\"", "\"é===\""]),
            ("date", &["\"2020-02\""], &["\"2020-02-31\"", "\"2020-01-01T00:00:00Z\""]),
            ("time", &["\"08:00:00\""], &["\"08:00\"", "\"25:00:00\""]),
            (
                "xhtml",
                &["\"<div xmlns=\\\"http://www.w3.org/1999/xhtml\\\">a</div>\""],
                &["\"text\"", "\"<div><script>x</script></div>\""],
            ),
        ];
        for (primitive, accepted, refused) in cases {
            for json in *accepted {
                assert!(sound(primitive, json), "{primitive} {json}");
            }
            for json in *refused {
                assert!(!sound(primitive, json), "{primitive} {json}");
            }
        }
    }
}
