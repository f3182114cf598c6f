//! Acknowledgements: MSH, MSA and, for an error, ERR in the form of the sender's version.
//!
//! When to send one is the gateway's business; `AA` leaves only after the commit (ACK-1).

use crate::charset::Charset;
use crate::delimiters::Delimiters;
use crate::error::{Hl7Error, Position, Refusal};
use crate::header::Header;
use crate::message::escape;
use crate::time::format_utc;
use crate::typed::VERSIONS;
use schema_types::error_code::ErrorCode;
use schema_types::time::Timestamp;

/// MSA-1 in original mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckCode {
    /// Taken.
    Accept,
    /// The content is wrong.
    Error,
    /// Not taken whatever its content, or not now.
    Reject,
}

impl AckCode {
    /// `AA`, `AE` or `AR`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "AA",
            Self::Error => "AE",
            Self::Reject => "AR",
        }
    }
}

impl From<Refusal> for AckCode {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Error => Self::Error,
            Refusal::Reject => Self::Reject,
        }
    }
}

/// What is said about one problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckProblem<'a> {
    /// The stable code.
    pub code: ErrorCode,
    /// Where in the message, if it is about a place.
    pub position: Position,
    /// What is wrong, without patient data.
    pub reason: &'a str,
    /// Whether the message was taken all the same.
    pub is_warning: bool,
}

impl<'a> From<&'a Hl7Error> for AckProblem<'a> {
    fn from(error: &'a Hl7Error) -> Self {
        let Hl7Error { code, position, reason, refusal: _ } = *error;
        Self { code, position, reason, is_warning: false }
    }
}

/// An answer to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledgement<'a> {
    /// MSA-1.
    pub code: AckCode,
    /// MSA-3 of an answer without problems, for example `duplicate`; may be empty.
    pub note: &'a str,
    /// MSH-10 of the answer, unique among our answers.
    pub control_id: &'a str,
    /// MSH-7 of the answer.
    pub at: Timestamp,
    /// What is wrong; empty for a plain `AA`.
    pub problems: &'a [AckProblem<'a>],
}

/// The bytes of the answer, without MLLP framing. Without a header the answer is addressed to
/// nobody and MSA-2 is empty.
#[must_use]
pub fn acknowledge(request: Option<&Header>, answer: &Acknowledgement<'_>) -> Vec<u8> {
    let delimiters = request.map_or(Delimiters::STANDARD, |header| header.delimiters);
    let version = request.map_or("2.5.1", answer_version);
    let writer = Writer { delimiters, text: String::new() };
    let text = writer.write(request, answer, version);
    let charset = request.map_or(Charset::UTF_8, |header| header.charset);
    charset.encode(&text).unwrap_or_else(|| text.into_bytes())
}

/// Whether the sender wants an application acknowledgement (MSH-16), for gateways that speak the
/// enhanced mode. In original mode (MSH-15 and MSH-16 empty) always.
#[must_use]
pub fn application_ack_wanted(header: &Header, success: bool) -> bool {
    let is_original_mode =
        header.accept_acknowledgement.is_empty() && header.application_acknowledgement.is_empty();
    match header.application_acknowledgement.as_str() {
        "AL" => true,
        "ER" => !success,
        "SU" => success,
        "" => is_original_mode,
        _ => false,
    }
}

/// HL7 table 0357 for codes that senders can act on; anything else is an internal error.
const CONDITIONS: [(ErrorCode, &str, &str); 19] = [
    (ErrorCode::Hl7NotAMessage, "100", "Segment sequence error"),
    (ErrorCode::Hl7Delimiters, "102", "Data type error"),
    (ErrorCode::Hl7Frame, "100", "Segment sequence error"),
    (ErrorCode::Hl7TooLarge, "104", "Value too long"),
    (ErrorCode::Hl7Encoding, "102", "Data type error"),
    (ErrorCode::Hl7UnsupportedEvent, "201", "Unsupported event code"),
    (ErrorCode::Hl7Version, "203", "Unsupported version id"),
    (ErrorCode::Hl7SegmentMissing, "100", "Segment sequence error"),
    (ErrorCode::Hl7FieldMissing, "101", "Required field missing"),
    (ErrorCode::Hl7DataType, "102", "Data type error"),
    (ErrorCode::Hl7ControlIdReused, "205", "Duplicate key identifier"),
    (ErrorCode::Hl7Batch, "100", "Segment sequence error"),
    (ErrorCode::Hl7Segment, "100", "Segment sequence error"),
    (ErrorCode::ClinicalFuture, "102", "Data type error"),
    (ErrorCode::PatientUnknown, "204", "Unknown key identifier"),
    (ErrorCode::PatientAmbiguous, "204", "Unknown key identifier"),
    (ErrorCode::PatientMerge, "204", "Unknown key identifier"),
    (ErrorCode::CommandIdReused, "205", "Duplicate key identifier"),
    (ErrorCode::PatientLink, "204", "Unknown key identifier"),
];

