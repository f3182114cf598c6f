//! Quarantine: what could not be taken, with its raw bytes, the reason and a way back. Nothing
//! that reached a write path is dropped.

use crate::gateway::{Caller, Gateway, Origin};
use crate::limits::{PAGE_ITEMS_MAX, QUARANTINE_BYTES_MAX};
use actors_runtime::{SubmitError, blob};
use actors_store::keys::{self, Family};
use actors_store::{KeyRange, Mutation, RangeQuery, Snapshot};
use schema_types::audit::{AuditAction, AuditOutcome};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{CommandId, MessageDigest, SourceId};
use schema_types::phi::Phi;
use schema_types::time::Timestamp;
use schema_wire::journal::{QuarantineRecord, RawMessage, decode_quarantine, encode_quarantine};
use std::sync::atomic::{AtomicU64, Ordering};

/// The newest id given out: ids are arrival times in microseconds, made unique.
static LAST_ID: AtomicU64 = AtomicU64::new(0);

/// What could not be taken.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The sending system, as far as it is known.
    pub source: SourceId,
    /// `mllp`, `fhir`, `api` or `file`.
    pub channel: &'static str,
    /// The stable code.
    pub code: ErrorCode,
    /// What is wrong, without patient data.
    pub reason: String,
    /// Segment, field or path; may be empty.
    pub location: String,
    /// The bytes as received; cut at [`QUARANTINE_BYTES_MAX`].
    pub raw: Phi<Vec<u8>>,
    /// Media type.
    pub content_type: String,
}

fn next_id(now: Timestamp) -> u64 {
    let at = u64::try_from(now.unix_micros()).unwrap_or(0);
    let before = LAST_ID.fetch_max(at, Ordering::AcqRel);
    if before < at { at } else { LAST_ID.fetch_add(1, Ordering::AcqRel) + 1 }
}

/// The row that finds a waiting item by its bytes, so that a sender that repeats itself does not
/// fill quarantine.
fn repeat_key(gateway: &Gateway, digest: MessageDigest) -> bytes::Bytes {
    keys::index("quarantine-waiting", gateway.tenant.as_str()).bytes(&digest.0).finish()
}

/// Keeps refused input and audits the refusal; gives the item's id. The same bytes that wait
/// already are counted, not kept twice.
///
/// # Errors
/// [`SubmitError`] when the store refuses; the caller must not answer as if it were kept.
pub async fn keep(
    gateway: &Gateway,
    caller: &Caller,
    refused: Refused,
) -> Result<u64, SubmitError> {
    let mut raw = refused.raw.into_exposed();
    raw.truncate(QUARANTINE_BYTES_MAX);
    let digest = MessageDigest::of(&raw);
    let snapshot = gateway.runtime.snapshot().await?;
    let now = gateway.runtime.now();
    let mut rows = Vec::new();
    let (id, record) = match waiting(&*snapshot, gateway, digest).await? {
        Some((id, mut record)) => {
            record.attempts = record.attempts.saturating_add(1);
            (id, record)
        }
        None => {
            gateway.runtime.archive(&raw).await?;
            let id = next_id(now);
            rows.push(Mutation::set(repeat_key(gateway, digest), id.to_be_bytes().to_vec()));
            let length = u64::try_from(raw.len()).unwrap_or(u64::MAX);
            let record = QuarantineRecord {
                id: id.to_string(),
                received_at: now,
                source: refused.source.clone(),
                channel: refused.channel.to_owned(),
                code: refused.code,
                reason: refused.reason,
                location: refused.location,
                raw: RawMessage::Archived { digest, length_bytes: length },
                content_type: refused.content_type,
                attempts: 1,
                resolved_at: None,
                resolution: String::new(),
            };
            (id, record)
        }
    };
    rows.push(Mutation::set(keys::quarantine(id), encode_quarantine(&record)));
    let origin = Origin {
        source: refused.source,
        command_id: CommandId::new(format!("quarantine-{id}-{}", record.attempts)),
        content: digest,
        message: Some(digest),
    };
    let operation = format!("quarantine {}", refused.channel);
    let what = (AuditAction::Create, operation.as_str(), AuditOutcome::Rejected(refused.code));
    let draft = gateway.draft(caller, &origin, gateway.facility("quarantine"), what);
    gateway.runtime.record(draft, rows).await?;
    Ok(id)
}

