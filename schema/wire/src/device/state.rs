//! Conversions of the live state of a device.

use super::event::{optional_number, read_patient_change, write_patient_change};
use crate::common::clinical::{read_resource_entry, write_resource_entry};
use crate::common::{
    optional_instant, put_instant, put_list, read_entity, read_list, read_map, write_entity,
};
use crate::device_capnp as wire;
use crate::error::WireError;
use schema_types::device::DeviceState;
use schema_types::ids::EntityId;
use schema_types::time::Timestamp;

pub(super) fn write_state(mut builder: wire::device_state::Builder<'_>, state: &DeviceState) {
    if let Some((patient, since)) = &state.association {
        write_patient_change(builder.reborrow().init_association(), patient, *since);
    }
    put_list!(builder.init_past_associations, &state.past_associations, write_past_association);
    builder.set_samples_total(state.samples_total);
    builder.set_out_of_order_total(state.out_of_order_total);
    if let Some(number) = state.last_sequence {
        builder.reborrow().init_last_sequence().set_number(number);
    }
    put_list!(builder.init_gaps, &state.gaps, write_gap);
    builder.set_missed_total(state.missed_total);
    builder.set_clock_offset_micros(state.clock_offset_micros);
    put_instant!(builder.init_last_received_at, state.last_received_at);
    builder.set_interval_micros(state.interval_micros);
    put_instant!(builder.init_silent_since, state.silent_since);
    if let Some(percent) = state.battery_percent {
        builder.reborrow().init_battery().set_percent(percent);
    }
    put_list!(builder.init_resources, &state.resources, write_resource_entry);
}

pub(super) fn read_state(reader: wire::device_state::Reader<'_>) -> Result<DeviceState, WireError> {
    use wire::device_state::{battery, last_received_at, last_sequence, silent_since};
    let association =
        reader.has_association().then(|| read_patient_change(reader.get_association()?));
    let number = reader.get_last_sequence();
    let percent = reader.get_battery();
    let last_received = reader.get_last_received_at();
    let silent = reader.get_silent_since();
    Ok(DeviceState {
        association: association.transpose()?,
        past_associations: read_list(reader.get_past_associations(), read_past_association)?,
        samples_total: reader.get_samples_total(),
        out_of_order_total: reader.get_out_of_order_total(),
        last_sequence: optional_number!(
            last_sequence::Which::Number,
            last_sequence::Which::Unset,
            number,
            "batch number"
        ),
        gaps: read_list(reader.get_gaps(), |gap| Ok((gap.get_first(), gap.get_last())))?,
        missed_total: reader.get_missed_total(),
        clock_offset_micros: reader.get_clock_offset_micros(),
        last_received_at: optional_instant!(last_received_at::Which, last_received, "last arrival"),
        interval_micros: reader.get_interval_micros(),
        silent_since: optional_instant!(silent_since::Which, silent, "silence"),
        battery_percent: optional_number!(
            battery::Which::Percent,
            battery::Which::Unset,
            percent,
            "battery charge"
        ),
        resources: read_map(reader.get_resources(), read_resource_entry, "resource")?,
    })
}

fn write_gap(mut builder: wire::gap::Builder<'_>, (first, last): &(u64, u64)) {
    builder.set_first(*first);
    builder.set_last(*last);
}

fn write_past_association(
    mut builder: wire::past_association::Builder<'_>,
    (patient, from, to): &(EntityId, Timestamp, Timestamp),
) {
    write_entity(builder.reborrow().init_patient(), patient);
    builder.set_from_unix_micros(from.unix_micros());
    builder.set_to_unix_micros(to.unix_micros());
}

fn read_past_association(
    reader: wire::past_association::Reader<'_>,
) -> Result<(EntityId, Timestamp, Timestamp), WireError> {
    let from = Timestamp::from_unix_micros(reader.get_from_unix_micros());
    let to = Timestamp::from_unix_micros(reader.get_to_unix_micros());
    Ok((read_entity(reader.get_patient())?, from, to))
}
