//! Taking a quarantined item again, as it is or with bytes that a person repaired.

use super::failure::Failure;
use super::take::{Taken, take};
use crate::gateway::{Caller, Gateway, Origin};
use crate::quarantine;
use actors_runtime::SubmitError;
use schema_hl7::Position;
use schema_hl7::batch::{BatchItem, split};
use schema_types::audit::{AuditAction, AuditOutcome};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{CommandId, MessageDigest};
use schema_wire::journal::QuarantineRecord;

/// What became of a replayed item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// Its effect is durable; the item is settled.
    Accepted,
    /// Everything in it was taken before; the item is settled.
    Duplicate,
    /// It is still wrong and keeps waiting.
    Refused {
        /// The stable code.
        code: ErrorCode,
        /// Why, without patient data.
        reason: String,
        /// Segment and field; may be empty.
        location: String,
    },
    /// Not now; nothing was noted.
    NotNow {
        /// The stable code.
        code: ErrorCode,
        /// Why.
        reason: String,
    },
}

/// Takes an HL7 item of quarantine again (channels `mllp`, `file` and `api`) and settles it when
/// all of it was taken. A cut frame or a message past the limit can only be replayed repaired:
/// what is kept of it may look whole and is not.
///
/// # Errors
/// [`SubmitError`] when the item cannot be read or its end cannot be noted.
pub async fn replay(
    gateway: &Gateway,
    caller: &Caller,
    mut record: QuarantineRecord,
    repaired: Option<Vec<u8>>,
) -> Result<Replayed, SubmitError> {
    if record.resolved_at.is_some() {
        return settled_before(gateway, caller, &record).await;
    }
    let is_part = matches!(record.code, ErrorCode::Hl7Frame | ErrorCode::Hl7TooLarge);
    let result = match &repaired {
        None if is_part => {
            let reason = "only a part of the message is kept; replay it with repaired bytes";
            Err(Failure::content(record.code, Position::default(), reason))
        }
        None => {
            let snapshot = gateway.runtime.snapshot().await?;
            let raw = quarantine::raw(&*snapshot, &record).await?;
            drop(snapshot);
            take_all(gateway, caller, &raw, "").await
        }
        Some(bytes) => {
            // Commands that the message gave before it failed keep their names to themselves.
            let suffix = format!(".repair-{}-{}", record.id, record.attempts);
            take_all(gateway, caller, bytes, &suffix).await
        }
    };
    let failure = match result {
        Ok(is_new) => {
            let how = if is_new { "taken" } else { "taken before" };
            let how = if repaired.is_some() { format!("{how}, repaired") } else { how.to_owned() };
            quarantine::settle(gateway, caller, record, Ok(how)).await?;
            return Ok(if is_new { Replayed::Accepted } else { Replayed::Duplicate });
        }
        Err(failure) => failure,
    };
    if failure.is_transient {
        return Ok(Replayed::NotNow { code: failure.code, reason: failure.reason });
    }
    let location = failure.location();
    let Failure { code, reason, .. } = failure;
    // The kept bytes are what they were: what is wrong with others is not noted as theirs.
    let noted = if repaired.is_some() || is_part {
        (record.code, record.reason.clone())
    } else {
        record.location.clone_from(&location);
        (code, reason.clone())
    };
    quarantine::settle(gateway, caller, record, Err(noted)).await?;
    Ok(Replayed::Refused { code, reason, location })
}

/// Takes every message of the bytes; whether any was new. Stops at the first failure: what was
/// taken until then is a repeat the next time.
async fn take_all(
    gateway: &Gateway,
    caller: &Caller,
    bytes: &[u8],
    suffix: &str,
) -> Result<bool, Failure> {
    let mut is_new = false;
    for item in split(bytes) {
        match item {
            BatchItem::Message { bytes, .. } => {
                let attempt = Box::pin(take(gateway, caller, bytes.expose(), suffix)).await;
                is_new |= matches!(attempt.result?, Taken::Accepted(_));
            }
            BatchItem::Refused { error, .. } => return Err(error.into()),
            BatchItem::Warning(_) => {}
        }
    }
    Ok(is_new)
}

async fn settled_before(
    gateway: &Gateway,
    caller: &Caller,
    record: &QuarantineRecord,
) -> Result<Replayed, SubmitError> {
    let code = ErrorCode::QuarantineUnknown;
    let origin = Origin {
        source: record.source.clone(),
        command_id: CommandId::new(format!("quarantine-{}-{}", record.id, gateway.fresh_id())),
        content: MessageDigest::default(),
        message: None,
    };
    let what = (AuditAction::Execute, "quarantine replay", AuditOutcome::Rejected(code));
    let draft = gateway.draft(caller, &origin, gateway.facility("quarantine"), what);
    gateway.runtime.record(draft, Vec::new()).await?;
    let reason = "the item was settled before".to_owned();
    Ok(Replayed::Refused { code, reason, location: String::new() })
}
