//! One error for everything that a request can be refused with: stable code, HTTP status, words
//! without patient data (PHI-1), and its two forms: OperationOutcome and plain JSON.

use actors_runtime::SubmitError;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use schema_fhir::{FhirError, outcome};
use schema_types::error_code::ErrorCode;
use serde_json::{Value, json};

/// The header that names the quarantined item.
pub const QUARANTINE_HEADER: &str = "x-medulla-quarantine";

/// Why a request is refused.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// The stable code.
    pub code: ErrorCode,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong, without patient data.
    pub message: String,
    /// When to try again, milliseconds.
    pub retry_after_ms: Option<u64>,
    /// Where the refused input is kept.
    pub quarantine: Option<u64>,
    /// Every problem of a FHIR body; may be empty.
    pub problems: Vec<FhirError>,
}

impl ApiError {
    /// An error with the status that its code usually has.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            status: status_of(code),
            message: message.into(),
            retry_after_ms: None,
            quarantine: None,
            problems: Vec::new(),
        }
    }

    /// The request is malformed.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, message)
    }

    /// No room for more work.
    #[must_use]
    pub fn overloaded(what: &str, retry_after_ms: u64) -> Self {
        let mut error = Self::new(ErrorCode::Overloaded, format!("no room for more work: {what}"));
        error.retry_after_ms = Some(retry_after_ms);
        error
    }

    /// The same error with another status.
    #[must_use]
    pub const fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// What the FHIR client is told.
    #[must_use]
    pub fn outcome(&self) -> Value {
        if self.problems.is_empty() {
            return outcome::refusal(&[FhirError::new(self.code, "", self.message.clone())]);
        }
        outcome::refusal(&self.problems)
    }

    /// The answer of the FHIR interface.
    #[must_use]
    pub fn into_fhir(self) -> Response<Body> {
        let body = self.outcome();
        self.respond("application/fhir+json", &body)
    }

    /// The answer of every other path.
    #[must_use]
    pub fn into_json(self) -> Response<Body> {
        let mut error = json!({
            "code": self.code.as_str(),
            "message": self.message,
            "runbook": format!("deploy/runbooks/errors/{}.md", self.code),
        });
        if let (Some(map), Some(after)) = (error.as_object_mut(), self.retry_after_ms) {
            map.insert("retry_after_ms".to_owned(), Value::from(after));
        }
        self.respond("application/json", &json!({ "error": error }))
    }

    /// Whether the input itself is why it was refused: then it is kept for a person to look at.
    #[must_use]
    pub const fn concerns_content(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::FhirSyntax
                | ErrorCode::FhirStructure
                | ErrorCode::FhirResourceType
                | ErrorCode::FhirBundle
                | ErrorCode::FhirReference
                | ErrorCode::FhirInteraction
                | ErrorCode::FhirTooLarge
                | ErrorCode::FhirMediaType
                | ErrorCode::ClinicalFuture
                | ErrorCode::ClinicalImplausible
                | ErrorCode::ClinicalUnit
                | ErrorCode::PatientUnknown
                | ErrorCode::PatientAmbiguous
                | ErrorCode::EntityLimit
                | ErrorCode::DeviceUnknown
                | ErrorCode::CommandIdReused
                | ErrorCode::BadRequest
        )
    }

    fn respond(&self, media_type: &'static str, body: &Value) -> Response<Body> {
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        if let Some(after) = self.retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.div_ceil(1_000)));
        }
        if let Some(id) = self.quarantine {
            headers.insert(QUARANTINE_HEADER, HeaderValue::from(id));
        }
        response
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        let code = error.code();
        match error {
            SubmitError::Rejected(rejection) => Self::new(code, rejection.reason),
            SubmitError::Overloaded { what, retry_after_ms } => {
                Self::overloaded(what, retry_after_ms)
            }
            // Another request changed the same resource between our look and our commit.
            SubmitError::Precondition => Self::overloaded("conflicting commits", 50),
            SubmitError::CommandIdReused
            | SubmitError::EntityFailed
            | SubmitError::OutcomeUnknown
            | SubmitError::StoreStopped { .. }
            | SubmitError::DiskFull
            | SubmitError::Damaged { .. }
            | SubmitError::TooLarge { .. }
            | SubmitError::NotServed { .. }
            | SubmitError::ShuttingDown => Self::new(code, error.to_string()),
        }
    }
}

