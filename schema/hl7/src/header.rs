//! What MSH says: who sends what to whom, and how it wants to be answered.
//!
//! Reading is lenient so that even a message that is refused can be answered; what a message must
//! have to be taken is checked by [`crate::typed`].

use crate::charset::Charset;
use crate::delimiters::Delimiters;
use crate::message::{Message, Part};
use crate::time::parse_time;
use schema_types::ids::SourceId;
use schema_types::time::Timestamp;

/// The header of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Sending application and facility, `MSH-3|MSH-4`: the name of the stream that keeps order.
    pub source: SourceId,
    /// MSH-4, its namespace or else its universal id; may be empty.
    pub sending_facility: String,
    /// MSH-10; may be empty.
    pub control_id: String,
    /// MSH-9.1, for example `ADT`.
    pub message_type: String,
    /// MSH-9.2, else EVN-1, for example `A01`; may be empty.
    pub trigger: String,
    /// MSH-12.1; may be empty.
    pub version: String,
    /// MSH-11.1: `P` production, `T` training, `D` debugging; may be empty.
    pub processing_id: String,
    /// MSH-7, if it is a time.
    pub sent_at: Option<Timestamp>,
    /// MSH-15: when an accept acknowledgement is wanted (`AL`, `NE`, `ER`, `SU` or empty).
    pub accept_acknowledgement: String,
    /// MSH-16: when an application acknowledgement is wanted (`AL`, `NE`, `ER`, `SU` or empty).
    pub application_acknowledgement: String,
    pub(crate) delimiters: Delimiters,
    pub(crate) charset: Charset,
    /// MSH-3 to MSH-6 and MSH-18 as sent, for the answer.
    pub(crate) raw_parties: [String; 4],
    pub(crate) raw_charset: String,
}

impl Header {
    /// The header of a parsed message; times without an offset are `default_utc_offset_minutes`
    /// east of UTC.
    #[must_use]
    pub fn of(message: &Message, default_utc_offset_minutes: i16) -> Self {
        let field = |number| message.field("MSH", number);
        let first = |number| field(number).repetition(1).component(1).value();
        let message_type = field(9).component(1).value();
        let mut trigger = field(9).component(2).value();
        if trigger.is_empty() {
            trigger = message.field("EVN", 1).value();
        }
        if trigger.is_empty() && message_type == "ORU" {
            // Versions 2.1 and 2.2 know one ORU only and may leave the event out.
            trigger.push_str("R01");
        }
        let (application, facility) = (designator(&field(3)), designator(&field(4)));
        Self {
            source: SourceId::new(format!("{application}|{facility}")),
            sending_facility: facility,
            control_id: field(10).value(),
            message_type,
            trigger,
            version: first(12),
            processing_id: first(11),
            sent_at: parse_time(&first(7), default_utc_offset_minutes).ok().map(|time| time.at),
            accept_acknowledgement: first(15),
            application_acknowledgement: first(16),
            delimiters: *message.delimiters(),
            charset: message.charset(),
            raw_parties: [3, 4, 5, 6].map(|number| printable(&field(number))),
            raw_charset: printable(&field(18)),
        }
    }

    /// What can be read of the header of bytes that do not parse, for the answer; `None` when
    /// they do not begin with a usable MSH.
    #[must_use]
    pub fn salvage(bytes: &[u8]) -> Option<Self> {
        let line = bytes
            .split(|byte| matches!(byte, b'\r' | b'\n' | 0x0B | 0x1C))
            .find(|line| !line.trim_ascii().is_empty())?;
        let text = match std::str::from_utf8(line) {
            Ok(text) => text.to_owned(),
            Err(_) => line.iter().map(|byte| ascii_or_mark(*byte)).collect(),
        };
        let message = Message::parse_text(&text).ok()?;
        Some(Self::of(&message, 0))
    }
}

/// The namespace id of an HD field or component, else its universal id.
pub(crate) fn designator(part: &Part<'_>) -> String {
    let part = part.repetition(1);
    let namespace = part.component(1).value();
    if namespace.is_empty() { part.component(2).value() } else { namespace }
}

/// A field as sent, without control characters: they could break the frame of the answer.
fn printable(field: &Part<'_>) -> String {
    field.raw().chars().filter(|character| !character.is_control()).collect()
}

/// Bytes in an unknown character set are not repeated in the answer.
fn ascii_or_mark(byte: u8) -> char {
    if byte.is_ascii() { char::from(byte) } else { '?' }
}
