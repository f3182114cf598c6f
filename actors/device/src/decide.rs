//! Decisions: which function answers which command, and what all of them share. Pure (DET-1).

mod association;
mod reads;
mod samples;
mod silence;

use crate::Device;
use crate::command::{Command, Reply, ResourceWrite, Timer, WriteMode};
use crate::event::Event;
use crate::limits::{RESOURCES_MAX, WRITES_PER_COMMAND_MAX};
use crate::state::State;
use actors_core::resource::{WriteLimits, plan_writes};
use actors_core::{AuditNote, Context, Decision, Effect, IndexEntry, Notice, Rejection};
use schema_types::audit::AuditAction;
use schema_types::device::DeviceNotice;
use schema_types::ids::EntityId;
use schema_types::patient::PatientNotice;

/// Decides a command.
///
/// # Errors
/// [`Rejection`] when the command is wrong or the caller is not allowed.
pub fn decide(
    state: &State,
    context: &Context<'_>,
    command: Command,
) -> Result<Decision<Device>, Rejection> {
    let mut decision = match command {
        Command::RecordSamples { summary, observations } => {
            samples::decide_record_samples(state, context, summary, observations)
        }
        Command::Associate { patient, at } => {
            association::decide_associate(state, context, patient, at)
        }
        Command::Dissociate { at } => association::decide_dissociate(state, context, at),
        Command::SetInterval { interval_micros } => {
            silence::decide_set_interval(state, context, interval_micros)
        }
        Command::StoreResources { operation, writes } => {
            decide_store_resources(state, context, operation, writes)
        }
        Command::Notice(DeviceNotice::SamplesSeen { patient: _, summary }) => {
            samples::decide_samples_seen(state, context, summary)
        }
        Command::Timer(Timer::Silence { due }) => {
            Ok(silence::decide_silence_due(state, context, due))
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
) -> Result<Decision<Device>, Rejection> {
    let audit = AuditNote::new(write_action(&writes), operation);
    let limits = WriteLimits { resources_max: RESOURCES_MAX, writes_max: WRITES_PER_COMMAND_MAX };
    // DEV-6: the version check, and LIM-1.
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

fn send(to: &EntityId, notice: PatientNotice) -> Effect {
    Effect::Send { to: to.clone(), notice: Notice::Patient(notice) }
}

const fn nothing(reply: Reply, audit: AuditNote) -> Decision<Device> {
    Decision { events: Vec::new(), effects: Vec::new(), reply, audit }
}
