//! Conversions of what other entities tell a patient.

use super::event::{read_record_and_time, write_record_and_time};
use super::measured::{read_measured_value, write_measured_value};
use crate::common::clinical::{read_observation, write_observation};
use crate::common::{
    put_list, read_entity, read_list, read_measure, read_provenance, write_entity, write_provenance,
};
use crate::error::WireError;
use crate::patient_capnp as wire;
use schema_types::measure::Measure;
use schema_types::patient::{MeasuredValue, PatientNotice};
use schema_types::time::Timestamp;

pub(crate) fn write_notice(builder: wire::patient_notice::Builder<'_>, notice: &PatientNotice) {
    match notice {
        PatientNotice::Contribution { from, values } => {
            let mut contribution = builder.init_contribution();
            write_entity(contribution.reborrow().init_from(), from);
            put_list!(contribution.init_values, values, write_contributed_value);
        }
        PatientNotice::Retired { into, at, provenance } => {
            let mut retired = builder.init_retired();
            write_entity(retired.reborrow().init_into(), into);
            retired.set_at_unix_micros(at.unix_micros());
            write_provenance(retired.init_provenance(), provenance);
        }
        PatientNotice::Separated { from, at } => {
            write_record_and_time(builder.init_separated(), from, *at);
        }
        PatientNotice::DeviceObservations { device, observations } => {
            let mut observed = builder.init_device_observations();
            write_entity(observed.reborrow().init_device(), device);
            put_list!(observed.init_observations, observations, write_observation);
        }
        PatientNotice::DeviceAssociation { device, associated, at } => {
            let mut association = builder.init_device_association();
            write_entity(association.reborrow().init_device(), device);
            association.set_is_associated(*associated);
            association.set_at_unix_micros(at.unix_micros());
        }
        PatientNotice::DeviceSilence { device, silent, at } => {
            let mut silence = builder.init_device_silence();
            write_entity(silence.reborrow().init_device(), device);
            silence.set_is_silent(*silent);
            silence.set_at_unix_micros(at.unix_micros());
        }
    }
}

pub(crate) fn read_notice(
    reader: wire::patient_notice::Reader<'_>,
) -> Result<PatientNotice, WireError> {
    use wire::patient_notice::Which;
    Ok(match reader.which().map_err(WireError::not_in_schema("patient notice"))? {
        Which::Unset(()) => return Err(WireError::Unset("patient notice")),
        Which::Contribution(contribution) => {
            let contribution = contribution?;
            PatientNotice::Contribution {
                from: read_entity(contribution.get_from())?,
                values: read_list(contribution.get_values(), read_contributed_value)?,
            }
        }
        Which::Retired(retired) => {
            let retired = retired?;
            PatientNotice::Retired {
                into: read_entity(retired.get_into())?,
                at: Timestamp::from_unix_micros(retired.get_at_unix_micros()),
                provenance: read_provenance(retired.get_provenance())?,
            }
        }
        Which::Separated(separated) => {
            let (from, at) = read_record_and_time(separated?)?;
            PatientNotice::Separated { from, at }
        }
        Which::DeviceObservations(observed) => {
            let observed = observed?;
            PatientNotice::DeviceObservations {
                device: read_entity(observed.get_device())?,
                observations: read_list(observed.get_observations(), read_observation)?,
            }
        }
        Which::DeviceAssociation(association) => {
            let association = association?;
            PatientNotice::DeviceAssociation {
                device: read_entity(association.get_device())?,
                associated: association.get_is_associated(),
                at: Timestamp::from_unix_micros(association.get_at_unix_micros()),
            }
        }
        Which::DeviceSilence(silence) => {
            let silence = silence?;
            PatientNotice::DeviceSilence {
                device: read_entity(silence.get_device())?,
                silent: silence.get_is_silent(),
                at: Timestamp::from_unix_micros(silence.get_at_unix_micros()),
            }
        }
    })
}

fn write_contributed_value(
    mut builder: wire::contributed_value::Builder<'_>,
    (measure, value): &(Measure, MeasuredValue),
) {
    builder.set_measure(measure.number());
    write_measured_value(builder.init_value(), value);
}

fn read_contributed_value(
    reader: wire::contributed_value::Reader<'_>,
) -> Result<(Measure, MeasuredValue), WireError> {
    Ok((read_measure(reader.get_measure())?, read_measured_value(reader.get_value()?)?))
}