/// The condition code and text of HL7 table 0357.
#[must_use]
pub fn condition(code: ErrorCode) -> (&'static str, &'static str) {
    let known = CONDITIONS.iter().find(|(known, _, _)| *known == code);
    known.map_or(("207", "Application internal error"), |(_, number, text)| (*number, *text))
}

fn answer_version(header: &Header) -> &str {
    if VERSIONS.contains(&header.version.as_str()) { &header.version } else { "2.5.1" }
}

struct Writer {
    delimiters: Delimiters,
    text: String,
}

impl Writer {
    fn write(
        mut self,
        request: Option<&Header>,
        answer: &Acknowledgement<'_>,
        version: &str,
    ) -> String {
        self.header(request, answer, version);
        let control_id = request.map_or("", |header| header.control_id.as_str());
        let has_error_segment = version_at_least_2_5(version);
        let text = answer.problems.first().filter(|_| !has_error_segment);
        let text = text.map(|problem| self.summary(problem));
        let text = text.unwrap_or_else(|| self.escaped(answer.note));
        let control_id = self.escaped(control_id);
        self.segment("MSA", &[answer.code.as_str().to_owned(), control_id, text]);
        for problem in answer.problems {
            let fields =
                if has_error_segment { self.error(problem) } else { self.old_error(problem) };
            self.segment("ERR", &fields);
        }
        self.text
    }

    fn header(&mut self, request: Option<&Header>, answer: &Acknowledgement<'_>, version: &str) {
        let empty = || [String::new(), String::new(), String::new(), String::new()];
        let [application, facility, to_application, to_facility] =
            request.map_or_else(empty, |header| header.raw_parties.clone());
        let trigger = request.map(|header| self.escaped(&header.trigger)).unwrap_or_default();
        let kind = if trigger.is_empty() {
            "ACK".to_owned()
        } else {
            self.components(&["ACK", &trigger, "ACK"])
        };
        let processing = request.map(|header| header.processing_id.as_str());
        let processing = self.escaped(processing.filter(|id| !id.is_empty()).unwrap_or("P"));
        let charset = request.map(|header| header.raw_charset.clone()).unwrap_or_default();
        let mut fields = vec![self.delimiters.encoding_characters()];
        // The sender becomes the receiver.
        fields.extend([to_application, to_facility, application, facility]);
        fields.extend([format_utc(answer.at), String::new(), kind]);
        fields.extend([self.escaped(answer.control_id), processing, version.to_owned()]);
        fields.extend(std::iter::repeat_n(String::new(), 5));
        fields.push(charset);
        self.segment("MSH", &fields);
    }

    /// ERR since version 2.5: location, condition, severity, our code, texts.
    fn error(&self, problem: &AckProblem<'_>) -> Vec<String> {
        let (number, text) = condition(problem.code);
        let severity = if problem.is_warning { "W" } else { "E" };
        let code = self.components(&[problem.code.as_str(), &self.escaped(problem.reason), "L"]);
        vec![
            String::new(),
            self.location(&problem.position),
            self.components(&[number, text, "HL70357"]),
            severity.to_owned(),
            code,
            String::new(),
            self.escaped(&problem.position.to_string()),
            self.escaped(problem.reason),
        ]
    }

    /// ERR-1 before version 2.5: location and condition in one.
    fn old_error(&self, problem: &AckProblem<'_>) -> Vec<String> {
        let (number, text) = condition(problem.code);
        let separator = char::from(self.delimiters.subcomponent);
        let condition = format!("{number}{separator}{text}{separator}HL70357");
        let Position { segment, sequence, field, .. } = problem.position;
        let name = segment.map(|name| name.to_string()).unwrap_or_default();
        let shown = |number: usize| if number == 0 { String::new() } else { number.to_string() };
        vec![self.components(&[&name, &shown(sequence), &shown(field), &condition])]
    }

    fn location(&self, position: &Position) -> String {
        let Some(name) = position.segment else { return String::new() };
        let numbers = [position.sequence, position.field, position.repetition, position.component];
        let mut parts = vec![name.to_string()];
        parts.extend(numbers.iter().map(ToString::to_string).take_while(|text| text != "0"));
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.components(&parts)
    }

    fn summary(&self, problem: &AckProblem<'_>) -> String {
        self.escaped(&format!("{} at {}: {}", problem.code, problem.position, problem.reason))
    }

    fn components(&self, components: &[&str]) -> String {
        components.join(char::from(self.delimiters.component).encode_utf8(&mut [0; 4]))
    }

    fn escaped(&self, text: &str) -> String {
        escape(text, &self.delimiters)
    }

    fn segment(&mut self, name: &str, fields: &[String]) {
        self.text.push_str(name);
        let used = fields.iter().rposition(|field| !field.is_empty()).map_or(0, |last| last + 1);
        for field in &fields[..used] {
            self.text.push(char::from(self.delimiters.field));
            self.text.push_str(field);
        }
        self.text.push('\r');
    }
}

fn version_at_least_2_5(version: &str) -> bool {
    !matches!(version, "2.1" | "2.2" | "2.3" | "2.3.1" | "2.4")
}
