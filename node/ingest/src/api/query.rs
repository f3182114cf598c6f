//! `POST /api/v1/query` and `GET /api/v1/query?q=`: live queries over all entities. The engine
//! judges the purpose and writes the audit record; here are only the two forms of text and answer.

use super::json::time;
use super::{Answered, finish};
use crate::http::ApiError;
use crate::http::app::App;
use crate::http::request::{Asked, receive_small};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use node_query::{Asker, OutputColumn, QueryAnswer, QueryError, QueryLimits};
use schema_types::ids::{CommandId, SourceId};
use schema_types::live::Holds;
use schema_types::time::MICROS_PER_SECOND;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// `GET /api/v1/query?q=`.
pub(crate) async fn get_query(State(app): State<Arc<App>>, asked: Asked) -> Response {
    let text = asked.only(&["q"]).map(|()| asked.parameter("q").unwrap_or_default());
    match text {
        Ok(text) => finish(Box::pin(answer(&app, &asked, text)).await),
        Err(error) => finish(Err(error)),
    }
}

/// `POST /api/v1/query` with `{"query": "..."}`.
pub(crate) async fn post_query(State(app): State<Arc<App>>, asked: Asked, body: Body) -> Response {
    finish(Box::pin(post(&app, &asked, body)).await)
}

async fn post(app: &Arc<App>, asked: &Asked, body: Body) -> Answered {
    let received = receive_small(app, &asked.headers, body).await?;
    let body: Value = serde_json::from_slice(&received.bytes)
        .map_err(|_| ApiError::bad_request("the body is not JSON"))?;
    let text = body.get("query").and_then(Value::as_str);
    let text = text.ok_or_else(|| ApiError::bad_request("the body must have the text query"))?;
    answer(app, asked, text).await
}

async fn answer(app: &App, asked: &Asked, text: &str) -> Answered {
    let gateway = &app.gateway;
    let asker = Asker {
        principal: asked.caller.principal.clone(),
        purpose: asked.caller.purpose.clone(),
        source: SourceId::new("api"),
        command_id: CommandId::new(gateway.fresh_id()),
    };
    let (runtime, tenant) = (&gateway.runtime, &gateway.tenant);
    let begun = runtime.now();
    let answer = node_query::ask(runtime, tenant, text, &asker, QueryLimits::default());
    let answer = answer.await.map_err(refusal)?;
    let micros = runtime.now().micros_since(begun).max(0);
    let mut shown = shown(&answer);
    if let Some(map) = shown.as_object_mut() {
        map.insert("seconds".to_owned(), seconds(micros));
    }
    Ok(shown)
}

fn refusal(error: QueryError) -> ApiError {
    let (code, message) = (error.code(), error.to_string());
    match error {
        QueryError::Node(error) => error.into(),
        QueryError::Overloaded { retry_after_ms } => {
            ApiError::overloaded("queries", retry_after_ms)
        }
        QueryError::TooLong
        | QueryError::Text { .. }
        | QueryError::Limit { .. }
        | QueryError::PurposeRefused => ApiError::new(code, message),
    }
}

fn seconds(micros: i64) -> Value {
    let micros = u32::try_from(micros).map_or(f64::from(u32::MAX), f64::from);
    #[expect(clippy::cast_precision_loss, reason = "a million")]
    let per_second = MICROS_PER_SECOND as f64;
    json!(micros / per_second)
}

fn shown(answer: &QueryAnswer) -> Value {
    let rows: Vec<Value> = answer.rows.iter().map(|row| object(&answer.columns, row)).collect();
    let columns: Vec<Value> = answer.columns.iter().map(column).collect();
    json!({
        "columns": columns,
        "rows": rows,
        "matched": answer.matched,
        "scanned": answer.scanned,
        "version": answer.version,
        "truncated": answer.truncated,
        "complete": answer.complete,
    })
}

fn column(column: &OutputColumn) -> Value {
    let (holds, words): (&str, &[&str]) = match column.holds {
        Holds::Text => ("text", &[]),
        Holds::Number => ("number", &[]),
        Holds::Time => ("time", &[]),
        Holds::Truth => ("truth", &[]),
        Holds::Word(words) => ("word", words),
    };
    json!({ "name": column.name, "holds": holds, "unit": column.unit, "words": words })
}

fn object(columns: &[OutputColumn], row: &[node_query::Value]) -> Value {
    let named = columns.iter().zip(row).map(|(column, one)| (column.name.clone(), value(one)));
    Value::Object(named.collect::<Map<String, Value>>())
}

/// What is missing is null. Whole numbers are shown as such.
fn value(value: &node_query::Value) -> Value {
    match value {
        node_query::Value::Missing => Value::Null,
        node_query::Value::Number(number) => number_shown(*number),
        node_query::Value::Text(text) => Value::from(text.as_str()),
        node_query::Value::Truth(truth) => Value::from(*truth),
        node_query::Value::Time(at) => time(*at),
        node_query::Value::Word(word) => Value::from(*word),
    }
}

/// The shortest digits that are this number again.
fn number_shown(number: f64) -> Value {
    number.to_string().parse::<serde_json::Number>().map_or(Value::Null, Value::Number)
}