async fn waiting(
    snapshot: &dyn Snapshot,
    gateway: &Gateway,
    digest: MessageDigest,
) -> Result<Option<(u64, QuarantineRecord)>, SubmitError> {
    let Some(value) = snapshot.get(&repeat_key(gateway, digest)).await? else { return Ok(None) };
    let Ok(id) = <[u8; 8]>::try_from(&value[..]).map(u64::from_be_bytes) else { return Ok(None) };
    Ok(read(snapshot, id).await?.map(|record| (id, record)))
}

/// One item.
///
/// # Errors
/// [`SubmitError::Damaged`] when it does not decode.
pub async fn read(
    snapshot: &dyn Snapshot,
    id: u64,
) -> Result<Option<QuarantineRecord>, SubmitError> {
    let Some(value) = snapshot.get(&keys::quarantine(id)).await? else { return Ok(None) };
    let record = decode_quarantine(&value)
        .map_err(|error| SubmitError::Damaged { place: error.to_string() })?;
    Ok(Some(record))
}

/// Items in order of arrival after `after`, and whether there are more.
///
/// # Errors
/// [`SubmitError::Damaged`] when one does not decode.
pub async fn list(
    snapshot: &dyn Snapshot,
    after: Option<u64>,
    limit: usize,
) -> Result<(Vec<QuarantineRecord>, bool), SubmitError> {
    let mut range = keys::family_range(Family::Quarantine);
    if let Some(after) = after {
        range.begin = KeyRange::single(&keys::quarantine(after)).end;
    }
    let limit = limit.clamp(1, PAGE_ITEMS_MAX);
    let page = snapshot.range(RangeQuery::forward(range, limit)).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for (_, value) in &page.items {
        items.push(
            decode_quarantine(value)
                .map_err(|error| SubmitError::Damaged { place: error.to_string() })?,
        );
    }
    Ok((items, page.more))
}

/// The raw bytes of an item.
///
/// # Errors
/// [`SubmitError::Damaged`] when the archive does not have them.
pub async fn raw(
    snapshot: &dyn Snapshot,
    record: &QuarantineRecord,
) -> Result<Vec<u8>, SubmitError> {
    match &record.raw {
        RawMessage::Inline(bytes) => Ok(bytes.expose().clone()),
        RawMessage::Archived { digest, .. } => blob::read_archive(snapshot, *digest)
            .await?
            .ok_or_else(|| SubmitError::Damaged { place: "missing quarantined bytes".to_owned() }),
    }
}

/// Notes the end of an item's wait, or a further attempt that failed.
///
/// # Errors
/// [`SubmitError`] when the store refuses.
pub async fn settle(
    gateway: &Gateway,
    caller: &Caller,
    mut record: QuarantineRecord,
    resolution: Result<String, (ErrorCode, String)>,
) -> Result<(), SubmitError> {
    let id = record.id.parse().unwrap_or(0);
    let mut rows = Vec::new();
    let outcome = match resolution {
        Ok(resolution) => {
            record.resolved_at = Some(gateway.runtime.now());
            record.resolution = resolution;
            if let RawMessage::Archived { digest, .. } = &record.raw {
                rows.push(Mutation::clear(repeat_key(gateway, *digest)));
            }
            AuditOutcome::Done
        }
        Err((code, reason)) => {
            record.attempts = record.attempts.saturating_add(1);
            record.code = code;
            record.reason = reason;
            AuditOutcome::Rejected(code)
        }
    };
    rows.push(Mutation::set(keys::quarantine(id), encode_quarantine(&record)));
    let origin = Origin {
        source: record.source.clone(),
        command_id: CommandId::new(format!("quarantine-{id}-replay-{}", gateway.fresh_id())),
        content: MessageDigest::default(),
        message: None,
    };
    let what = (AuditAction::Execute, "quarantine replay", outcome);
    let draft = gateway.draft(caller, &origin, gateway.facility("quarantine"), what);
    gateway.runtime.record(draft, rows).await
}
