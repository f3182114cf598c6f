//! One message as segments and fields, whatever its type: parsing, access and encoding.
//!
//! The text is kept as sent; parts are split and unescaped when asked for. What the fields mean
//! is the business of [`crate::typed`].

mod escape;
mod part;

pub use escape::escape;
pub use part::{Part, Presence};

use part::piece;

use crate::charset::{self, Charset};
use crate::delimiters::Delimiters;
use crate::error::{Hl7Error, Position, SegmentName};
use crate::limits::{FIELDS_PER_SEGMENT_MAX, MESSAGE_BYTES_MAX, SEGMENTS_MAX};
use schema_types::error_code::ErrorCode;
use schema_types::ids::MessageDigest;
use std::collections::BTreeMap;

/// A parsed message: at least an MSH segment with usable delimiters.
#[derive(Clone)]
pub struct Message {
    text: String,
    delimiters: Delimiters,
    charset: Charset,
    is_marked: bool,
    segments: Vec<Span>,
    warnings: Vec<Hl7Error>,
}

/// A segment's name, and where its fields stand in the text (from the first separator on).
#[derive(Clone, Copy)]
struct Span {
    name: SegmentName,
    sequence: usize,
    start: usize,
    end: usize,
}

/// One segment of a message.
#[derive(Clone, Copy)]
pub struct Segment<'m> {
    message: &'m Message,
    span: Span,
}

impl Message {
    /// Parses the bytes of one message in the character set that its mark or MSH-18 declares.
    ///
    /// # Errors
    /// `MED-HL7-001`, `002`, `004`, `005` or `013`; the error names the place and shows no value.
    pub fn parse(bytes: &[u8]) -> Result<Self, Hl7Error> {
        Self::parse_as(bytes, None)
    }