impl From<FhirError> for ApiError {
    fn from(problem: FhirError) -> Self {
        Self::from(vec![problem])
    }
}

impl From<Vec<FhirError>> for ApiError {
    fn from(problems: Vec<FhirError>) -> Self {
        let Some(first) = problems.first() else {
            return Self::new(ErrorCode::FhirStructure, "refused");
        };
        let mut error = Self::new(first.code, first.to_string()).with_status(first.http_status);
        error.problems = problems;
        error
    }
}

/// The HTTP status of a code.
#[must_use]
pub const fn status_of(code: ErrorCode) -> u16 {
    match code {
        ErrorCode::FhirSyntax
        | ErrorCode::FhirSearchParameter
        | ErrorCode::FhirBundle
        | ErrorCode::QueryText
        | ErrorCode::QueryLimit
        | ErrorCode::BadRequest => 400,
        ErrorCode::LoginRefused => 401,
        ErrorCode::PurposeRefused
        | ErrorCode::CapabilityRevoked
        | ErrorCode::CapabilityExpired
        | ErrorCode::CapabilityRefused => 403,
        ErrorCode::FhirResourceType
        | ErrorCode::FhirNotFound
        | ErrorCode::PatientUnknown
        | ErrorCode::PatientLink
        | ErrorCode::DeviceUnknown
        | ErrorCode::FacilityUnknown
        | ErrorCode::QuarantineUnknown => 404,
        ErrorCode::FhirInteraction => 405,
        ErrorCode::PatientAmbiguous
        | ErrorCode::PatientMerge
        | ErrorCode::PatientAlert
        | ErrorCode::CommandIdReused
        | ErrorCode::ClusterRefused => 409,
        ErrorCode::FhirGone => 410,
        ErrorCode::FhirVersionConflict => 412,
        ErrorCode::FhirTooLarge | ErrorCode::Hl7TooLarge => 413,
        ErrorCode::FhirMediaType => 415,
        ErrorCode::FhirStructure
        | ErrorCode::FhirReference
        | ErrorCode::ClinicalFuture
        | ErrorCode::ClinicalImplausible
        | ErrorCode::ClinicalUnit
        | ErrorCode::EntityLimit => 422,
        ErrorCode::Overloaded | ErrorCode::SubscriberSlow => 429,
        ErrorCode::CallCancelled => 499,
        ErrorCode::NotAvailable => 501,
        ErrorCode::StoreStopped
        | ErrorCode::ShuttingDown
        | ErrorCode::EntityFailed
        | ErrorCode::ShardMoved
        | ErrorCode::ClusterNoQuorum
        | ErrorCode::QueryTooLong => 503,
        ErrorCode::DeadlineExceeded | ErrorCode::ClusterOutcomeUnknown => 504,
        ErrorCode::DiskFull => 507,
        ErrorCode::DataDirectoryReadOnly
        | ErrorCode::DataDirectoryInUse
        | ErrorCode::AddressInUse
        | ErrorCode::DataDamaged
        | ErrorCode::TransportSecurityRequired
        | ErrorCode::AuditBroken => 500,
        ErrorCode::Hl7NotAMessage
        | ErrorCode::Hl7Delimiters
        | ErrorCode::Hl7Frame
        | ErrorCode::Hl7Encoding
        | ErrorCode::Hl7UnsupportedEvent
        | ErrorCode::Hl7Version
        | ErrorCode::Hl7SegmentMissing
        | ErrorCode::Hl7FieldMissing
        | ErrorCode::Hl7DataType
        | ErrorCode::Hl7ControlIdReused
        | ErrorCode::Hl7Batch
        | ErrorCode::Hl7Segment => 422,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_status_of_a_refusal() {
        for code in ErrorCode::ALL {
            assert!((400..=507).contains(&status_of(*code)), "{code}");
        }
    }

    #[test]
    fn refusals_name_code_and_runbook() {
        let outcome = ApiError::new(ErrorCode::FhirNotFound, "there is no such resource").outcome();
        let diagnostics = outcome["issue"][0]["diagnostics"].as_str().unwrap();
        assert!(diagnostics.starts_with("MED-FHIR-006"), "{diagnostics}");
        let response = ApiError::overloaded("requests", 1_500).into_json();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }
}
