//! Decisions: which function answers which command, and what all of them share. Pure (DET-1).

mod beds;
mod reads;
mod stays;

use crate::Facility;
use crate::command::{Command, Reply, ResourceWrite, WriteMode};
use crate::event::Event;
use crate::limits::{RESOURCES_MAX, WRITES_PER_COMMAND_MAX};
use crate::state::State;
use actors_core::resource::{WriteLimits, plan_writes};
use actors_core::{AuditNote, Context, Decision, Effect, IndexEntry, Rejection};
use schema_types::audit::AuditAction;
use schema_types::facility::FacilityNotice;

/// Decides a command.
///
/// # Errors
/// [`Rejection`] when the command is wrong or the caller is not allowed.
pub fn decide(
    state: &State,
    context: &Context<'_>,
    command: Command,
) -> Result<Decision<Facility>, Rejection> {
    let mut decision = match command {
        Command::SetBedStatus { bed, status, at } => {
            beds::decide_set_bed_status(state, bed, status, at)
        }
        Command::StoreResources { operation, writes } => {
            decide_store_resources(state, context, operation, writes)
        }
        Command::Notice(FacilityNotice::StayChanged { encounter, stay }) => {
            stays::decide_stay_changed(state, context, encounter, stay)
        }
        Command::Read(read) => reads::decide_read(state, context, read),
    }?;
    if context.sequence == 0 && !decision.events.is_empty() {
        decision.effects.insert(0, Effect::PutIndex(IndexEntry::Known));
    }
    Ok(decision)
}

fn decide_store_resources(
    state: &State,
    context: &Context<'_>,
    operation: String,
    writes: Vec<ResourceWrite>,
) -> Result<Decision<Facility>, Rejection> {
    let audit = AuditNote::new(write_action(&writes), operation);
    let limits = WriteLimits { resources_max: RESOURCES_MAX, writes_max: WRITES_PER_COMMAND_MAX };
    // FAC-6: the version check, and LIM-1.
    let plan = plan_writes(&state.resources, writes, context.now, limits)
        .map_err(|error| Rejection::wrong(error.code(), error.to_string(), audit.clone()))?;
    Ok(Decision {
        events: plan.stored.into_iter().map(|meta| Event::ResourceStored { meta }).collect(),
        effects: plan.effects,
        reply: Reply::Stored(plan.versions),
        audit,
    })
}

fn write_action(writes: &[ResourceWrite]) -> AuditAction {
    let all = |mode: WriteMode| writes.iter().all(|write| write.mode == mode);
    if all(WriteMode::Create) {
        AuditAction::Create
    } else if all(WriteMode::Delete) {
        AuditAction::Delete
    } else {
        AuditAction::Update
    }
}

const fn nothing(reply: Reply, audit: AuditNote) -> Decision<Facility> {
    Decision { events: Vec::new(), effects: Vec::new(), reply, audit }
}

fn happened(event: Event, audit: AuditNote) -> Decision<Facility> {
    let reply = Reply::Done { changed: true };
    Decision { events: vec![event], effects: Vec::new(), reply, audit }
}
