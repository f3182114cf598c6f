//! The facility: beds, wards, who is in them, and a directory of shared resources.
//!
//! It owns what beds are ready for and a copy of each stay, from which it answers census and bed
//! board. It never changes a stay: stays belong to patients, who tell the whole of each.

pub mod board;
pub mod census;
pub mod command;
pub mod decide;
pub mod event;
pub mod evolve;
pub mod limits;
pub mod live;
pub mod places;
pub mod state;
pub mod stored;

pub use command::{Command, Reply};
pub use event::Event;
pub use state::State;

use actors_core::{Context, Decision, DecodeError, Entity, Notice, Rejection};
use schema_types::ids::EntityKind;
use schema_types::time::Timestamp;

/// The facility as an entity: the pure core behind the contract of `actors-core`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facility;

impl Entity for Facility {
    type Command = Command;
    type Event = Event;
    type State = State;
    type Reply = Reply;

    const KIND: EntityKind = EntityKind::Facility;

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

    /// A facility has no timers.
    fn timer_command(_name: &str, _due: Timestamp) -> Option<Command> {
        None
    }

    fn notice_command(notice: Notice) -> Option<Command> {
        match notice {
            Notice::Facility(notice) => Some(Command::Notice(notice)),
            Notice::Patient(_) | Notice::Device(_) => None,
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
}
