//! The audit record of a query (AUD-1): who asked what kind of question, without its literals, and
//! how much was seen; refused queries too.

use crate::ask::Asker;
use crate::error::QueryError;
use crate::text::without_literals;
use actors_runtime::Runtime;
use schema_types::audit::{AuditAction, AuditDraft, AuditOutcome};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityId, EntityKind, TenantId};

/// How the operation of a query begins in the audit log.
const OPERATION: &str = "query";

fn draft(
    runtime: &Runtime,
    tenant: &TenantId,
    asker: &Asker,
    (operation, outcome): (String, AuditOutcome),
) -> AuditDraft {
    AuditDraft {
        at: runtime.now(),
        principal: asker.principal.clone(),
        purpose: asker.purpose.clone(),
        action: AuditAction::Read,
        entity: EntityId::new(tenant.clone(), EntityKind::Facility, OPERATION),
        operation,
        outcome,
        source: asker.source.clone(),
        command_id: asker.command_id.clone(),
        message: None,
        sequence: 0,
        events: 0,
    }
}

/// What was seen.
pub(crate) struct Seen<'a> {
    pub(crate) shown: &'a str,
    pub(crate) matched: u64,
    pub(crate) scanned: u64,
    pub(crate) returned: usize,
    pub(crate) entities: &'a [EntityId],
}

/// Records a query that was answered, with a pointer from every entity whose row is shown.
pub(crate) async fn answered(
    runtime: &Runtime,
    tenant: &TenantId,
    asker: &Asker,
    seen: &Seen<'_>,
) -> Result<(), QueryError> {
    let Seen { shown, matched, scanned, returned, entities } = seen;
    let operation =
        format!("{OPERATION} {shown} [matched {matched} of {scanned}, returned {returned}]");
    let draft = draft(runtime, tenant, asker, (operation, AuditOutcome::Done));
    runtime.record_touching(draft, entities).await?;
    Ok(())
}

/// Records a query that was refused, and gives the error back.
pub async fn refuse(
    runtime: &Runtime,
    tenant: &TenantId,
    asker: &Asker,
    text: &str,
    error: QueryError,
) -> QueryError {
    let code = error.code();
    let outcome = if code == ErrorCode::PurposeRefused {
        AuditOutcome::Denied(code)
    } else {
        AuditOutcome::Rejected(code)
    };
    let operation = format!("{OPERATION} {}", without_literals(text));
    let draft = draft(runtime, tenant, asker, (operation, outcome));
    match runtime.record(draft, Vec::new()).await {
        Ok(()) => error,
        Err(failure) => failure.into(),
    }
}
