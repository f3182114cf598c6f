//! Stored forms of the patient entity: events, state, and the notices sent to it. What they mean
//! is said in `schema_types::patient`.

mod alert;
mod event;
mod measured;
mod notice;
mod person;
mod state;

use crate::bytes::{decode, encode, encode_sized};
use crate::error::WireError;
use crate::patient_capnp as wire;
use schema_types::clinical::Observation;
use schema_types::patient::{PatientEvent, PatientNotice, PatientState};
use schema_types::time::Timestamp;

pub(crate) use notice::{read_notice, write_notice};

/// The stored form of an event.
#[must_use]
pub fn encode_event(event: &PatientEvent) -> Vec<u8> {
    encode::<wire::patient_event::Owned>(|builder| event::write_event(builder, event))
}

/// An event from its stored form.
///
/// # Errors
/// [`WireError`] when the bytes do not decode.
pub fn decode_event(bytes: &[u8]) -> Result<PatientEvent, WireError> {
    decode::<wire::patient_event::Owned, _>(bytes, event::read_event)
}

/// The observation of an event that is also a version of a FHIR resource, and when it was recorded;
/// `None` for any other event, without reading it.
///
/// # Errors
/// [`WireError`] when the bytes do not decode.
pub fn decode_resource_event(bytes: &[u8]) -> Result<Option<(Observation, Timestamp)>, WireError> {
    decode::<wire::patient_event::Owned, _>(bytes, event::read_resource_event)
}

/// The canonical stored form of a state: equal states have equal bytes (DET-1).
#[must_use]
pub fn encode_state(state: &PatientState) -> Vec<u8> {
    encode_sized::<wire::patient_state::Owned>(state::draft_words(state), |builder| {
        state::write_state(builder, state);
    })
}

/// A state from its stored form.
///
/// # Errors
/// [`WireError`] when the bytes do not decode.
pub fn decode_state(bytes: &[u8]) -> Result<PatientState, WireError> {
    decode::<wire::patient_state::Owned, _>(bytes, state::read_state)
}

/// The stored form of a notice to a patient.
#[must_use]
pub fn encode_notice(notice: &PatientNotice) -> Vec<u8> {
    encode::<wire::patient_notice::Owned>(|builder| write_notice(builder, notice))
}

/// A notice to a patient from its stored form.
///
/// # Errors
/// [`WireError`] when the bytes do not decode.
pub fn decode_notice(bytes: &[u8]) -> Result<PatientNotice, WireError> {
    decode::<wire::patient_notice::Owned, _>(bytes, read_notice)
}
