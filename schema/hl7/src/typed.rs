//! The meaning of a message: from segments and fields to the words of `schema-types`.
//!
//! Supported are ADT A01-A08, A11-A13, A28, A31, A37, A40 and ORU R01, R30, R31, R32. Whether the
//! facts make sense together with what is known of the patient is not decided here.

mod adt;
mod code;
mod observation;
mod person;
mod unit;
mod value;

use crate::error::{Hl7Error, Position};
use crate::header::Header;
use crate::limits::{CONTROL_ID_BYTES_MAX, FUTURE_TOLERANCE_MICROS_MAX};
use crate::message::{Message, Part, Segment};
use crate::time::parse_time;
use schema_types::clinical::{Movement, Observation, Provenance};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EncounterId, MessageDigest, TenantId};
use schema_types::patient::{DemographicsPatch, Identifier};
use schema_types::phi::Phi;
use schema_types::time::{StatedTime, Timestamp};

/// What the decoder must know beside the message; everything here is data (TIME-1).
#[derive(Debug, Clone)]
pub struct DecodeContext {
    /// Whose message this is.
    pub tenant: TenantId,
    /// The digest of the archived raw bytes, for provenance.
    pub digest: MessageDigest,
    /// When the message arrived: later clinical times are refused past a tolerance.
    pub received_at: Timestamp,
    /// Minutes east of UTC of times that state no offset, unless MSH-7 states one.
    pub default_utc_offset_minutes: i16,
}

/// A decoded message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The header.
    pub header: Header,
    /// What it reports.
    pub payload: Payload,
}

/// What a message reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// ADT about one person: a movement, new data, or both.
    Adt(Box<Adt>),
    /// A40: records of one person are joined.
    Merge {
        /// When (EVN-6, else EVN-2, else MSH-7).
        event_at: Timestamp,
        /// One per pair of PID and MRG, in message order; at least one.
        merges: Vec<Merge>,
    },
    /// A37: two records that were joined are separated again.
    Unlink {
        /// When (EVN-6, else EVN-2, else MSH-7).
        event_at: Timestamp,
        /// The first PID.
        first: Box<PatientIdentity>,
        /// The second PID.
        second: Box<PatientIdentity>,
    },
    /// ORU: what was observed on one person.
    Observations {
        /// The person.
        patient: Box<PatientIdentity>,
        /// The observations in message order; may be empty.
        observations: Vec<Observation>,
    },
}

/// ADT about one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adt {
    /// The person.
    pub patient: PatientIdentity,
    /// When it happened (EVN-6, else EVN-2, else MSH-7).
    pub event_at: Timestamp,
    /// The stay and its movement; `None` for A28 and A31, and for A08 without PV1.
    pub movement: Option<(EncounterId, Movement)>,
}

/// One join of two records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// The record that stays in use (PID-3).
    pub survivor: PatientIdentity,
    /// The raw entity key of the record that is retired into it (MRG-1).
    pub retired_key: Phi<String>,
    /// All identifiers of the retired record (MRG-1, MRG-4).
    pub retired_identifiers: Vec<Identifier>,
}

/// Who the message is about and what it says about the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientIdentity {
    /// The raw entity key `{assigner}.{id}` from the best repetition of PID-3: type `MR` assigned
    /// by the sending facility, else the first `MR`, else the first with an id; then PID-2, PID-4.
    /// Without an assigner the sending facility stands in.
    pub key: Phi<String>,
    /// Every identifier that PID states.
    pub identifiers: Vec<Identifier>,
    /// What is said about the person: empty fields keep, `""` clears.
    pub patch: DemographicsPatch,
    /// When the source said it (EVN-2, else MSH-7, else the event's time).
    pub stated_at: Timestamp,
}

/// The versions of the standard that are taken. An empty version is taken too.
pub const VERSIONS: [&str; 14] = [
    "2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1",
    "2.8.2", "2.9",
];

/// Decodes a message.
///
/// # Errors
/// `MED-HL7-006` to `010` and `MED-CLIN-001`; see [`Hl7Error::refusal`] for the answer.
pub fn decode(message: &Message, context: &DecodeContext) -> Result<Incoming, Hl7Error> {
    let header = Header::of(message, context.default_utc_offset_minutes);
    check_header(message, &header)?;
    let decoder = Decoder::new(message, context, &header)?;
    let payload = match (header.message_type.as_str(), header.trigger.as_str()) {
        ("ADT", trigger) => decoder.adt(trigger)?,
        _ => decoder.observations()?,
    };
    Ok(Incoming { header, payload })
}

/// Whether messages of this type and trigger are taken.
#[must_use]
pub fn is_supported(message_type: &str, trigger: &str) -> bool {
    match message_type {
        "ADT" => matches!(trigger, "A28" | "A31" | "A37" | "A40") || adt::kind(trigger).is_some(),
        "ORU" => matches!(trigger, "R01" | "R30" | "R31" | "R32"),
        _ => false,
    }
}

