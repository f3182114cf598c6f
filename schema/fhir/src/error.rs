//! Why FHIR input is refused: our stable code, the HTTP status, the FHIR issue type and the place.
//! Paths and reasons never hold a value of the input (PHI-1).

use crate::limits::PATH_BYTES_MAX;
use schema_types::error_code::ErrorCode;

/// A refusal, or one of several problems of a resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}{}{path}: {reason}", if path.is_empty() { "" } else { " at " })]
pub struct FhirError {
    /// The stable code.
    pub code: ErrorCode,
    /// The HTTP status that answers a request with this problem.
    pub http_status: u16,
    /// A code of the FHIR value set `issue-type`.
    pub issue_type: &'static str,
    /// A FHIRPath-like place such as `Observation.component[1].code`; empty when it concerns all.
    pub path: String,
    /// What is wrong, in words, without any value of the input.
    pub reason: String,
}

impl FhirError {
    /// A problem with the status and issue type that its code usually has.
    #[must_use]
    pub fn new(code: ErrorCode, path: &str, reason: impl Into<String>) -> Self {
        let (http_status, issue_type) = defaults(code);
        let path = clip(path).to_owned();
        Self { code, http_status, issue_type, path, reason: reason.into() }
    }

    /// The same problem with a more exact FHIR issue type.
    #[must_use]
    pub const fn with_issue_type(mut self, issue_type: &'static str) -> Self {
        self.issue_type = issue_type;
        self
    }

    /// The same problem with another HTTP status.
    #[must_use]
    pub const fn with_status(mut self, http_status: u16) -> Self {
        self.http_status = http_status;
        self
    }

    pub(crate) fn structure(path: &str, issue_type: &'static str, reason: &str) -> Self {
        Self::new(ErrorCode::FhirStructure, path, reason).with_issue_type(issue_type)
    }
}

fn clip(path: &str) -> &str {
    let mut end = path.len().min(PATH_BYTES_MAX);
    while !path.is_char_boundary(end) {
        end -= 1;
    }
    &path[..end]
}

fn defaults(code: ErrorCode) -> (u16, &'static str) {
    const STATUSES: &[(ErrorCode, u16, &str)] = &[
        (ErrorCode::FhirSyntax, 400, "structure"),
        (ErrorCode::FhirStructure, 422, "structure"),
        (ErrorCode::FhirResourceType, 404, "not-supported"),
        (ErrorCode::FhirSearchParameter, 400, "not-supported"),
        (ErrorCode::FhirVersionConflict, 412, "conflict"),
        (ErrorCode::FhirNotFound, 404, "not-found"),
        (ErrorCode::FhirBundle, 400, "invalid"),
        (ErrorCode::FhirReference, 422, "not-found"),
        (ErrorCode::FhirInteraction, 405, "not-supported"),
        (ErrorCode::FhirGone, 410, "deleted"),
        (ErrorCode::FhirTooLarge, 413, "too-long"),
        (ErrorCode::FhirMediaType, 415, "not-supported"),
        (ErrorCode::ClinicalFuture, 422, "business-rule"),
        (ErrorCode::ClinicalImplausible, 422, "business-rule"),
        (ErrorCode::ClinicalUnit, 422, "business-rule"),
        (ErrorCode::PatientUnknown, 404, "not-found"),
        (ErrorCode::PatientAmbiguous, 412, "multiple-matches"),
        (ErrorCode::EntityLimit, 422, "too-costly"),
        (ErrorCode::PurposeRefused, 403, "forbidden"),
        (ErrorCode::Overloaded, 503, "throttled"),
        (ErrorCode::StoreStopped, 503, "no-store"),
        (ErrorCode::DiskFull, 507, "no-store"),
        (ErrorCode::DataDamaged, 500, "exception"),
        (ErrorCode::ShuttingDown, 503, "transient"),
        (ErrorCode::EntityFailed, 500, "exception"),
        (ErrorCode::CommandIdReused, 409, "duplicate"),
        (ErrorCode::DeadlineExceeded, 504, "timeout"),
        (ErrorCode::BadRequest, 400, "invalid"),
    ];
    STATUSES
        .iter()
        .find(|(known, _, _)| *known == code)
        .map_or((422, "processing"), |(_, status, issue_type)| (*status, *issue_type))
}

/// The name of a JSON property as it may stand in a path: only what could be an element name.
pub(crate) fn path_name(name: &str) -> &str {
    let plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
    if !name.is_empty() && name.len() <= 64 && name.chars().all(plain) { name } else { "?" }
}
