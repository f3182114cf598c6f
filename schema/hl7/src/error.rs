//! The one error of the codec: a stable code, a place in the message and a reason without values.
//!
//! No text here ever holds content of the message (PHI-1): places are segment names and numbers.

use schema_types::error_code::ErrorCode;
use std::fmt;

/// A segment name such as `PID`: three characters, upper-case letters and digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName([u8; 3]);

impl SegmentName {
    /// The name of three bytes, if they are a letter and two letters or digits in upper case.
    #[must_use]
    pub const fn new(bytes: [u8; 3]) -> Option<Self> {
        let [first, second, third] = bytes;
        let fits = first.is_ascii_uppercase()
            && (second.is_ascii_uppercase() || second.is_ascii_digit())
            && (third.is_ascii_uppercase() || third.is_ascii_digit());
        if fits { Some(Self(bytes)) } else { None }
    }

    /// The name at the start of `line`, which must end there or go on with something that can be
    /// a delimiter.
    #[must_use]
    pub fn at_start_of(line: &[u8]) -> Option<Self> {
        let (name, rest) = line.split_first_chunk::<3>()?;
        if rest.first().is_some_and(u8::is_ascii_alphanumeric) {
            return None;
        }
        Self::new(*name)
    }

    /// The three characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for SegmentName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A place in a message. Numbers count from 1; 0 means that the place is not narrowed that far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// The segment's name, where it has one.
    pub segment: Option<SegmentName>,
    /// Which of the segments of that name; without a name, which line.
    pub sequence: usize,
    /// The field.
    pub field: usize,
    /// The repetition of the field.
    pub repetition: usize,
    /// The component.
    pub component: usize,
}

impl Position {
    /// The `sequence`-th segment of a name.
    #[must_use]
    pub fn segment(name: &str, sequence: usize) -> Self {
        let segment = name.as_bytes().first_chunk::<3>().and_then(|name| SegmentName::new(*name));
        Self { segment, sequence, ..Self::default() }
    }

    /// A line that has no segment name.
    #[must_use]
    pub fn line(number: usize) -> Self {
        Self { sequence: number, ..Self::default() }
    }

    /// The same segment, narrowed to a field.
    #[must_use]
    pub fn with_field(self, field: usize) -> Self {
        Self { field, repetition: 0, component: 0, ..self }
    }

    /// The same field, narrowed to a component of its first repetition.
    #[must_use]
    pub fn with_component(self, component: usize) -> Self {
        Self { repetition: 1, component, ..self }
    }
}

impl fmt::Display for Position {
    /// For example `OBX[3]-5`, `PID-3.1` or `line 4`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.segment {
            Some(name) => {
                write!(formatter, "{name}")?;
                if self.sequence > 1 || name.as_str() == "OBX" {
                    write!(formatter, "[{}]", self.sequence)?;
                }
            }
            None if self.sequence == 0 => return formatter.write_str("message"),
            None => write!(formatter, "line {}", self.sequence)?,
        }
        if self.field > 0 {
            write!(formatter, "-{}", self.field)?;
        }
        if self.component > 0 {
            write!(formatter, ".{}", self.component)?;
        }
        Ok(())
    }
}

/// How a refused message is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// `AE`: the content is wrong; the sender must repair it.
    Error,
    /// `AR`: this kind of message is never taken here, whatever its content.
    Reject,
}

/// Why bytes are not taken, or what is doubtful about them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} at {position}: {reason}")]
pub struct Hl7Error {
    /// The stable code.
    pub code: ErrorCode,
    /// Where.
    pub position: Position,
    /// What is wrong, without any value of the message.
    pub reason: &'static str,
    /// How the sender is answered.
    pub refusal: Refusal,
}

/// Codes that say that a kind of message is never taken, rather than that this one is wrong.
const REJECTED: [ErrorCode; 6] = [
    ErrorCode::Hl7NotAMessage,
    ErrorCode::Hl7Delimiters,
    ErrorCode::Hl7Frame,
    ErrorCode::Hl7TooLarge,
    ErrorCode::Hl7UnsupportedEvent,
    ErrorCode::Hl7Version,
];

impl Hl7Error {
    /// An error of `code` at `position`; the code decides between `AE` and `AR`.
    #[must_use]
    pub fn new(code: ErrorCode, position: Position, reason: &'static str) -> Self {
        let refusal = if REJECTED.contains(&code) { Refusal::Reject } else { Refusal::Error };
        Self { code, position, reason, refusal }
    }

    /// A required segment is absent.
    #[must_use]
    pub fn segment_missing(name: &str) -> Self {
        let position = Position::segment(name, 1);
        Self::new(ErrorCode::Hl7SegmentMissing, position, "the segment is required")
    }

    /// A required field is empty.
    #[must_use]
    pub fn field_missing(position: Position) -> Self {
        Self::new(ErrorCode::Hl7FieldMissing, position, "the field is required")
    }

    /// A field does not have its data type.
    #[must_use]
    pub fn data_type(position: Position, reason: &'static str) -> Self {
        Self::new(ErrorCode::Hl7DataType, position, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_read_like_the_standard() {
        let cases = [
            (Position::segment("OBX", 3).with_field(5), "OBX[3]-5"),
            (Position::segment("PID", 1).with_field(3).with_component(1), "PID-3.1"),
            (Position::segment("PID", 2), "PID[2]"),
            (Position::line(4), "line 4"),
            (Position::default(), "message"),
        ];
        for (position, text) in cases {
            assert_eq!(position.to_string(), text);
        }
    }

    #[test]
    fn names_are_three_upper_case_characters() {
        for good in [&b"PID|1"[..], b"ZP1", b"NK1#"] {
            assert!(SegmentName::at_start_of(good).is_some());
        }
        for bad in [&b"PIDX|"[..], b"pid|", b"1PI|", b"PV", b"P D|"] {
            assert!(SegmentName::at_start_of(bad).is_none());
        }
    }
}
