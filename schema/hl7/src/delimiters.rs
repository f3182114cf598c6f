//! The delimiters that MSH-1 and MSH-2 declare. Any printable ASCII punctuation is allowed.

use crate::error::{Hl7Error, Position};
use schema_types::error_code::ErrorCode;

/// The delimiters of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delimiters {
    /// MSH-1, usually `|`.
    pub field: u8,
    /// Usually `^`.
    pub component: u8,
    /// Usually `~`.
    pub repetition: u8,
    /// Usually `\`.
    pub escape: u8,
    /// Usually `&`.
    pub subcomponent: u8,
    /// Usually `#`; since version 2.7, optional.
    pub truncation: Option<u8>,
}

impl Default for Delimiters {
    fn default() -> Self {
        Self::STANDARD
    }
}

impl Delimiters {
    /// The recommended delimiters, `|^~\&`.
    pub const STANDARD: Self = Self {
        field: b'|',
        component: b'^',
        repetition: b'~',
        escape: b'\\',
        subcomponent: b'&',
        truncation: None,
    };

    /// The delimiters of a header segment (`MSH`, `FHS`, `BHS`).
    ///
    /// # Errors
    /// `MED-HL7-002` when one is missing, a letter, a digit, not printable ASCII, or used twice.
    pub fn of_header(segment: &[u8]) -> Result<Self, Hl7Error> {
        let refused = |field: usize, reason: &'static str| {
            let position = Position::segment("MSH", 1).with_field(field);
            Hl7Error::new(ErrorCode::Hl7Delimiters, position, reason)
        };
        let field = *segment.get(3).ok_or_else(|| refused(1, "the field separator is missing"))?;
        let rest = segment.get(4..).unwrap_or_default();
        let encoding = rest.split(|byte| *byte == field).next().unwrap_or_default();
        let (component, repetition, escape, subcomponent, truncation) = match *encoding {
            [component, repetition, escape, subcomponent] => {
                (component, repetition, escape, subcomponent, None)
            }
            [component, repetition, escape, subcomponent, truncation] => {
                (component, repetition, escape, subcomponent, Some(truncation))
            }
            _ => return Err(refused(2, "four or five delimiters are required")),
        };
        let all = [Some(field), Some(component), Some(repetition), Some(escape)];
        let all = all.into_iter().chain([Some(subcomponent), truncation]).flatten();
        let all: Vec<u8> = all.collect();
        if !all.iter().all(u8::is_ascii_punctuation) {
            return Err(refused(2, "delimiters must be printable and neither letter nor digit"));
        }
        let unique = |(index, byte): (usize, &u8)| !all[..index].contains(byte);
        if !all.iter().enumerate().all(unique) {
            return Err(refused(2, "delimiters must differ from each other"));
        }
        Ok(Self { field, component, repetition, escape, subcomponent, truncation })
    }

    /// MSH-2: the delimiters without the field separator.
    #[must_use]
    pub fn encoding_characters(&self) -> String {
        let bytes = [self.component, self.repetition, self.escape, self.subcomponent];
        bytes.into_iter().chain(self.truncation).map(char::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_punctuation_is_taken() {
        let hash = Delimiters::of_header(br"MSH#!@%*#X").unwrap();
        assert_eq!((hash.field, hash.component, hash.subcomponent), (b'#', b'!', b'*'));
        assert_eq!(hash.encoding_characters(), "!@%*");
        let seven = Delimiters::of_header(br"MSH|^~\&#|X").unwrap();
        assert_eq!(seven.truncation, Some(b'#'));
        assert_eq!(Delimiters::of_header(br"MSH|^~\&").unwrap(), Delimiters::STANDARD);
    }

    #[test]
    fn nonsense_is_refused() {
        let cases: [&[u8]; 9] = [
            b"MSH",
            b"MSH|",
            b"MSH||A",
            br"MSH|^~\|A",
            br"MSH|^^\&|A",
            br"MSH|^~\A|A",
            b"MSH|^~\\ |A",
            br"MSH|^~\&#;|A",
            b"MSH|^~\xC3\xA9|A",
        ];
        for header in cases {
            let error = Delimiters::of_header(header).unwrap_err();
            assert_eq!(error.code, ErrorCode::Hl7Delimiters, "{header:?}");
        }
    }
}
