//! Running a query: purpose, room, one snapshot, the scan within its time, the audit record, the
//! answer; in this order (AUD-1, ACK-1).

use crate::answer::{QueryAnswer, Value};
use crate::audit::{self, Seen, refuse};
use crate::collect::{Answered, Ranked};
use crate::error::QueryError;
use crate::limits::{FILL_WAIT_MS, QUERIES_IN_FLIGHT_MAX, QueryLimits};
use crate::plan::{Output, Query};
use crate::scan::Scan;
use crate::tree::{Cell, Moment, Row};
use actors_core::purpose;
use actors_runtime::live::{self, RowKeys};
use actors_runtime::{Runtime, SubmitError};
use chrono::{DateTime, Datelike};
use schema_types::ids::{CommandId, EntityId, PrincipalId, SourceId, TenantId};
use schema_types::live::{Holds, packed_date};
use schema_types::time::{MICROS_PER_SECOND, Timestamp};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Queries that run in this process (LIM-1).
static ROOM: Semaphore = Semaphore::const_new(QUERIES_IN_FLIGHT_MAX);

/// Whether rows of older data are being made.
static FILLING: AtomicBool = AtomicBool::new(false);

/// Who asks, as the audit log names it.
#[derive(Debug, Clone)]
pub struct Asker {
    /// Who.
    pub principal: PrincipalId,
    /// Purpose of use (HL7 v3 PurposeOfUse code).
    pub purpose: String,
    /// Where the question comes from, for example `api` or `rpc`.
    pub source: SourceId,
    /// Its name within the source.
    pub command_id: CommandId,
}

/// Reads a text and runs it; a text that is no query is audited as refused.
///
/// # Errors
/// As [`Query::parse`] and [`run`].
pub async fn ask(
    runtime: &Runtime,
    tenant: &TenantId,
    text: &str,
    asker: &Asker,
    limits: QueryLimits,
) -> Result<QueryAnswer, QueryError> {
    match Query::parse(text) {
        Ok(query) => run(runtime, tenant, &query, asker, limits).await,
        Err(error) => {
            let is_allowed = purpose::check(&asker.purpose).is_ok();
            let error = if is_allowed { error } else { QueryError::PurposeRefused };
            Err(refuse(runtime, tenant, asker, text, error).await)
        }
    }
}

/// Runs a query. Exactly one audit record is durable before the answer is given, also when it is
/// refused; a query that is dropped on the way shows nothing and leaves none.
///
/// # Errors
/// [`QueryError::PurposeRefused`], [`QueryError::TooLong`] when it does not end while its version
/// can be read, [`QueryError::Limit`], [`QueryError::Overloaded`] (not audited: nothing was looked
/// at), [`QueryError::Node`].
pub async fn run(
    runtime: &Runtime,
    tenant: &TenantId,
    query: &Query,
    asker: &Asker,
    limits: QueryLimits,
) -> Result<QueryAnswer, QueryError> {
    let shown = query.shown();
    if purpose::check(&asker.purpose).is_err() {
        return Err(refuse(runtime, tenant, asker, shown, QueryError::PurposeRefused).await);
    }
    let _room = ROOM.try_acquire().map_err(|_| QueryError::overloaded())?;
    let limits = limits.bounded();
    let deadline = Duration::from_millis(limits.deadline_ms);
    let looked = tokio::time::timeout(deadline, look(runtime, tenant, query, limits)).await;
    let answer = match looked.unwrap_or(Err(QueryError::TooLong)) {
        Ok(answer) => answer,
        Err(error) => return Err(refuse(runtime, tenant, asker, shown, error).await),
    };
    let seen = Seen {
        shown,
        matched: answer.matched,
        scanned: answer.scanned,
        returned: answer.rows.len(),
        entities: &answer.entities,
    };
    audit::answered(runtime, tenant, asker, &seen).await?;
    Ok(answer)
}

