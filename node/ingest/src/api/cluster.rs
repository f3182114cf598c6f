//! The node and its shards for operators. No patient data here, so no purpose is asked.

use super::{Answered, finish};
use crate::http::app::App;
use crate::http::metrics;
use actors_runtime::{SubmitError, trail};
use actors_store::keys;
use actors_store::tuple::TupleReader;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// `GET /api/v1/shards`.
pub(crate) async fn get_shards(State(app): State<Arc<App>>) -> Response {
    finish(shards(&app).await)
}

async fn shards(app: &App) -> Answered {
    let damaged = |_| SubmitError::Damaged { place: "owner row".to_owned() };
    let snapshot = app.gateway.runtime.snapshot().await?;
    let mut shown = Vec::new();
    for shard in 0..app.gateway.runtime.shards().0 {
        let owner = snapshot.get(&keys::owner(shard)).await.map_err(SubmitError::from)?;
        let (mut epoch, mut node) = (0, String::new());
        if let Some(row) = owner {
            let mut reader = TupleReader::new(&row);
            epoch = reader.unsigned().map_err(damaged)?;
            node = reader.text().map_err(damaged)?;
        }
        let head = trail::newest_head(&*snapshot, shard).await?;
        let records = head.map_or(0, |head| head.head.size);
        shown.push(json!({
            "shard": shard,
            "epoch": epoch,
            "owner": node,
            "audit_records": records,
        }));
    }
    Ok(json!({ "shards": shown }))
}

/// `GET /api/v1/nodes`.
pub(crate) async fn get_nodes(State(app): State<Arc<App>>) -> Response {
    let (patients, devices, facilities) = app.gateway.runtime.resident();
    let metrics: Map<String, Value> =
        metrics::all(&app).into_iter().map(|(name, value)| (name, Value::from(value))).collect();
    finish(Ok(json!({ "nodes": [{
        "node": app.status.node,
        "version": app.status.version,
        "started_at": super::json::time(app.status.started_at),
        "ready": app.status.waiting().is_none() && app.gateway.runtime.stop_reason().is_none(),
        "resident": { "patients": patients, "devices": devices, "facilities": facilities },
        "metrics": metrics,
    }] })))
}