    /// Parses bytes in a character set that an operator declares, for replay from quarantine.
    ///
    /// # Errors
    /// As [`Message::parse`].
    pub fn parse_as(bytes: &[u8], charset: Option<Charset>) -> Result<Self, Hl7Error> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(too_large("the message is larger than the limit"));
        }
        let decoded = charset::decode(bytes.trim_ascii_start(), charset)?;
        let mut message = Self::of_text(decoded.text, decoded.charset)?;
        message.is_marked = decoded.is_marked;
        if let Some(reason) = decoded.warning {
            let position = Position::segment("MSH", 1).with_field(18);
            message.warnings.push(Hl7Error::new(ErrorCode::Hl7Encoding, position, reason));
        }
        Ok(message)
    }

    /// Parses text; [`Message::to_bytes`] will write UTF-8.
    ///
    /// # Errors
    /// As [`Message::parse`], without `005`.
    pub fn parse_text(text: &str) -> Result<Self, Hl7Error> {
        if text.len() > MESSAGE_BYTES_MAX {
            return Err(too_large("the message is larger than the limit"));
        }
        Self::of_text(text.to_owned(), Charset::UTF_8)
    }

    fn of_text(text: String, charset: Charset) -> Result<Self, Hl7Error> {
        let begin = text.len() - text.trim_start_matches(['\u{FEFF}', '\r', '\n', ' ', '\t']).len();
        let body = &text.as_bytes()[begin..];
        if SegmentName::at_start_of(body).is_none_or(|name| name.as_str() != "MSH") {
            let reason = "a message begins with MSH";
            return Err(Hl7Error::new(ErrorCode::Hl7NotAMessage, Position::line(1), reason));
        }
        let first_line = body.split(|byte| matches!(byte, b'\r' | b'\n')).next();
        let delimiters = Delimiters::of_header(first_line.unwrap_or_default())?;
        let mut message = Self {
            text,
            delimiters,
            charset,
            is_marked: false,
            segments: Vec::new(),
            warnings: Vec::new(),
        };
        message.find_segments(begin)?;
        Ok(message)
    }

    fn find_segments(&mut self, begin: usize) -> Result<(), Hl7Error> {
        let ends_with_return = first_break_is_lone_return(&self.text.as_bytes()[begin..]);
        let text = std::mem::take(&mut self.text);
        let bytes = text.as_bytes();
        let mut counts = BTreeMap::new();
        let (mut at, mut line_number) = (begin, 0);
        while at < bytes.len() {
            let end = line_end(bytes, at, ends_with_return, self.delimiters.field);
            let line = &bytes[at..end];
            if !line.trim_ascii().is_empty() {
                line_number += 1;
                self.add_segment(line, at, line_number, &mut counts)?;
            }
            at = end + 1;
        }
        self.text = text;
        Ok(())
    }

    fn add_segment(
        &mut self,
        line: &[u8],
        at: usize,
        number: usize,
        counts: &mut BTreeMap<SegmentName, usize>,
    ) -> Result<(), Hl7Error> {
        let malformed =
            |reason| Err(Hl7Error::new(ErrorCode::Hl7Segment, Position::line(number), reason));
        if self.segments.len() >= SEGMENTS_MAX {
            return Err(too_large("the message has too many segments"));
        }
        let separated = line.get(3).is_none_or(|next| *next == self.delimiters.field);
        let upper = line.first_chunk::<3>().map(|name| name.map(|byte| byte.to_ascii_uppercase()));
        let name = upper.and_then(SegmentName::new).filter(|_| separated);
        let Some(name) = name else {
            return malformed("a line does not begin with a segment name of three characters");
        };
        if name.as_str() == "MSH" && !self.segments.is_empty() {
            return malformed("a second MSH inside the message");
        }
        let sequence = counts.entry(name).and_modify(|count| *count += 1).or_insert(1);
        let sequence = *sequence;
        let position = Position { segment: Some(name), sequence, ..Position::default() };
        if line.iter().filter(|byte| **byte == self.delimiters.field).count()
            > FIELDS_PER_SEGMENT_MAX
        {
            return Err(Hl7Error { position, ..too_large("the segment has too many fields") });
        }
        if line[..3] != *name.as_str().as_bytes() {
            let reason = "the segment name is not in upper case";
            self.warnings.push(Hl7Error::new(ErrorCode::Hl7Segment, position, reason));
        }
        self.segments.push(Span { name, sequence, start: at + 3, end: at + line.len() });
        Ok(())
    }

    /// The delimiters of the message.
    #[must_use]
    pub const fn delimiters(&self) -> &Delimiters {
        &self.delimiters
    }

    /// The character set that the message was decoded from.
    #[must_use]
    pub const fn charset(&self) -> Charset {
        self.charset
    }

    /// What was taken although it is not as the standard says.
    #[must_use]
    pub fn warnings(&self) -> &[Hl7Error] {
        &self.warnings
    }

    /// All segments in order, Z segments included.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        self.segments.iter().map(|span| Segment { message: self, span: *span })
    }

    /// The first segment of a name.
    #[must_use]
    pub fn segment(&self, name: &str) -> Option<Segment<'_>> {
        self.segments().find(|segment| segment.span.name.as_str() == name)
    }

    /// A field of the first segment of a name; empty when the segment is missing.
    #[must_use]
    pub fn field(&self, segment: &str, number: usize) -> Part<'_> {
        self.segment(segment).map_or(self.part("", false), |segment| segment.field(number))
    }

    /// The message as text: segment names in upper case, each segment ended by a carriage return.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(self.text.len());
        for segment in self.segments() {
            text.push_str(segment.span.name.as_str());
            text.push_str(segment.body());
            text.push('\r');
        }
        text
    }

    /// The message as bytes in the character set it was decoded from; parsing them gives an equal
    /// message. What came with a byte-order mark is written as UTF-8 with its mark.
    ///
    /// # Errors
    /// `MED-HL7-005` when a character does not exist in the character set.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Hl7Error> {
        let mut text = self.to_text();
        if self.is_marked {
            text.insert(0, '\u{FEFF}');
        }
        self.charset.encode(&text).ok_or_else(|| {
            let position = Position::segment("MSH", 1).with_field(18);
            let reason = "a character does not exist in the character set";
            Hl7Error::new(ErrorCode::Hl7Encoding, position, reason)
        })
    }

    /// A digest that is the same for the same content, however it was framed and its lines ended:
    /// to tell a repeat from a control id that was used for something else.
    #[must_use]
    pub fn content_digest(&self) -> MessageDigest {
        MessageDigest::of(self.to_text().as_bytes())
    }

    fn part<'m>(&'m self, raw: &'m str, whole: bool) -> Part<'m> {
        Part { raw, delimiters: &self.delimiters, charset: self.charset, whole }
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.delimiters == other.delimiters
            && self.segments.len() == other.segments.len()
            && self
                .segments()
                .zip(other.segments())
                .all(|(one, two)| one.span.name == two.span.name && one.body() == two.body())
    }
}

