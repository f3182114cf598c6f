//! The past of a patient: what was true at an instant (as-of) by what was known at another
//! (known-at). Known-at replays the journal; both then ask the patient core itself.

use super::json::time_parameter;
use crate::gateway::Gateway;
use crate::http::ApiError;
use crate::http::app::App;
use crate::http::request::Asked;
use actors_core::{Context, Entity};
use actors_patient::Patient;
use actors_patient::command::{Command, Read, Reply};
use actors_runtime::load::{self, JournalReader};
use actors_runtime::{SubmitError, limits::REPLAY_ROWS_MAX};
use actors_store::Snapshot;
use schema_types::error_code::ErrorCode;
use schema_types::ids::{CommandId, EntityId, SourceId};
use schema_types::patient::PatientState;
use schema_types::time::Timestamp;

/// Which past is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instants {
    /// What was true then.
    pub(crate) as_of: Option<Timestamp>,
    /// By what was known then.
    pub(crate) known_at: Option<Timestamp>,
}

impl Instants {
    /// The instants among the query parameters.
    pub(crate) fn of(asked: &Asked) -> Result<Self, ApiError> {
        Ok(Self {
            as_of: time_parameter(asked, "as-of")?,
            known_at: time_parameter(asked, "known-at")?,
        })
    }
}

/// The state by what was known, read after the access was audited.
pub(crate) async fn state(
    gateway: &Gateway,
    patient: &EntityId,
    known_at: Option<Timestamp>,
) -> Result<PatientState, ApiError> {
    let snapshot = gateway.runtime.snapshot().await?;
    let state = match known_at {
        None => load::load::<Patient>(&*snapshot, patient).await?.state,
        Some(known_at) => replay(&*snapshot, patient, known_at).await?,
    };
    if actors_patient::state::is_known(&state) {
        return Ok(state);
    }
    Err(ApiError::new(ErrorCode::PatientUnknown, "the patient was not known then"))
}

async fn replay(
    snapshot: &dyn Snapshot,
    patient: &EntityId,
    known_at: Timestamp,
) -> Result<PatientState, SubmitError> {
    let mut state = PatientState::default();
    let mut reader = JournalReader::new(patient, 1);
    let mut rows_read = 0_usize;
    while let Some(rows) = reader.next_page::<Patient>(snapshot).await? {
        rows_read += rows.len();
        if rows_read > REPLAY_ROWS_MAX {
            return Err(SubmitError::TooLarge { bytes: rows_read });
        }
        for row in rows {
            // The clock of the node may have jumped: rows count by when they were recorded.
            if row.record.recorded_at <= known_at {
                row.events.iter().for_each(|event| Patient::evolve(&mut state, event));
            }
        }
    }
    Ok(state)
}

/// Puts a question to a state, as the entity itself would answer it.
pub(crate) fn ask(
    app: &App,
    asked: &Asked,
    (patient, state): (&EntityId, &PatientState),
    read: Read,
) -> Result<Reply, ApiError> {
    let (source, command_id) = (SourceId::new("api"), CommandId::default());
    let context = Context {
        entity: patient,
        now: app.gateway.runtime.now(),
        source: &source,
        command_id: &command_id,
        principal: &asked.caller.principal,
        purpose: &asked.caller.purpose,
        message: None,
        sequence: 0,
    };
    let decision = Patient::decide(state, &context, Command::Read(read));
    decision.map(|decision| decision.reply).map_err(|error| SubmitError::from(error).into())
}
