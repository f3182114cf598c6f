//! The node, its cluster and its shards for operators. No patient data here, so no purpose is
//! asked.

use super::access::{Posted, posted};
use super::{Answered, finish};
use crate::http::ApiError;
use crate::http::app::App;
use crate::http::metrics;
use crate::http::request::Asked;
use crate::operations::{ClusterOperations, Operation};
use actors_runtime::stored_shards;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use schema_types::error_code::ErrorCode;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

type Shared = State<Arc<App>>;

/// `GET /api/v1/shards`: the plan, where there is one, beside what the store says.
pub(crate) async fn get_shards(State(app): Shared) -> Response {
    finish(shards(&app).await.map(|shards| json!({ "shards": shards })))
}

/// `GET /api/v1/shards/{shard}`.
pub(crate) async fn get_shard(State(app): Shared, Path(shard): Path<u16>) -> Response {
    finish(one_shard(&app, shard).await)
}

async fn one_shard(app: &App, shard: u16) -> Answered {
    let found = shards(app).await?.into_iter().find(|shown| shown["shard"] == shard);
    found.ok_or_else(|| ApiError::bad_request("there is no such shard").with_status(404))
}

async fn shards(app: &App) -> Result<Vec<Value>, ApiError> {
    let snapshot = app.gateway.runtime.snapshot().await?;
    let stored = stored_shards(&*snapshot).await?;
    let Some(cluster) = &app.status.cluster else {
        let alone = stored.iter().map(|stored| {
            json!({
                "shard": stored.shard,
                "epoch": stored.epoch.0,
                "owner": stored.owner,
                "audit_records": stored.audit_records,
            })
        });
        return Ok(alone.collect());
    };
    let stored: BTreeMap<u64, _> =
        stored.iter().map(|stored| (u64::from(stored.shard), stored)).collect();
    let mut planned = cluster.shards();
    for shard in &mut planned {
        let row = shard["shard"].as_u64().and_then(|shard| stored.get(&shard));
        let Some(map) = shard.as_object_mut() else { continue };
        let records = row.map_or(0, |row| row.audit_records);
        map.insert("audit_records".to_owned(), Value::from(records));
        let stored = row.map(|row| json!({ "epoch": row.epoch.0, "owner": row.owner }));
        map.insert("stored".to_owned(), stored.unwrap_or_default());
    }
    Ok(planned)
}

/// `GET /api/v1/nodes`.
pub(crate) async fn get_nodes(State(app): Shared) -> Response {
    let own = own_node(&app);
    let Some(cluster) = &app.status.cluster else {
        return finish(Ok(json!({ "nodes": [own] })));
    };
    let mut nodes = cluster.nodes();
    let is_own = |node: &&mut Value| node["node"] == app.status.node[..];
    if let Some(Value::Object(map)) = nodes.iter_mut().find(is_own)
        && let Value::Object(own) = own
    {
        map.extend(own);
    }
    finish(Ok(json!({ "nodes": nodes })))
}

/// What only the node itself knows.
fn own_node(app: &App) -> Value {
    let (patients, devices, facilities) = app.gateway.runtime.resident();
    let metrics: Map<String, Value> =
        metrics::all(app).into_iter().map(|(name, value)| (name, Value::from(value))).collect();
    json!({
        "node": app.status.node,
        "version": app.status.version,
        "started_at": super::json::time(app.status.started_at),
        "ready": app.status.waiting().is_none() && app.gateway.runtime.stop_reason().is_none(),
        "resident": { "patients": patients, "devices": devices, "facilities": facilities },
        "metrics": metrics,
    })
}

fn cluster(app: &App) -> Result<&Arc<dyn ClusterOperations>, ApiError> {
    let alone = || ApiError::new(ErrorCode::NotAvailable, "this node is in no cluster");
    app.status.cluster.as_ref().ok_or_else(alone)
}

