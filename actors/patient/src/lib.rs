//! The patient as an entity: a pure core that decides commands and folds events (DET-1). It owns a
//! person's live record, scores and alerts; it performs no I/O, reads no clock, knows no runtime.
//! Its rules are the table `PAT-n` in README.md.

pub mod command;
pub mod decide;
pub mod event;
pub mod evolve;
pub mod limits;
pub mod live;
pub mod person;
pub mod state;
pub mod stored;
pub mod validate;
pub mod view;

pub use command::{Command, Reply};
pub use event::Event;
pub use state::State;

use actors_core::{Context, Decision, DecodeError, Entity, Notice, Rejection};
use schema_types::ids::{EntityId, EntityKind};
use schema_types::time::Timestamp;

/// The patient entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patient;

impl Entity for Patient {
    type Command = Command;
    type Event = Event;
    type State = State;
    type Reply = Reply;

    const KIND: EntityKind = EntityKind::Patient;

    fn decide(
        state: &State,
        context: &Context<'_>,
        command: Command,
    ) -> Result<Decision<Self>, Rejection> {
        decide::decide(state, context, command)
    }

    fn evolve(state: &mut State, event: &Event) {
        evolve::evolve(state, event);
    }

    fn timer_command(name: &str, due: Timestamp) -> Option<Command> {
        let label = name.strip_prefix(state::TIMER_PREFIX)?.to_owned();
        Some(Command::Timer(command::Timer::EscalateAlert { label, due }))
    }

    fn notice_command(notice: Notice) -> Option<Command> {
        match notice {
            Notice::Patient(notice) => Some(Command::Notice(notice)),
            Notice::Device(_) | Notice::Facility(_) => None,
        }
    }

    fn encode_event(event: &Event) -> Vec<u8> {
        stored::encode_event(event)
    }

    fn decode_event(bytes: &[u8]) -> Result<Event, DecodeError> {
        stored::decode_event(bytes)
    }

    fn encode_state(state: &State) -> Vec<u8> {
        stored::encode_state(state)
    }

    fn decode_state(bytes: &[u8]) -> Result<State, DecodeError> {
        stored::decode_state(bytes)
    }

    fn live_row(entity: &EntityId, state: &State) -> Option<Vec<u8>> {
        live::row(entity, state)
    }
}
