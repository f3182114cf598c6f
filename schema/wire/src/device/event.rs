//! Conversions of what happens to a device.

use crate::common::clinical::{read_resource_meta, write_resource_meta};
use crate::common::{read_entity, read_provenance, write_entity, write_provenance};
use crate::device_capnp as wire;
use crate::error::WireError;
use schema_types::device::{DeviceEvent, SampleSummary};
use schema_types::ids::EntityId;
use schema_types::time::Timestamp;

/// Reads an optional number from a union whose other arm is `unset`.
macro_rules! optional_number {
    ($arm:path, $unset:path, $reader:expr, $what:literal) => {
        match $reader.which().map_err(crate::error::WireError::not_in_schema($what))? {
            $unset(()) => None,
            $arm(number) => Some(number),
        }
    };
}
pub(super) use optional_number;

pub(super) fn write_summary(
    mut builder: wire::sample_summary::Builder<'_>,
    summary: &SampleSummary,
) {
    builder.set_samples(summary.samples);
    if let Some(number) = summary.sequence {
        builder.reborrow().init_sequence().set_number(number);
    }
    builder.set_device_time_unix_micros(summary.device_time.unix_micros());
    builder.set_received_at_unix_micros(summary.received_at.unix_micros());
    builder.set_is_stored_and_forwarded(summary.stored_and_forwarded);
    if let Some(percent) = summary.battery_percent {
        builder.reborrow().init_battery().set_percent(percent);
    }
    write_provenance(builder.init_provenance(), &summary.provenance);
}

pub(super) fn read_summary(
    reader: wire::sample_summary::Reader<'_>,
) -> Result<SampleSummary, WireError> {
    use wire::sample_summary::{battery, sequence};
    let number = reader.get_sequence();
    let percent = reader.get_battery();
    Ok(SampleSummary {
        samples: reader.get_samples(),
        sequence: optional_number!(
            sequence::Which::Number,
            sequence::Which::Unset,
            number,
            "batch number"
        ),
        device_time: Timestamp::from_unix_micros(reader.get_device_time_unix_micros()),
        received_at: Timestamp::from_unix_micros(reader.get_received_at_unix_micros()),
        stored_and_forwarded: reader.get_is_stored_and_forwarded(),
        battery_percent: optional_number!(
            battery::Which::Percent,
            battery::Which::Unset,
            percent,
            "battery charge"
        ),
        provenance: read_provenance(reader.get_provenance())?,
    })
}

pub(super) fn write_event(builder: wire::device_event::Builder<'_>, event: &DeviceEvent) {
    match event {
        DeviceEvent::SamplesReceived { summary, missed, clock_offset_micros } => {
            let mut received = builder.init_samples_received();
            write_summary(received.reborrow().init_summary(), summary);
            received.set_missed(*missed);
            received.set_clock_offset_micros(*clock_offset_micros);
        }
        DeviceEvent::SamplesOutOfOrder { summary, filled_gap } => {
            let mut late = builder.init_samples_out_of_order();
            write_summary(late.reborrow().init_summary(), summary);
            late.set_has_filled_gap(*filled_gap);
        }
        DeviceEvent::Associated { patient, at } => {
            write_patient_change(builder.init_associated(), patient, *at);
        }
        DeviceEvent::Dissociated { patient, at } => {
            write_patient_change(builder.init_dissociated(), patient, *at);
        }
        DeviceEvent::WentSilent { at } => {
            builder.init_went_silent().set_at_unix_micros(at.unix_micros());
        }
        DeviceEvent::SpokeAgain { at } => {
            builder.init_spoke_again().set_at_unix_micros(at.unix_micros());
        }
        DeviceEvent::IntervalSet { interval_micros } => {
            builder.init_interval_set().set_interval_micros(*interval_micros);
        }
        DeviceEvent::ResourceStored { meta } => {
            write_resource_meta(builder.init_resource_stored(), meta);
        }
    }
}

pub(super) fn read_event(reader: wire::device_event::Reader<'_>) -> Result<DeviceEvent, WireError> {
    use wire::device_event::Which;
    Ok(match reader.which().map_err(WireError::not_in_schema("device event"))? {
        Which::Unset(()) => return Err(WireError::Unset("device event")),
        Which::SamplesReceived(received) => {
            let received = received?;
            DeviceEvent::SamplesReceived {
                summary: read_summary(received.get_summary()?)?,
                missed: received.get_missed(),
                clock_offset_micros: received.get_clock_offset_micros(),
            }
        }
        Which::SamplesOutOfOrder(late) => {
            let late = late?;
            DeviceEvent::SamplesOutOfOrder {
                summary: read_summary(late.get_summary()?)?,
                filled_gap: late.get_has_filled_gap(),
            }
        }
        Which::Associated(change) => {
            let (patient, at) = read_patient_change(change?)?;
            DeviceEvent::Associated { patient, at }
        }
        Which::Dissociated(change) => {
            let (patient, at) = read_patient_change(change?)?;
            DeviceEvent::Dissociated { patient, at }
        }
        Which::WentSilent(instant) => DeviceEvent::WentSilent { at: read_instant(instant?) },
        Which::SpokeAgain(instant) => DeviceEvent::SpokeAgain { at: read_instant(instant?) },
        Which::IntervalSet(set) => {
            DeviceEvent::IntervalSet { interval_micros: set?.get_interval_micros() }
        }
        Which::ResourceStored(meta) => {
            DeviceEvent::ResourceStored { meta: read_resource_meta(meta?)? }
        }
    })
}

fn read_instant(reader: wire::instant::Reader<'_>) -> Timestamp {
    Timestamp::from_unix_micros(reader.get_at_unix_micros())
}

pub(super) fn write_patient_change(
    mut builder: wire::patient_change::Builder<'_>,
    patient: &EntityId,
    at: Timestamp,
) {
    write_entity(builder.reborrow().init_patient(), patient);
    builder.set_at_unix_micros(at.unix_micros());
}

pub(super) fn read_patient_change(
    reader: wire::patient_change::Reader<'_>,
) -> Result<(EntityId, Timestamp), WireError> {
    let at = Timestamp::from_unix_micros(reader.get_at_unix_micros());
    Ok((read_entity(reader.get_patient())?, at))
}
