//! `GET /api/v1/patients/{id}/timeline`: everything that was recorded of a patient, from the
//! journal, by the time when it was true. Records retired into the patient are included.

use super::json::time_parameter;
use super::timeline_text::items_of;
use super::{Answered, finish, lookup};
use crate::fhir::search::retired_into;
use crate::gateway::Gateway;
use crate::http::ApiError;
use crate::http::app::App;
use crate::http::limits::{JOINED_RECORDS_MAX, TIMELINE_ITEMS_MAX};
use crate::http::request::Asked;
use actors_patient::Patient;
use actors_patient::command::{Command, Read};
use actors_runtime::SubmitError;
use actors_runtime::limits::REPLAY_ROWS_MAX;
use actors_runtime::load::JournalReader;
use axum::extract::{Path, State};
use axum::response::Response;
use schema_types::ids::EntityId;
use schema_types::time::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The handler.
pub(crate) async fn get_timeline(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
) -> Response {
    finish(Box::pin(timeline(&app, &asked, &id)).await)
}

/// Which part of a timeline is wanted.
struct Wanted {
    from: Timestamp,
    to: Timestamp,
    known_at: Timestamp,
    limit: usize,
}

async fn timeline(app: &App, asked: &Asked, id: &str) -> Answered {
    asked.only(&["from", "to", "known-at", "limit"])?;
    let wanted = Wanted {
        from: time_parameter(asked, "from")?.unwrap_or(Timestamp::MIN),
        to: time_parameter(asked, "to")?.unwrap_or(Timestamp::MAX),
        known_at: time_parameter(asked, "known-at")?.unwrap_or(Timestamp::MAX),
        limit: asked.limit(TIMELINE_ITEMS_MAX, TIMELINE_ITEMS_MAX)?,
    };
    let patient = lookup::patient(app, asked, id, "timeline").await?;
    let mut kept = Kept::default();
    let mut waiting = vec![patient.clone()];
    let mut seen = Vec::new();
    while let Some(record) = waiting.pop() {
        if seen.contains(&record) || seen.len() >= JOINED_RECORDS_MAX {
            continue;
        }
        let read = Read::Timeline { from: wanted.from, to: wanted.to };
        let command = Command::Read(read);
        app.gateway.ask::<Patient>(&asked.caller, record.clone(), command).await?;
        waiting.extend(retired_into(&app.gateway, &record).await?);
        read_journal(&app.gateway, &record, (record == patient, &wanted), &mut kept).await?;
        seen.push(record);
    }
    let is_cut = kept.dropped > 0;
    let items: Vec<Value> = kept.items.into_values().collect();
    Ok(json!({ "patient": patient.key(), "items": items, "truncated": is_cut }))
}

/// The newest items by time, at most as many as are wanted.
#[derive(Default)]
struct Kept {
    items: BTreeMap<(Timestamp, u64), Value>,
    added: u64,
    dropped: u64,
}

impl Kept {
    fn add(&mut self, at: Timestamp, item: Value, limit: usize) {
        self.added += 1;
        self.items.insert((at, self.added), item);
        if self.items.len() > limit {
            self.items.pop_first();
            self.dropped += 1;
        }
    }
}

async fn read_journal(
    gateway: &Gateway,
    patient: &EntityId,
    (is_own, wanted): (bool, &Wanted),
    kept: &mut Kept,
) -> Result<(), ApiError> {
    let snapshot = gateway.runtime.snapshot().await?;
    let mut reader = JournalReader::new(patient, 1);
    let mut rows_read = 0_usize;
    while let Some(rows) = reader.next_page::<Patient>(&*snapshot).await? {
        rows_read += rows.len();
        if rows_read > REPLAY_ROWS_MAX {
            return Err(SubmitError::TooLarge { bytes: rows_read }.into());
        }
        for row in rows.iter().filter(|row| row.record.recorded_at <= wanted.known_at) {
            for (at, mut item) in items_of(&row.record, &row.events) {
                if at < wanted.from || at >= wanted.to {
                    continue;
                }
                if let Some(map) = item.as_object_mut().filter(|_| !is_own) {
                    map.insert("record".to_owned(), Value::from(patient.key()));
                }
                kept.add(at, item, wanted.limit);
            }
        }
    }
    Ok(())
}
