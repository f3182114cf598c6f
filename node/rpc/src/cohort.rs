//! A question over all entities as a capability: run by the live query engine, which audits it and
//! bounds it; cancelled by the caller, or by dropping the call.

use crate::access::{Access, Need};
use crate::connection::{Connection, Place};
use crate::failure::Failure;
use crate::show;
use node_query::{Asker, QueryAnswer, QueryError, QueryLimits, Value};
use schema_types::error_code::ErrorCode;
use schema_wire::rpc_capnp::{self as wire, Field, cohort};
use std::rc::Rc;
use tokio::sync::Notify;

/// Longest text of a query, in bytes.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// One question.
pub(crate) struct CohortServer {
    connection: Rc<Connection>,
    access: Access,
    text: String,
    cancelled: Notify,
    _place: Place,
}

impl CohortServer {
    pub(crate) fn new(
        connection: &Rc<Connection>,
        access: Access,
        text: String,
    ) -> Result<Self, Failure> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Failure::bad_request("the query is too long"));
        }
        Ok(Self {
            connection: Rc::clone(connection),
            access,
            text,
            cancelled: Notify::new(),
            _place: connection.capability()?,
        })
    }

    async fn ask(&self, limits: QueryLimits) -> Result<QueryAnswer, Failure> {
        let service = &self.connection.service;
        let question = service.question();
        let asker = Asker {
            principal: self.access.caller.principal.clone(),
            purpose: self.access.caller.purpose.clone(),
            source: question.source,
            command_id: question.command_id,
        };
        let (runtime, tenant) = (&service.gateway.runtime, &service.gateway.tenant);
        Ok(node_query::ask(runtime, tenant, &self.text, &asker, limits).await?)
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        let retry_after_ms = match &error {
            QueryError::Overloaded { retry_after_ms } => *retry_after_ms,
            QueryError::Text { .. }
            | QueryError::Limit { .. }
            | QueryError::TooLong
            | QueryError::PurposeRefused
            | QueryError::Node(_) => 0,
        };
        Self { code: error.code(), message: error.to_string().into(), retry_after_ms }
    }
}

/// A query can read any column: a capability that hides a field cannot ask over it.
const NEEDS: [Field; 5] =
    [Field::Demographics, Field::Vitals, Field::Scores, Field::Alerts, Field::Stays];

fn write(mut builder: wire::cohort_result::Builder<'_>, answer: &QueryAnswer) {
    builder.set_is_truncated(answer.truncated);
    builder.set_is_complete(answer.complete);
    builder.set_entities_read(answer.scanned);
    builder.set_entities_matched(answer.matched);
    builder.set_store_version(answer.version);
    let mut columns = builder.reborrow().init_columns(show::count(answer.columns.len()));
    for (place, column) in (0..).zip(&answer.columns) {
        let mut shown = columns.reborrow().get(place);
        shown.set_name(&column.name[..]);
        shown.set_unit(column.unit);
    }
    let mut rows = builder.init_rows(show::count(answer.rows.len()));
    let entities = answer.entities.iter().map(Some).chain(std::iter::repeat(None));
    for ((place, row), entity) in (0..).zip(&answer.rows).zip(entities) {
        let mut shown = rows.reborrow().get(place);
        if let Some(entity) = entity {
            shown.set_key(entity.key());
        }
        let mut values = shown.init_values(show::count(row.len()));
        for (place, one) in (0..).zip(row) {
            value(values.reborrow().get(place), one);
        }
    }
}

fn value(mut builder: wire::cohort_value::Builder<'_>, value: &Value) {
    match value {
        Value::Missing => builder.set_missing(()),
        Value::Number(number) => builder.set_number(*number),
        Value::Text(text) => builder.set_text(&text[..]),
        Value::Truth(truth) => builder.set_flag(*truth),
        Value::Time(at) => builder.set_time_unix_micros(at.unix_micros()),
        Value::Word(word) => builder.set_text(*word),
    }
}

impl cohort::Server for CohortServer {
    async fn run(
        self: Rc<Self>,
        params: cohort::RunParams,
        mut results: cohort::RunResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.connection.begin(&self.access, Need::Life).await?;
        for field in NEEDS {
            self.access.check(Need::See(field))?;
        }
        let params = params.get()?;
        let mut limits = QueryLimits::default();
        if params.get_rows_max() > 0 {
            limits.rows_max = usize::try_from(params.get_rows_max()).unwrap_or(limits.rows_max);
        }
        let work = self.connection.service.within(params.get_deadline_ms(), self.ask(limits));
        let answer = tokio::select! {
            answer = work => answer?,
            () = self.cancelled.notified() => {
                let reason = "the query was cancelled";
                return Err(Failure::new(ErrorCode::CallCancelled, reason).into());
            }
        };
        write(results.get().init_result(), &answer);
        Ok(())
    }

    async fn cancel(
        self: Rc<Self>,
        _: cohort::CancelParams,
        _: cohort::CancelResults,
    ) -> Result<(), capnp::Error> {
        self.cancelled.notify_waiters();
        Ok(())
    }
}
