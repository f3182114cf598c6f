//! Failures as they travel: a kind by name, and beside it what a node that does not know the kind
//! needs to act rightly.

use crate::error::SubmitError;
use crate::limits::RETRY_AFTER_MS;
use actors_core::{AuditNote, Rejection};
use schema_types::audit::AuditAction;
use schema_types::error_code::ErrorCode;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Why a call did not get its result, as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    kind: Cow<'static, str>,
    /// The stable code.
    code: Cow<'static, str>,
    /// Whether the same call may succeed later.
    transient: bool,
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    details: Details,
}

/// What some kinds have to say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Details {
    /// What, why or where; never patient data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'static, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shard: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<Refused>,
}

/// What a refusal says beside code and reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Refused {
    denied: bool,
    audit: AuditNote,
}

impl Details {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }
}

mod kind {
    pub(super) const REJECTED: &str = "rejected";
    pub(super) const OVERLOADED: &str = "overloaded";
    pub(super) const COMMAND_ID_REUSED: &str = "command-id-reused";
    pub(super) const PRECONDITION: &str = "precondition";
    pub(super) const ENTITY_FAILED: &str = "entity-failed";
    pub(super) const OUTCOME_UNKNOWN: &str = "outcome-unknown";
    pub(super) const STORE_STOPPED: &str = "store-stopped";
    pub(super) const DISK_FULL: &str = "disk-full";
    pub(super) const DAMAGED: &str = "damaged";
    pub(super) const TOO_LARGE: &str = "too-large";
    pub(super) const NOT_SERVED: &str = "not-served";
    pub(super) const SHUTTING_DOWN: &str = "shutting-down";
}

/// The limits that a node names when it has no room. One that is not in the list, because the
/// owner is of another release, is told by [`OTHER_LIMIT`].
const LIMITS: &[&str] = &[
    "calls to another node",
    "commands of one entity",
    "commands of the node",
    "conflicting commits",
    "entities held for groups",
    "resident entities",
    "shards on the move",
    "snapshot age",
    "store queue",
];
const OTHER_LIMIT: &str = "a limit of another node";

impl From<SubmitError> for Failure {
    fn from(error: SubmitError) -> Self {
        let (code, transient) = (Cow::Borrowed(error.code().as_str()), error.is_transient());
        let (kind, details) = match error {
            SubmitError::Rejected(Rejection { reason, denied, audit, .. }) => {
                let refused = Some(Refused { denied, audit });
                (kind::REJECTED, Details { refused, ..Details::text(reason) })
            }
            SubmitError::Overloaded { what, retry_after_ms } => {
                let retry_after_ms = Some(retry_after_ms);
                (kind::OVERLOADED, Details { retry_after_ms, ..Details::text(what) })
            }
            SubmitError::CommandIdReused => (kind::COMMAND_ID_REUSED, Details::default()),
            SubmitError::Precondition => (kind::PRECONDITION, Details::default()),
            SubmitError::EntityFailed => (kind::ENTITY_FAILED, Details::default()),
            SubmitError::OutcomeUnknown => (kind::OUTCOME_UNKNOWN, Details::default()),
            SubmitError::StoreStopped { reason } => (kind::STORE_STOPPED, Details::text(reason)),
            SubmitError::DiskFull => (kind::DISK_FULL, Details::default()),
            SubmitError::Damaged { place } => (kind::DAMAGED, Details::text(place)),
            SubmitError::TooLarge { bytes } => {
                let bytes = Some(u64::try_from(bytes).unwrap_or(u64::MAX));
                (kind::TOO_LARGE, Details { bytes, ..Details::default() })
            }
            SubmitError::NotServed { shard } => {
                (kind::NOT_SERVED, Details { shard, ..Details::default() })
            }
            SubmitError::ShuttingDown => (kind::SHUTTING_DOWN, Details::default()),
        };
        Self { kind: Cow::Borrowed(kind), code, transient, details }
    }
}

impl From<Failure> for SubmitError {
    fn from(failure: Failure) -> Self {
        let Details { text, retry_after_ms, bytes, shard, .. } = &failure.details;
        let text = || text.as_deref().unwrap_or_default().to_owned();
        match &*failure.kind {
            kind::OVERLOADED => Self::Overloaded {
                what: limit(&text()),
                retry_after_ms: retry_after_ms.unwrap_or(RETRY_AFTER_MS),
            },
            kind::COMMAND_ID_REUSED => Self::CommandIdReused,
            kind::PRECONDITION => Self::Precondition,
            kind::ENTITY_FAILED => Self::EntityFailed,
            kind::OUTCOME_UNKNOWN => Self::OutcomeUnknown,
            kind::STORE_STOPPED => Self::StoreStopped { reason: text() },
            kind::DISK_FULL => Self::DiskFull,
            kind::DAMAGED => Self::Damaged { place: text() },
            kind::TOO_LARGE => {
                let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok());
                Self::TooLarge { bytes: bytes.unwrap_or(usize::MAX) }
            }
            kind::NOT_SERVED => Self::NotServed { shard: *shard },
            kind::SHUTTING_DOWN => Self::ShuttingDown,
            // Of a newer release. To ask again by the same name is right whatever happened.
            other if other != kind::REJECTED && failure.transient => Self::OutcomeUnknown,
            _ => Self::Rejected(failure.into_rejection()),
        }
    }
}

impl Failure {
    /// A code of a newer release is told in the reason.
    fn into_rejection(self) -> Rejection {
        let Details { text, refused, .. } = self.details;
        let text = text.unwrap_or_default();
        let (code, reason) = match ErrorCode::from_text(&self.code) {
            Some(code) => (code, text.into_owned()),
            None => (ErrorCode::NotAvailable, format!("{}: {text}", self.code)),
        };
        let unsaid = || Refused {
            denied: false,
            audit: AuditNote::new(AuditAction::Execute, String::new()),
        };
        let Refused { denied, audit } = refused.unwrap_or_else(unsaid);
        Rejection { code, reason, denied, audit }
    }
}

fn limit(text: &str) -> &'static str {
    LIMITS.iter().copied().find(|known| *known == text).unwrap_or(OTHER_LIMIT)
}