/// Reads what is asked for and has it done. The control plane's log is the record of it: it must
/// be possible while no shard is open, so no audit record of a shard can be asked for.
async fn operate(
    app: &Arc<App>,
    asked: &Asked,
    body: Body,
    read: impl FnOnce(&Posted) -> Result<Operation, ApiError>,
) -> Response {
    finish(operated(app, asked, body, read).await)
}

async fn operated(
    app: &Arc<App>,
    asked: &Asked,
    body: Body,
    read: impl FnOnce(&Posted) -> Result<Operation, ApiError>,
) -> Answered {
    let posted = posted(app, asked, body).await?;
    let operation = read(&posted)?;
    cluster(app)?.operate(operation).await
}

/// `GET /api/v1/control`: leader, voters, and why nothing moves.
pub(crate) async fn get_control(State(app): Shared) -> Response {
    match cluster(&app) {
        Ok(cluster) => finish(Ok(cluster.control().await)),
        Err(error) => finish(Err(error)),
    }
}

/// `POST /api/v1/nodes`: a new node asks for its id.
pub(crate) async fn post_node(State(app): Shared, asked: Asked, body: Body) -> Response {
    operate(&app, &asked, body, |posted| Ok(Operation::Join(posted.body.clone()))).await
}

/// `POST /api/v1/nodes/{node}/drain`; `{"for_good": true}` until an operator ends it.
pub(crate) async fn post_drain(
    State(app): Shared,
    Path(node): Path<String>,
    asked: Asked,
    body: Body,
) -> Response {
    let read = |posted: &Posted| {
        let is_for_good = posted.body["for_good"] == true;
        Ok(Operation::Drain { node, is_for_good })
    };
    operate(&app, &asked, body, read).await
}

/// `POST /api/v1/nodes/{node}/resume`.
pub(crate) async fn post_resume(
    State(app): Shared,
    Path(node): Path<String>,
    asked: Asked,
    body: Body,
) -> Response {
    operate(&app, &asked, body, |_| Ok(Operation::Resume { node })).await
}

/// `POST /api/v1/nodes/{node}/leave`.
pub(crate) async fn post_leave(
    State(app): Shared,
    Path(node): Path<String>,
    asked: Asked,
    body: Body,
) -> Response {
    operate(&app, &asked, body, |_| Ok(Operation::Leave { node })).await
}

/// `POST /api/v1/shards/{shard}/move`; `{"to": "node"}`.
pub(crate) async fn post_move(
    State(app): Shared,
    Path(shard): Path<u16>,
    asked: Asked,
    body: Body,
) -> Response {
    let read = |posted: &Posted| Ok(Operation::Move { shard, to: posted.text("to")?.to_owned() });
    operate(&app, &asked, body, read).await
}

/// `POST /api/v1/shards/{shard}/split`; `{"at": "8000000000000000"}`, a hash in hexadecimal.
pub(crate) async fn post_split(
    State(app): Shared,
    Path(shard): Path<u16>,
    asked: Asked,
    body: Body,
) -> Response {
    let read = |posted: &Posted| {
        let at = posted.optional_text("at");
        if at.is_empty() {
            return Ok(Operation::Split { shard, at: None });
        }
        let hash = u64::from_str_radix(at.trim_start_matches("0x"), 16);
        let hash = hash.map_err(|_| ApiError::bad_request("at is a 64-bit hash in hexadecimal"))?;
        Ok(Operation::Split { shard, at: Some(hash) })
    };
    operate(&app, &asked, body, read).await
}

/// `POST /api/v1/shards/{shard}/merge`; `{"with": 7}`, the neighbour of greater hashes.
pub(crate) async fn post_merge(
    State(app): Shared,
    Path(lower): Path<u16>,
    asked: Asked,
    body: Body,
) -> Response {
    let read = |posted: &Posted| {
        let upper = posted.number("with").and_then(|upper| u16::try_from(upper).ok());
        let upper = upper.ok_or_else(|| ApiError::bad_request("with is the number of a shard"))?;
        Ok(Operation::Merge { lower, upper })
    };
    operate(&app, &asked, body, read).await
}