fn check_header(message: &Message, header: &Header) -> Result<(), Hl7Error> {
    let msh = Position::segment("MSH", 1);
    if header.message_type.is_empty() || header.trigger.is_empty() {
        return Err(Hl7Error::field_missing(msh.with_field(9)));
    }
    if !is_supported(&header.message_type, &header.trigger) {
        let reason = "this message type or trigger event is not supported";
        let position = msh.with_field(9);
        return Err(Hl7Error::new(ErrorCode::Hl7UnsupportedEvent, position, reason));
    }
    if !header.version.is_empty() && !VERSIONS.contains(&header.version.as_str()) {
        let reason = "this version is not supported";
        return Err(Hl7Error::new(ErrorCode::Hl7Version, msh.with_field(12), reason));
    }
    if header.control_id.is_empty() {
        return Err(Hl7Error::field_missing(msh.with_field(10)));
    }
    if header.control_id.len() > CONTROL_ID_BYTES_MAX {
        return Err(Hl7Error::data_type(msh.with_field(10), "the control id is too long"));
    }
    if message.segment("PID").is_none() {
        return Err(Hl7Error::segment_missing("PID"));
    }
    Ok(())
}

/// A message being decoded.
struct Decoder<'m> {
    message: &'m Message,
    context: &'m DecodeContext,
    header: &'m Header,
    offset_minutes: i16,
    sent_at: Option<Timestamp>,
}

impl<'m> Decoder<'m> {
    fn new(
        message: &'m Message,
        context: &'m DecodeContext,
        header: &'m Header,
    ) -> Result<Self, Hl7Error> {
        let offset_minutes = context.default_utc_offset_minutes;
        let mut decoder = Self { message, context, header, offset_minutes, sent_at: None };
        if let Some(msh) = message.segment("MSH")
            && let Some(sent) = decoder.time(&msh, 7)?
        {
            // The offset of MSH-7 holds for the whole message.
            decoder.offset_minutes = sent.offset_minutes.unwrap_or(offset_minutes);
            decoder.sent_at = Some(sent.at);
        }
        Ok(decoder)
    }

    /// A field as a time, `None` when empty or `""`.
    fn time(&self, segment: &Segment<'_>, field: usize) -> Result<Option<StatedTime>, Hl7Error> {
        let part = segment.field(field).repetition(1).component(1);
        self.time_of(&part, segment.position().with_field(field))
    }

    fn time_of(&self, part: &Part<'_>, position: Position) -> Result<Option<StatedTime>, Hl7Error> {
        let text = part.value();
        if text.is_empty() {
            return Ok(None);
        }
        let parsed = parse_time(&text, self.offset_minutes);
        parsed.map(Some).map_err(|reason| Hl7Error::data_type(position, reason))
    }

    /// A field as the time of an event or observation, which cannot lie in the future.
    fn past(&self, segment: &Segment<'_>, field: usize) -> Result<Option<Timestamp>, Hl7Error> {
        let Some(time) = self.time(segment, field)? else { return Ok(None) };
        self.check_past(time.at, segment.position().with_field(field)).map(Some)
    }

    fn check_past(&self, at: Timestamp, position: Position) -> Result<Timestamp, Hl7Error> {
        if at.micros_since(self.context.received_at) > FUTURE_TOLERANCE_MICROS_MAX {
            let reason = "the time lies in the future";
            return Err(Hl7Error::new(ErrorCode::ClinicalFuture, position, reason));
        }
        Ok(at)
    }

    /// EVN-6, else EVN-2, else MSH-7.
    fn event_at(&self) -> Result<Timestamp, Hl7Error> {
        if let Some(evn) = self.message.segment("EVN") {
            for field in [6, 2] {
                if let Some(at) = self.past(&evn, field)? {
                    return Ok(at);
                }
            }
        }
        self.sent_past()?
            .ok_or_else(|| Hl7Error::field_missing(Position::segment("EVN", 1).with_field(2)))
    }

    /// MSH-7 where it has to stand in for the time of an event.
    fn sent_past(&self) -> Result<Option<Timestamp>, Hl7Error> {
        let position = Position::segment("MSH", 1).with_field(7);
        self.sent_at.map(|at| self.check_past(at, position)).transpose()
    }

    /// EVN-2, else MSH-7, else `event_at`: when the source stated what PID says.
    fn stated_at(&self, event_at: Timestamp) -> Result<Timestamp, Hl7Error> {
        let recorded = match self.message.segment("EVN") {
            Some(evn) => self.past(&evn, 2)?,
            None => None,
        };
        Ok(recorded.or(self.sent_at).unwrap_or(event_at))
    }

    /// A segment as `PV1` or, where there can be many, with its number: `OBX-3`.
    fn provenance(&self, position: Position) -> Provenance {
        let name = position.segment.map(|name| name.to_string()).unwrap_or_default();
        let place = if name == "OBX" || position.sequence > 1 {
            format!("{name}-{}", position.sequence)
        } else {
            name
        };
        let source = self.header.source.clone();
        Provenance { source, message: self.context.digest, position: place }
    }
}