/// The answer, which nobody may see before its audit record is durable.
async fn look(
    runtime: &Runtime,
    tenant: &TenantId,
    query: &Query,
    limits: QueryLimits,
) -> Result<QueryAnswer, QueryError> {
    let plan = &query.plan;
    if !live::is_complete(&*runtime.snapshot().await?).await? {
        fill(runtime).await;
    }
    let snapshot = runtime.snapshot().await?;
    let version = snapshot.version();
    let complete = live::is_complete(&*snapshot).await?;
    let moment = moment(runtime.now());
    let keys = RowKeys::new(tenant, plan.kind);
    let scan = Scan { snapshot, query: query.clone(), limits, moment, keys: keys.clone() };
    let found = scan.run(tenant).await?;
    let (matched, scanned) = (found.matched, found.scanned);
    let at = Row { live: None, key: &[], keys: &keys, cells: &[], moment };
    let Answered { rows, truncated } = found.into_answered(plan, limits, &at);
    let entities = match plan.grouping {
        None => rows.iter().map(|row| entity(tenant, query, (&keys, row))).collect(),
        Some(_) => Ok(Vec::new()),
    };
    Ok(QueryAnswer {
        columns: query.columns(),
        rows: rows.into_iter().map(|row| values(&plan.outputs, row)).collect(),
        entities: entities?,
        matched,
        scanned,
        version,
        truncated,
        complete,
    })
}

/// Also when the executor drops the task half way, as it does when a node ends.
struct FillingIsOver;

impl Drop for FillingIsOver {
    fn drop(&mut self) {
        FILLING.store(false, Ordering::SeqCst);
    }
}

/// Has the rows of older data made in the background, once at a time, and waits a moment: with few
/// or no such entities the answer is complete at once.
async fn fill(runtime: &Runtime) {
    if FILLING.swap(true, Ordering::SeqCst) {
        return;
    }
    let over = FillingIsOver;
    let runtime = runtime.clone();
    let filling = tokio::spawn(async move {
        if let Err(error) = live::fill(&runtime).await {
            tracing::warn!(error = %error, "live rows of older data are not all made");
        }
        drop(over);
    });
    let _goes_on = tokio::time::timeout(Duration::from_millis(FILL_WAIT_MS), filling).await;
}

fn moment(now: Timestamp) -> Moment {
    let seconds = now.unix_micros().div_euclid(MICROS_PER_SECOND);
    let today = DateTime::from_timestamp(seconds, 0).and_then(|now| {
        packed_date(i64::from(now.year()), i64::from(now.month()), i64::from(now.day()))
    });
    Moment { seconds, today: today.unwrap_or_default() }
}

fn entity(
    tenant: &TenantId,
    query: &Query,
    (keys, row): (&RowKeys, &Ranked),
) -> Result<EntityId, SubmitError> {
    let damaged = |_| SubmitError::Damaged { place: "key of a live row".to_owned() };
    let key = keys.entity_key(&row.row_key).map_err(damaged)?;
    Ok(EntityId::new(tenant.clone(), query.kind(), &key))
}

fn values(outputs: &[Output], row: Ranked) -> Vec<Value> {
    outputs.iter().zip(row.cells).map(|(output, cell)| value(output.column.holds, cell)).collect()
}

fn value(holds: Holds, cell: Cell) -> Value {
    match cell {
        Cell::Missing => Value::Missing,
        Cell::Number(number) => Value::Number(number),
        Cell::Text(text) => Value::Text(String::from_utf8_lossy(&text).into_owned()),
        Cell::Time(seconds) => Value::Time(Timestamp::from_unix_seconds(seconds)),
        Cell::Truth(truth) => Value::Truth(truth),
        Cell::Word(index) => match holds {
            Holds::Word(words) => {
                words.get(usize::from(index)).map_or(Value::Missing, |word| Value::Word(word))
            }
            Holds::Text | Holds::Number | Holds::Time | Holds::Truth => Value::Missing,
        },
    }
}
