//! The device: what measures whom, how fresh and complete its feed is, and how wrong its clock is.
//!
//! It owns association, sequence gaps, clock offset, silence and battery. It never keeps a
//! patient's values: samples go on to the patient who was measured when they were taken.

pub mod clock;
pub mod command;
pub mod decide;
pub mod event;
pub mod evolve;
pub mod gaps;
pub mod limits;
pub mod live;
pub mod state;
pub mod stored;

pub use command::{Command, Reply};
pub use event::Event;
pub use state::State;

use actors_core::{Context, Decision, DecodeError, Entity, Notice, Rejection};
use schema_types::ids::{EntityId, EntityKind};
use schema_types::time::Timestamp;

/// The name of the durable timer that looks for silence.
pub const SILENCE_TIMER: &str = "silence";

/// The device as an entity: the pure core behind the contract of `actors-core`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device;

impl Entity for Device {
    type Command = Command;
    type Event = Event;
    type State = State;
    type Reply = Reply;

    const KIND: EntityKind = EntityKind::Device;

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
        (name == SILENCE_TIMER).then_some(Command::Timer(command::Timer::Silence { due }))
    }

    fn notice_command(notice: Notice) -> Option<Command> {
        match notice {
            Notice::Device(notice) => Some(Command::Notice(notice)),
            Notice::Patient(_) | Notice::Facility(_) => None,
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
