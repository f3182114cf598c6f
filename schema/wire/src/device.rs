//! Stored forms of the device entity: events, state, and the notices sent to it. What they mean is
//! said in `schema_types::device`.

mod event;
mod state;

use crate::bytes::{decode, encode};
use crate::common::{read_entity, write_entity};
use crate::device_capnp as wire;
use crate::error::WireError;
use schema_types::device::{DeviceEvent, DeviceNotice, DeviceState};

/// The stored form of an event.
#[must_use]
pub fn encode_event(event: &DeviceEvent) -> Vec<u8> {
    encode::<wire::device_event::Owned>(|builder| event::write_event(builder, event))
}

/// An event from its stored form.
///
/// # Errors
/// [`WireError`] when the bytes do not decode.
pub fn decode_event(bytes: &[u8]) -> Result<DeviceEvent, WireError> {
    decode::<wire::device_event::Owned, _>(bytes, event::read_event)
}

/// The canonical stored form of a state: equal states have equal bytes (DET-1).
#[must_use]
pub fn encode_state(state: &DeviceState) -> Vec<u8> {
    encode::<wire::device_state::Owned>(|builder| state::write_state(builder, state))
}

/// A state from its stored form.
///
/// # Errors
/// [`WireError`] when the bytes do not decode.
pub fn decode_state(bytes: &[u8]) -> Result<DeviceState, WireError> {
    decode::<wire::device_state::Owned, _>(bytes, state::read_state)
}

/// The stored form of a notice to a device.
#[must_use]
pub fn encode_notice(notice: &DeviceNotice) -> Vec<u8> {
    encode::<wire::device_notice::Owned>(|builder| write_notice(builder, notice))
}

/// A notice to a device from its stored form.
///
/// # Errors
/// [`WireError`] when the bytes do not decode.
pub fn decode_notice(bytes: &[u8]) -> Result<DeviceNotice, WireError> {
    decode::<wire::device_notice::Owned, _>(bytes, read_notice)
}

pub(crate) fn write_notice(builder: wire::device_notice::Builder<'_>, notice: &DeviceNotice) {
    match notice {
        DeviceNotice::SamplesSeen { patient, summary } => {
            let mut seen = builder.init_samples_seen();
            write_entity(seen.reborrow().init_patient(), patient);
            event::write_summary(seen.init_summary(), summary);
        }
    }
}

pub(crate) fn read_notice(
    reader: wire::device_notice::Reader<'_>,
) -> Result<DeviceNotice, WireError> {
    use wire::device_notice::Which;
    Ok(match reader.which().map_err(WireError::not_in_schema("device notice"))? {
        Which::Unset(()) => return Err(WireError::Unset("device notice")),
        Which::SamplesSeen(seen) => {
            let seen = seen?;
            DeviceNotice::SamplesSeen {
                patient: read_entity(seen.get_patient())?,
                summary: event::read_summary(seen.get_summary()?)?,
            }
        }
    })
}
