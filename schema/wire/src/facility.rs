//! Stored forms of the facility entity: events, state, and the notices sent to it. What they mean
//! is said in `schema_types::facility`.

use crate::bytes::{decode, encode};
use crate::common::clinical::{
    read_movement, read_resource_entry, read_resource_meta, write_movement, write_resource_entry,
    write_resource_meta,
};
use crate::common::{
    mirrored_enum, put_list, put_text, read_entity, read_list, read_map, read_text, write_entity,
};
use crate::error::WireError;
use crate::facility_capnp as wire;
use schema_types::facility::{
    BedKey, BedStatus, FacilityEvent, FacilityNotice, FacilityState, Stay,
};
use schema_types::ids::{EncounterId, EntityId};
use schema_types::time::Timestamp;

/// The stored form of an event.
#[must_use]
pub fn encode_event(event: &FacilityEvent) -> Vec<u8> {
    encode::<wire::facility_event::Owned>(|builder| write_event(builder, event))
}

/// An event from its stored form.
///
/// # Errors
/// [`WireError`] when the bytes do not decode.
pub fn decode_event(bytes: &[u8]) -> Result<FacilityEvent, WireError> {
    decode::<wire::facility_event::Owned, _>(bytes, read_event)
}

/// The canonical stored form of a state: equal states have equal bytes (DET-1).
#[must_use]
pub fn encode_state(state: &FacilityState) -> Vec<u8> {
    encode::<wire::facility_state::Owned>(|builder| write_state(builder, state))
}

/// A state from its stored form.
///
/// # Errors
/// [`WireError`] when the bytes do not decode.
pub fn decode_state(bytes: &[u8]) -> Result<FacilityState, WireError> {
    decode::<wire::facility_state::Owned, _>(bytes, read_state)
}

/// The stored form of a notice to a facility.
#[must_use]
pub fn encode_notice(notice: &FacilityNotice) -> Vec<u8> {
    encode::<wire::facility_notice::Owned>(|builder| write_notice(builder, notice))
}

/// A notice to a facility from its stored form.
///
/// # Errors
/// [`WireError`] when the bytes do not decode.
pub fn decode_notice(bytes: &[u8]) -> Result<FacilityNotice, WireError> {
    decode::<wire::facility_notice::Owned, _>(bytes, read_notice)
}

mirrored_enum!(strict bed_status, read_bed_status, BedStatus, wire::BedStatus, "bed status",
    [Ready, Reserved, Dirty, Cleaning, Blocked, Closed]);

fn write_event(builder: wire::facility_event::Builder<'_>, event: &FacilityEvent) {
    match event {
        FacilityEvent::StayNoted { encounter, stay } => {
            write_stay(builder.init_stay_noted(), encounter, stay);
        }
        FacilityEvent::BedStatusSet { bed, status, at } => {
            write_bed(builder.init_bed_status_set(), (bed, &(*status, *at)));
        }
        FacilityEvent::ResourceStored { meta } => {
            write_resource_meta(builder.init_resource_stored(), meta);
        }
    }
}

fn read_event(reader: wire::facility_event::Reader<'_>) -> Result<FacilityEvent, WireError> {
    use wire::facility_event::Which;
    Ok(match reader.which().map_err(WireError::not_in_schema("facility event"))? {
        Which::Unset(()) => return Err(WireError::Unset("facility event")),
        Which::StayNoted(stay) => {
            let (encounter, stay) = read_stay(stay?)?;
            FacilityEvent::StayNoted { encounter, stay }
        }
        Which::BedStatusSet(set) => {
            let (bed, (status, at)) = read_bed(set?)?;
            FacilityEvent::BedStatusSet { bed, status, at }
        }
        Which::ResourceStored(meta) => {
            FacilityEvent::ResourceStored { meta: read_resource_meta(meta?)? }
        }
    })
}