impl Eq for Message {}

impl std::fmt::Debug for Message {
    /// Shows the names of the segments only (PHI-1).
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.segments.iter().map(|span| span.name)).finish()
    }
}

impl<'m> Segment<'m> {
    /// The segment's name.
    #[must_use]
    pub const fn name(&self) -> SegmentName {
        self.span.name
    }

    /// Whether the segment has this name.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.span.name.as_str() == name
    }

    /// Which of the segments of its name this is, from 1.
    #[must_use]
    pub const fn sequence(&self) -> usize {
        self.span.sequence
    }

    /// Where the segment stands.
    #[must_use]
    pub fn position(&self) -> Position {
        let segment = Some(self.span.name);
        Position { segment, sequence: self.span.sequence, ..Position::default() }
    }

    /// Field `number`, counted as the standard does: MSH-1 is the field separator.
    #[must_use]
    pub fn field(&self, number: usize) -> Part<'m> {
        let body = self.body();
        let separator = self.message.delimiters.field;
        if !matches!(self.span.name.as_str(), "MSH" | "FHS" | "BHS") {
            let raw = piece(body, separator, number).filter(|_| number > 0);
            return self.message.part(raw.unwrap_or(""), false);
        }
        match number {
            0 => self.message.part("", false),
            1 => self.message.part(body.get(..1).unwrap_or(""), true),
            _ => {
                let raw = piece(body, separator, number - 1).unwrap_or("");
                self.message.part(raw, number == 2)
            }
        }
    }

    /// How many fields the segment has.
    #[must_use]
    pub fn field_count(&self) -> usize {
        self.body().bytes().filter(|byte| *byte == self.message.delimiters.field).count()
    }

    fn body(&self) -> &'m str {
        self.message.text.get(self.span.start..self.span.end).unwrap_or("")
    }
}

impl std::fmt::Debug for Segment<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.position())
    }
}

fn too_large(reason: &'static str) -> Hl7Error {
    Hl7Error::new(ErrorCode::Hl7TooLarge, Position::default(), reason)
}

/// Whether lines end with a carriage return alone, as the standard says. Then a lone line feed
/// may stand inside a text field.
fn first_break_is_lone_return(bytes: &[u8]) -> bool {
    let first = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    first.is_some_and(|at| bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'))
}

/// Where the line that begins at `from` ends. Where lines end with carriage returns, a line feed
/// that is not followed by a segment belongs to the field it stands in.
fn line_end(bytes: &[u8], from: usize, ends_with_return: bool, separator: u8) -> usize {
    let mut at = from;
    loop {
        let rest = &bytes[at..];
        let Some(offset) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
            return bytes.len();
        };
        let end = at + offset;
        let next = &bytes[end + 1..];
        let is_text = ends_with_return
            && bytes[end] == b'\n'
            && end > from
            && !matches!(next.first(), None | Some(b'\r' | b'\n'))
            && !begins_segment(next, separator);
        if !is_text {
            return end;
        }
        at = end + 1;
    }
}

fn begins_segment(line: &[u8], separator: u8) -> bool {
    let name = line.first_chunk::<3>().and_then(|name| SegmentName::new(*name));
    name.is_some()
        && line.get(3).is_none_or(|next| matches!(next, b'\r' | b'\n') || *next == separator)
}
