//! The silence alarm (DEV-5): a durable timer at three intervals after the last arrival. A fired
//! timer proves nothing; the state does.

use super::{nothing, send};
use crate::command::Reply;
use crate::event::Event;
use crate::limits::INTERVAL_MICROS_MAX;
use crate::state::{State, silence_due};
use crate::{Device, SILENCE_TIMER};
use actors_core::{AuditNote, Context, Decision, Effect, Rejection};
use schema_types::audit::AuditAction;
use schema_types::error_code::ErrorCode;
use schema_types::ids::EntityId;
use schema_types::patient::PatientNotice;
use schema_types::time::Timestamp;

pub(super) fn decide_set_interval(
    state: &State,
    context: &Context<'_>,
    interval_micros: i64,
) -> Result<Decision<Device>, Rejection> {
    let audit = AuditNote::new(AuditAction::Update, "device-interval");
    if !(0..=INTERVAL_MICROS_MAX).contains(&interval_micros) {
        let reason = format!("the interval is 0 to {INTERVAL_MICROS_MAX} microseconds");
        return Err(Rejection::wrong(ErrorCode::BadRequest, reason, audit));
    }
    if interval_micros == state.interval_micros {
        return Ok(nothing(Reply::Done, audit));
    }
    let since = state.last_received_at.unwrap_or(context.now);
    let effects = match silence_due(interval_micros, since) {
        None => vec![Effect::CancelTimer { name: SILENCE_TIMER.to_owned() }],
        Some(due) if state.silent_since.is_none() => vec![set_timer(due)],
        // A silent device is silent until it speaks, whatever is expected of it.
        Some(_) => Vec::new(),
    };
    let events = vec![Event::IntervalSet { interval_micros }];
    Ok(Decision { events, effects, reply: Reply::Done, audit })
}

pub(super) fn decide_silence_due(
    state: &State,
    context: &Context<'_>,
    due: Timestamp,
) -> Decision<Device> {
    let audit = AuditNote::new(AuditAction::Execute, "device-silence");
    let mut decision = nothing(Reply::Done, audit);
    // A device that never spoke is missed only by a patient.
    let is_missed = state.last_received_at.is_some() || state.association.is_some();
    let deadline = match state.last_received_at {
        Some(received_at) => silence_due(state.interval_micros, received_at),
        None => (state.interval_micros > 0).then_some(due),
    };
    let Some(at) = deadline.filter(|_| is_missed && state.silent_since.is_none()) else {
        return decision;
    };
    if context.now < at {
        decision.effects.push(set_timer(at));
        return decision;
    }
    decision.events.push(Event::WentSilent { at });
    if let Some((patient, _)) = &state.association {
        decision.effects.push(silence_notice(context.entity, patient, Silence::Began(at)));
    }
    decision
}

/// What any arrival means for the alarm: the timer moves, and a silence ends.
pub(super) fn note_speech(
    state: &State,
    device: &EntityId,
    received_at: Timestamp,
    (events, effects): (&mut Vec<Event>, &mut Vec<Effect>),
) {
    let latest = state.last_received_at.map_or(received_at, |last| last.max(received_at));
    effects.extend(silence_due(state.interval_micros, latest).map(set_timer));
    if state.silent_since.is_none() {
        return;
    }
    events.push(Event::SpokeAgain { at: received_at });
    if let Some((patient, _)) = &state.association {
        effects.push(silence_notice(device, patient, Silence::Ended(received_at)));
    }
}

/// What a new association means for the alarm: a device that never spoke is expected to, and a
/// patient must know of a silence that began before.
pub(super) fn effects_of_association(
    state: &State,
    context: &Context<'_>,
    patient: &EntityId,
) -> Vec<Effect> {
    let mut effects = Vec::new();
    if state.last_received_at.is_none() && state.silent_since.is_none() {
        effects.extend(silence_due(state.interval_micros, context.now).map(set_timer));
    }
    if let Some(at) = state.silent_since {
        effects.push(silence_notice(context.entity, patient, Silence::Began(at)));
    }
    effects
}

enum Silence {
    Began(Timestamp),
    Ended(Timestamp),
}

fn silence_notice(device: &EntityId, patient: &EntityId, silence: Silence) -> Effect {
    let (silent, at) = match silence {
        Silence::Began(at) => (true, at),
        Silence::Ended(at) => (false, at),
    };
    send(patient, PatientNotice::DeviceSilence { device: device.clone(), silent, at })
}

fn set_timer(due: Timestamp) -> Effect {
    Effect::SetTimer { name: SILENCE_TIMER.to_owned(), due }
}
