//! The stored forms of events and state, as `schema-wire` defines them. Encoding is canonical, so
//! that equal states have equal bytes (DET-1).

use crate::event::Event;
use crate::state::State;
use actors_core::DecodeError;
use schema_wire::WireError;
use schema_wire::patient as wire;

/// The stored form of an event.
#[must_use]
pub fn encode_event(event: &Event) -> Vec<u8> {
    wire::encode_event(event)
}

/// An event from its stored form.
///
/// # Errors
/// [`DecodeError`] when the bytes are damaged or from a newer version.
pub fn decode_event(bytes: &[u8]) -> Result<Event, DecodeError> {
    wire::decode_event(bytes).map_err(|error| undecodable("patient event", &error))
}

/// The canonical stored form of a state.
#[must_use]
pub fn encode_state(state: &State) -> Vec<u8> {
    wire::encode_state(state)
}

/// A state from its stored form.
///
/// # Errors
/// [`DecodeError`] when the bytes are damaged or from a newer version.
pub fn decode_state(bytes: &[u8]) -> Result<State, DecodeError> {
    wire::decode_state(bytes).map_err(|error| undecodable("patient state", &error))
}

fn undecodable(what: &'static str, error: &WireError) -> DecodeError {
    DecodeError { what, reason: error.to_string() }
}
