//! Conversions of clinical facts: quantities, observations, locations, movements, resources.

use super::{
    mirrored_enum, optional_instant, put_digest, put_instant, put_list, put_text, read_code,
    read_decimal, read_digest, read_entity, read_error_code, read_list, read_measure,
    read_provenance, read_text, write_code, write_decimal, write_entity, write_provenance,
};
use crate::common_capnp as wire;
use crate::error::WireError;
use schema_types::clinical::{
    EncounterClass, Location, Movement, MovementKind, Observation, ObservationStatus,
    ObservationValue, ResourceKey, ResourceMeta,
};
use schema_types::ids::{EncounterId, ObservationId};
use schema_types::phi::Phi;
use schema_types::quantity::Quantity;
use schema_types::time::Timestamp;

mirrored_enum!(strict observation_status, read_observation_status, ObservationStatus,
    wire::ObservationStatus, "observation status", [Preliminary, Final, Corrected, Withdrawn]);

mirrored_enum!(strict movement_kind, read_movement_kind, MovementKind, wire::MovementKind,
    "movement kind", [PreAdmit, Admit, Register, ToInpatient, ToOutpatient, Transfer, Update,
        CancelAdmit, CancelTransfer, CancelDischarge, Discharge]);

mirrored_enum!(open encounter_class, read_encounter_class, EncounterClass, wire::EncounterClass,
    "encounter class",
    [Unknown, Inpatient, Outpatient, Emergency, PreAdmission, Virtual]);

fn write_quantity(mut builder: wire::quantity::Builder<'_>, quantity: &Quantity) {
    write_decimal(builder.reborrow().init_value(), &quantity.value);
    put_text!(builder.set_unit, quantity.unit.as_str());
}

fn read_quantity(reader: capnp::Result<wire::quantity::Reader<'_>>) -> Result<Quantity, WireError> {
    let reader = reader?;
    Ok(Quantity { value: read_decimal(reader.get_value())?, unit: read_text(reader.get_unit())? })
}

fn write_value(mut builder: wire::observation::value::Builder<'_>, value: &ObservationValue) {
    match value {
        ObservationValue::Quantity(quantity) => write_quantity(builder.init_quantity(), quantity),
        ObservationValue::Coded(code) => write_code(builder.init_coded(), code),
        ObservationValue::Text(text) => builder.set_text(text.expose().as_str()),
        ObservationValue::Sampled { origin, period_ms, factor, data } => {
            let mut samples = builder.init_samples();
            write_quantity(samples.reborrow().init_origin(), origin);
            write_decimal(samples.reborrow().init_period_milliseconds(), period_ms);
            write_decimal(samples.reborrow().init_factor(), factor);
            put_text!(samples.set_data, data.as_str());
        }
        ObservationValue::Absent(reason) => builder.set_absent(reason.as_str()),
    }
}

fn read_value(reader: wire::observation::value::Reader<'_>) -> Result<ObservationValue, WireError> {
    use wire::observation::value::Which;
    Ok(match reader.which().map_err(WireError::not_in_schema("observation value"))? {
        Which::Unset(()) => return Err(WireError::Unset("observation value")),
        Which::Quantity(quantity) => ObservationValue::Quantity(read_quantity(quantity)?),
        Which::Coded(code) => ObservationValue::Coded(read_code(code?)?),
        Which::Text(text) => ObservationValue::Text(Phi::new(read_text(text)?)),
        Which::Samples(samples) => {
            let samples = samples?;
            ObservationValue::Sampled {
                origin: read_quantity(samples.get_origin())?,
                period_ms: read_decimal(samples.get_period_milliseconds())?,
                factor: read_decimal(samples.get_factor())?,
                data: read_text(samples.get_data())?,
            }
        }
        Which::Absent(reason) => ObservationValue::Absent(read_text(reason)?),
    })
}

pub(crate) fn write_observation(
    mut builder: wire::observation::Builder<'_>,
    observation: &Observation,
) {
    builder.set_id(observation.id.as_str());
    write_code(builder.reborrow().init_code(), &observation.code);
    put_text!(builder.set_category, observation.category.as_str());
    write_value(builder.reborrow().init_value(), &observation.value);
    if let Some((measure, value)) = &observation.measured {
        builder.set_measure(measure.number());
        write_decimal(builder.reborrow().init_measured(), value);
    }
    builder.set_effective_at_unix_micros(observation.effective_at.unix_micros());
    builder.set_status(observation_status(observation.status));
    if let Some(device) = &observation.device {
        write_entity(builder.reborrow().init_device(), device);
    }
    if let Some(encounter) = &observation.encounter {
        builder.set_encounter(encounter.as_str());
    }
    write_provenance(builder.reborrow().init_provenance(), &observation.provenance);
    if !observation.issues.is_empty() {
        let count = super::list_length(observation.issues.len());
        let mut issues = builder.init_issues(count);
        for (index, issue) in (0..count).zip(&observation.issues) {
            issues.set(index, issue.as_str());
        }
    }
}

