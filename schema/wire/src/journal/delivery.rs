//! What is still to be done: notices to other entities (transactional outbox) and durable timers.

use crate::bytes::{decode, encode};
use crate::common::{put_text, read_entity, read_text, write_entity};
use crate::error::WireError;
use crate::journal_capnp as wire;
use crate::{device, facility, patient};
use schema_types::device::DeviceNotice;
use schema_types::facility::FacilityNotice;
use schema_types::ids::EntityId;
use schema_types::patient::PatientNotice;
use schema_types::time::Timestamp;

/// A notice to an entity of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredNotice {
    /// To a patient.
    Patient(PatientNotice),
    /// To a device.
    Device(DeviceNotice),
    /// To a facility.
    Facility(FacilityNotice),
}

/// A notice on its way, stored in the commit of its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRecord {
    /// Who sends.
    pub sender: EntityId,
    /// Who is told.
    pub receiver: EntityId,
    /// The place in the sender's outbox; with the sender it names the command at the receiver.
    pub sequence: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What is told.
    pub notice: StoredNotice,
}

/// A durable timer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerRecord {
    /// Whose timer.
    pub entity: EntityId,
    /// Its name within the entity.
    pub name: String,
    /// When it fires.
    pub due: Timestamp,
}

/// The stored form of a notice on its way.
#[must_use]
pub fn encode_outbox(record: &OutboxRecord) -> Vec<u8> {
    encode::<wire::outbox_record::Owned>(|mut builder| {
        write_entity(builder.reborrow().init_sender(), &record.sender);
        write_entity(builder.reborrow().init_receiver(), &record.receiver);
        builder.set_sequence(record.sequence);
        builder.set_at_unix_micros(record.at.unix_micros());
        let notice = builder.init_notice();
        match &record.notice {
            StoredNotice::Patient(told) => patient::write_notice(notice.init_patient(), told),
            StoredNotice::Device(told) => device::write_notice(notice.init_device(), told),
            StoredNotice::Facility(told) => facility::write_notice(notice.init_facility(), told),
        }
    })
}

/// A notice on its way, from its stored form.
///
/// # Errors
/// [`WireError`] when the bytes do not decode.
pub fn decode_outbox(bytes: &[u8]) -> Result<OutboxRecord, WireError> {
    use wire::outbox_record::notice::Which;
    decode::<wire::outbox_record::Owned, _>(bytes, |reader| {
        let notice = reader.get_notice().which();
        let notice = match notice.map_err(WireError::not_in_schema("notice"))? {
            Which::Unset(()) => return Err(WireError::Unset("notice")),
            Which::Patient(told) => StoredNotice::Patient(patient::read_notice(told?)?),
            Which::Device(told) => StoredNotice::Device(device::read_notice(told?)?),
            Which::Facility(told) => StoredNotice::Facility(facility::read_notice(told?)?),
        };
        Ok(OutboxRecord {
            sender: read_entity(reader.get_sender())?,
            receiver: read_entity(reader.get_receiver())?,
            sequence: reader.get_sequence(),
            at: Timestamp::from_unix_micros(reader.get_at_unix_micros()),
            notice,
        })
    })
}

/// The stored form of a timer.
#[must_use]
pub fn encode_timer(record: &TimerRecord) -> Vec<u8> {
    encode::<wire::timer_record::Owned>(|mut builder| {
        write_entity(builder.reborrow().init_entity(), &record.entity);
        put_text!(builder.set_name, record.name.as_str());
        builder.set_due_unix_micros(record.due.unix_micros());
    })
}

/// A timer from its stored form.
///
/// # Errors
/// [`WireError`] when the bytes do not decode.
pub fn decode_timer(bytes: &[u8]) -> Result<TimerRecord, WireError> {
    decode::<wire::timer_record::Owned, _>(bytes, |reader| {
        Ok(TimerRecord {
            entity: read_entity(reader.get_entity())?,
            name: read_text(reader.get_name())?,
            due: Timestamp::from_unix_micros(reader.get_due_unix_micros()),
        })
    })
}