fn write_stay(mut builder: wire::stay::Builder<'_>, encounter: &EncounterId, stay: &Stay) {
    builder.set_encounter(encounter.as_str());
    write_entity(builder.reborrow().init_patient(), &stay.patient);
    builder.set_revision(stay.revision);
    put_list!(builder.init_movements, &stay.movements, write_movement);
}

fn read_stay(reader: wire::stay::Reader<'_>) -> Result<(EncounterId, Stay), WireError> {
    let stay = Stay {
        patient: read_entity(reader.get_patient())?,
        revision: reader.get_revision(),
        movements: read_list(reader.get_movements(), read_movement)?,
    };
    Ok((EncounterId::new(read_text(reader.get_encounter())?), stay))
}

fn write_bed(
    mut builder: wire::bed_status_set::Builder<'_>,
    (bed, (status, at)): (&BedKey, &(BedStatus, Timestamp)),
) {
    let mut key = builder.reborrow().init_bed();
    put_text!(key.set_ward, bed.ward.as_str());
    put_text!(key.set_room, bed.room.as_str());
    put_text!(key.set_bed, bed.bed.as_str());
    builder.set_status(bed_status(*status));
    builder.set_at_unix_micros(at.unix_micros());
}

fn read_bed(
    reader: wire::bed_status_set::Reader<'_>,
) -> Result<(BedKey, (BedStatus, Timestamp)), WireError> {
    let key = reader.get_bed()?;
    let bed = BedKey {
        ward: read_text(key.get_ward())?,
        room: read_text(key.get_room())?,
        bed: read_text(key.get_bed())?,
    };
    let at = Timestamp::from_unix_micros(reader.get_at_unix_micros());
    Ok((bed, (read_bed_status(reader.get_status())?, at)))
}

fn write_state(mut builder: wire::facility_state::Builder<'_>, state: &FacilityState) {
    put_list!(builder.init_stays, &state.stays, write_stay_entry);
    put_list!(builder.init_beds, &state.beds, write_bed);
    put_list!(builder.init_resources, &state.resources, write_resource_entry);
}

fn read_state(reader: wire::facility_state::Reader<'_>) -> Result<FacilityState, WireError> {
    let stays = read_map(reader.get_stays(), read_stay_entry, "stay")?;
    Ok(FacilityState {
        movements_total: stays.values().map(|stay| stay.movements.len()).sum(),
        stays,
        beds: read_map(reader.get_beds(), read_bed, "bed")?,
        resources: read_map(reader.get_resources(), read_resource_entry, "resource")?,
    })
}

/// An entry of the map of stays; the key is part of the value.
fn write_stay_entry(
    builder: wire::stay::Builder<'_>,
    ((patient, encounter), stay): (&(EntityId, EncounterId), &Stay),
) {
    assert!(*patient == stay.patient, "a stay is kept under another patient");
    write_stay(builder, encounter, stay);
}

fn read_stay_entry(
    reader: wire::stay::Reader<'_>,
) -> Result<((EntityId, EncounterId), Stay), WireError> {
    let (encounter, stay) = read_stay(reader)?;
    Ok(((stay.patient.clone(), encounter), stay))
}

pub(crate) fn write_notice(builder: wire::facility_notice::Builder<'_>, notice: &FacilityNotice) {
    match notice {
        FacilityNotice::StayChanged { encounter, stay } => {
            write_stay(builder.init_stay_changed(), encounter, stay);
        }
    }
}

pub(crate) fn read_notice(
    reader: wire::facility_notice::Reader<'_>,
) -> Result<FacilityNotice, WireError> {
    use wire::facility_notice::Which;
    Ok(match reader.which().map_err(WireError::not_in_schema("facility notice"))? {
        Which::Unset(()) => return Err(WireError::Unset("facility notice")),
        Which::StayChanged(stay) => {
            let (encounter, stay) = read_stay(stay?)?;
            FacilityNotice::StayChanged { encounter, stay }
        }
    })
}