pub(crate) fn read_observation(
    reader: wire::observation::Reader<'_>,
) -> Result<Observation, WireError> {
    let measured = match reader.get_measure() {
        0 => None,
        number => Some((read_measure(number)?, read_decimal(reader.get_measured())?)),
    };
    let encounter = reader.has_encounter().then(|| read_text(reader.get_encounter()));
    let device = reader.has_device().then(|| read_entity(reader.get_device()));
    Ok(Observation {
        id: ObservationId::new(read_text(reader.get_id())?),
        code: read_code(reader.get_code()?)?,
        category: read_text(reader.get_category())?,
        value: read_value(reader.get_value())?,
        measured,
        effective_at: Timestamp::from_unix_micros(reader.get_effective_at_unix_micros()),
        status: read_observation_status(reader.get_status())?,
        device: device.transpose()?,
        encounter: encounter.transpose()?.map(EncounterId::new),
        provenance: read_provenance(reader.get_provenance())?,
        issues: reader.get_issues()?.iter().map(read_error_code).collect::<Result<_, _>>()?,
    })
}

pub(crate) fn write_location(mut builder: wire::location::Builder<'_>, location: &Location) {
    put_text!(builder.set_facility, location.facility.as_str());
    put_text!(builder.set_ward, location.ward.as_str());
    put_text!(builder.set_room, location.room.as_str());
    put_text!(builder.set_bed, location.bed.as_str());
}

pub(crate) fn read_location(
    reader: capnp::Result<wire::location::Reader<'_>>,
) -> Result<Location, WireError> {
    let reader = reader?;
    Ok(Location {
        facility: read_text(reader.get_facility())?,
        ward: read_text(reader.get_ward())?,
        room: read_text(reader.get_room())?,
        bed: read_text(reader.get_bed())?,
    })
}

pub(crate) fn write_movement(mut builder: wire::movement::Builder<'_>, movement: &Movement) {
    builder.set_kind(movement_kind(movement.kind));
    builder.set_at_unix_micros(movement.at.unix_micros());
    put_text!(builder.set_message_id, movement.message_id.as_str());
    builder.set_class(encounter_class(movement.class));
    if let Some(location) = &movement.location {
        write_location(builder.reborrow().init_location(), location);
    }
    if let Some(location) = &movement.prior_location {
        write_location(builder.reborrow().init_prior_location(), location);
    }
    write_provenance(builder.init_provenance(), &movement.provenance);
}

pub(crate) fn read_movement(reader: wire::movement::Reader<'_>) -> Result<Movement, WireError> {
    let location = reader.has_location().then(|| read_location(reader.get_location()));
    let prior = reader.has_prior_location().then(|| read_location(reader.get_prior_location()));
    Ok(Movement {
        kind: read_movement_kind(reader.get_kind())?,
        at: Timestamp::from_unix_micros(reader.get_at_unix_micros()),
        message_id: read_text(reader.get_message_id())?,
        class: read_encounter_class(reader.get_class())?,
        location: location.transpose()?,
        prior_location: prior.transpose()?,
        provenance: read_provenance(reader.get_provenance())?,
    })
}

pub(crate) fn write_resource_meta(
    mut builder: wire::resource_meta::Builder<'_>,
    meta: &ResourceMeta,
) {
    put_text!(builder.set_resource_type, meta.key.resource_type.as_str());
    put_text!(builder.set_id, meta.key.id.as_str());
    builder.set_version(meta.version);
    builder.set_updated_at_unix_micros(meta.updated_at.unix_micros());
    builder.set_is_deleted(meta.deleted);
    put_digest!(builder.set_digest, &meta.digest);
    put_instant!(builder.init_date, meta.date);
    put_list!(builder.init_codes, &meta.codes, write_code);
    put_list!(builder.init_categories, &meta.categories, write_code);
    put_text!(builder.set_status, meta.status.as_str());
}

pub(crate) fn read_resource_meta(
    reader: wire::resource_meta::Reader<'_>,
) -> Result<ResourceMeta, WireError> {
    let date = reader.get_date();
    Ok(ResourceMeta {
        key: ResourceKey {
            resource_type: read_text(reader.get_resource_type())?,
            id: read_text(reader.get_id())?,
        },
        version: reader.get_version(),
        updated_at: Timestamp::from_unix_micros(reader.get_updated_at_unix_micros()),
        deleted: reader.get_is_deleted(),
        digest: read_digest(reader.get_digest())?,
        date: optional_instant!(wire::resource_meta::date::Which, date, "resource date"),
        codes: read_list(reader.get_codes(), read_code)?,
        categories: read_list(reader.get_categories(), read_code)?,
        status: read_text(reader.get_status())?,
    })
}

/// An entry of a map of resources; the key is part of the value.
pub(crate) fn write_resource_entry(
    builder: wire::resource_meta::Builder<'_>,
    (key, meta): (&ResourceKey, &ResourceMeta),
) {
    assert!(*key == meta.key, "a resource is kept under another name");
    write_resource_meta(builder, meta);
}

pub(crate) fn read_resource_entry(
    reader: wire::resource_meta::Reader<'_>,
) -> Result<(ResourceKey, ResourceMeta), WireError> {
    let meta = read_resource_meta(reader)?;
    Ok((meta.key.clone(), meta))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_are_the_stable_numbers() {
        for kind in MovementKind::ALL {
            assert_eq!(movement_kind(*kind) as u16, u16::from(kind.number()), "{kind:?}");
        }
        for class in EncounterClass::ALL {
            assert_eq!(encounter_class(*class) as u16, u16::from(class.number()), "{class:?}");
        }
    }
}
