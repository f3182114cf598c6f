//! Conversions of what happens to a patient.

use super::alert::{
    read_alert, read_condition, read_severity, severity, write_alert, write_condition,
};
use super::measured::{
    read_measured_value, read_result, read_score, write_measured_value, write_result, write_score,
};
use super::person::{read_patch, read_registration, registration, write_patch};
use crate::common::clinical::{
    read_movement, read_observation, read_resource_meta, write_movement, write_observation,
    write_resource_meta,
};
use crate::common::{
    mirrored_enum, put_list, read_decimal, read_entity, read_list, read_measure, read_provenance,
    read_text, write_decimal, write_entity, write_provenance,
};
use crate::error::WireError;
use crate::patient_capnp as wire;
use schema_types::clinical::Observation;
use schema_types::ids::{EncounterId, EntityId, PrincipalId};
use schema_types::measure::Measure;
use schema_types::patient::{AlertCondition, LinkRole, MeasuredValue, PatientEvent};
use schema_types::time::Timestamp;

mirrored_enum!(strict link_role, read_link_role, LinkRole, wire::LinkRole, "link role",
    [Survivor, Retired]);

pub(super) fn write_event(builder: wire::patient_event::Builder<'_>, event: &PatientEvent) {
    use PatientEvent as Event;
    match event {
        Event::DemographicsStated { registration: known, patch, stated_at } => {
            let mut stated = builder.init_demographics_stated();
            stated.set_registration(registration(*known));
            write_patch(stated.reborrow().init_patch(), patch);
            stated.set_stated_at_unix_micros(stated_at.unix_micros());
        }
        Event::MovementRecorded { encounter, movement } => {
            let mut recorded = builder.init_movement_recorded();
            recorded.set_encounter(encounter.as_str());
            write_movement(recorded.init_movement(), movement);
        }
        Event::ObservationRecorded { observation, recorded_at, future_dated, as_resource } => {
            let recorded = builder.init_observation_recorded();
            let flags = (*future_dated, *as_resource);
            write_observation_recorded(recorded, observation, *recorded_at, flags);
        }
        Event::ScoreRecorded { score } => write_score(builder.init_score_recorded(), score),
        Event::ScoresRecorded { results } => {
            let mut recorded = builder.init_scores_recorded();
            put_list!(recorded.init_results, results, write_result);
        }
        Event::AlertRaised { alert } => write_alert(builder.init_alert_raised(), alert),
        Event::AlertSuppressed { condition, at, trigger } => {
            let change = write_change(builder.init_alert_suppressed(), condition, *at);
            write_decimal(change.init_trigger(), trigger);
        }
        Event::AlertSeverityChanged { condition, severity: urgency, at, trigger } => {
            let mut change = write_change(builder.init_alert_severity_changed(), condition, *at);
            change.set_severity(severity(*urgency));
            write_decimal(change.init_trigger(), trigger);
        }
        Event::AlertCalmed { condition, at } => {
            write_change(builder.init_alert_calmed(), condition, *at);
        }
        Event::AlertAcknowledged { condition, by, at } => {
            let mut change = write_change(builder.init_alert_acknowledged(), condition, *at);
            change.set_by(by.as_str());
        }
        Event::AlertEscalated { condition, at } => {
            write_change(builder.init_alert_escalated(), condition, *at);
        }
        Event::AlertResolved { condition, at } => {
            write_change(builder.init_alert_resolved(), condition, *at);
        }
        Event::ResourceStored { meta } => {
            write_resource_meta(builder.init_resource_stored(), meta);
        }
        Event::DeviceAssociated { device, at } => {
            write_device_change(builder.init_device_associated(), (device, at));
        }
        Event::DeviceDissociated { device, at } => {
            write_device_change(builder.init_device_dissociated(), (device, at));
        }
        Event::LinkAdded { other, role, at, provenance } => {
            let mut added = builder.init_link_added();
            write_entity(added.reborrow().init_other(), other);
            added.set_role(link_role(*role));
            added.set_at_unix_micros(at.unix_micros());
            write_provenance(added.init_provenance(), provenance);
        }
        Event::LinkRemoved { other, at } => {
            write_record_and_time(builder.init_link_removed(), other, *at);
        }
        Event::ContributionReceived { from, measure, value } => {
            write_contribution(builder.init_contribution_received(), from, *measure, value);
        }
    }
}

fn write_contribution(
    mut builder: wire::contribution::Builder<'_>,
    from: &EntityId,
    measure: Measure,
    value: &MeasuredValue,
) {
    write_entity(builder.reborrow().init_from(), from);
    builder.set_measure(measure.number());
    write_measured_value(builder.init_value(), value);
}

fn write_observation_recorded(
    mut builder: wire::observation_recorded::Builder<'_>,
    observation: &Observation,
    recorded_at: Timestamp,
    (future_dated, as_resource): (bool, bool),
) {
    write_observation(builder.reborrow().init_observation(), observation);
    builder.set_recorded_at_unix_micros(recorded_at.unix_micros());
    builder.set_is_future_dated(future_dated);
    builder.set_is_resource(as_resource);
}

fn write_change<'a>(
    mut builder: wire::alert_change::Builder<'a>,
    condition: &AlertCondition,
    at: Timestamp,
) -> wire::alert_change::Builder<'a> {
    write_condition(builder.reborrow().init_condition(), condition);
    builder.set_at_unix_micros(at.unix_micros());
    builder
}

fn read_change(
    reader: wire::alert_change::Reader<'_>,
) -> Result<(AlertCondition, Timestamp), WireError> {
    let at = Timestamp::from_unix_micros(reader.get_at_unix_micros());
    Ok((read_condition(reader.get_condition())?, at))
}

/// A device and since when: an event's content, and an entry of the map of devices.
pub(super) fn write_device_change(
    mut builder: wire::device_change::Builder<'_>,
    (device, at): (&EntityId, &Timestamp),
) {
    write_entity(builder.reborrow().init_device(), device);
    builder.set_at_unix_micros(at.unix_micros());
}

pub(super) fn read_device_change(
    reader: wire::device_change::Reader<'_>,
) -> Result<(EntityId, Timestamp), WireError> {
    let at = Timestamp::from_unix_micros(reader.get_at_unix_micros());
    Ok((read_entity(reader.get_device())?, at))
}

pub(super) fn write_record_and_time(
    mut builder: wire::record_and_time::Builder<'_>,
    other: &EntityId,
    at: Timestamp,
) {
    write_entity(builder.reborrow().init_other(), other);
    builder.set_at_unix_micros(at.unix_micros());
}

pub(super) fn read_record_and_time(
    reader: wire::record_and_time::Reader<'_>,
) -> Result<(EntityId, Timestamp), WireError> {
    let at = Timestamp::from_unix_micros(reader.get_at_unix_micros());
    Ok((read_entity(reader.get_other())?, at))
}

pub(super) fn read_event(
    reader: wire::patient_event::Reader<'_>,
) -> Result<PatientEvent, WireError> {
    use PatientEvent as Event;
    use wire::patient_event::Which;
    Ok(match reader.which().map_err(WireError::not_in_schema("patient event"))? {
        Which::Unset(()) => return Err(WireError::Unset("patient event")),
        Which::DemographicsStated(stated) => read_demographics_stated(stated?)?,
        Which::MovementRecorded(recorded) => read_movement_recorded(recorded?)?,
        Which::ObservationRecorded(recorded) => read_observation_recorded(recorded?)?,
        Which::ScoreRecorded(score) => Event::ScoreRecorded { score: read_score(score?)? },
        Which::ScoresRecorded(recorded) => {
            Event::ScoresRecorded { results: read_list(recorded?.get_results(), read_result)? }
        }
        Which::AlertRaised(alert) => Event::AlertRaised { alert: read_alert(alert?)? },
        Which::AlertSuppressed(change) => {
            let change = change?;
            let (condition, at) = read_change(change)?;
            let trigger = read_decimal(change.get_trigger())?;
            Event::AlertSuppressed { condition, at, trigger }
        }
        Which::AlertSeverityChanged(change) => {
            let change = change?;
            let (condition, at) = read_change(change)?;
            let severity = read_severity(change.get_severity())?;
            let trigger = read_decimal(change.get_trigger())?;
            Event::AlertSeverityChanged { condition, severity, at, trigger }
        }
        Which::AlertCalmed(change) => {
            let (condition, at) = read_change(change?)?;
            Event::AlertCalmed { condition, at }
        }
        Which::AlertAcknowledged(change) => {
            let change = change?;
            let (condition, at) = read_change(change)?;
            let by = PrincipalId::new(read_text(change.get_by())?);
            Event::AlertAcknowledged { condition, by, at }
        }
        Which::AlertEscalated(change) => {
            let (condition, at) = read_change(change?)?;
            Event::AlertEscalated { condition, at }
        }
        Which::AlertResolved(change) => {
            let (condition, at) = read_change(change?)?;
            Event::AlertResolved { condition, at }
        }
        Which::ResourceStored(meta) => Event::ResourceStored { meta: read_resource_meta(meta?)? },
        Which::DeviceAssociated(change) => {
            let (device, at) = read_device_change(change?)?;
            Event::DeviceAssociated { device, at }
        }
        Which::DeviceDissociated(change) => {
            let (device, at) = read_device_change(change?)?;
            Event::DeviceDissociated { device, at }
        }
        Which::LinkAdded(added) => read_link_added(added?)?,
        Which::LinkRemoved(removed) => {
            let (other, at) = read_record_and_time(removed?)?;
            Event::LinkRemoved { other, at }
        }
        Which::ContributionReceived(received) => read_contribution_received(received?)?,
    })
}

pub(super) fn read_resource_event(
    reader: wire::patient_event::Reader<'_>,
) -> Result<Option<(Observation, Timestamp)>, WireError> {
    if !reader.has_observation_recorded() {
        return Ok(None);
    }
    let wire::patient_event::Which::ObservationRecorded(recorded) =
        reader.which().map_err(WireError::not_in_schema("patient event"))?
    else {
        return Ok(None);
    };
    let recorded = recorded?;
    if !recorded.get_is_resource() {
        return Ok(None);
    }
    let at = Timestamp::from_unix_micros(recorded.get_recorded_at_unix_micros());
    Ok(Some((read_observation(recorded.get_observation()?)?, at)))
}

fn read_demographics_stated(
    reader: wire::demographics_stated::Reader<'_>,
) -> Result<PatientEvent, WireError> {
    Ok(PatientEvent::DemographicsStated {
        registration: read_registration(reader.get_registration())?,
        patch: read_patch(reader.get_patch()?)?,
        stated_at: Timestamp::from_unix_micros(reader.get_stated_at_unix_micros()),
    })
}

fn read_movement_recorded(
    reader: wire::movement_recorded::Reader<'_>,
) -> Result<PatientEvent, WireError> {
    Ok(PatientEvent::MovementRecorded {
        encounter: EncounterId::new(read_text(reader.get_encounter())?),
        movement: read_movement(reader.get_movement()?)?,
    })
}

fn read_observation_recorded(
    reader: wire::observation_recorded::Reader<'_>,
) -> Result<PatientEvent, WireError> {
    Ok(PatientEvent::ObservationRecorded {
        observation: Box::new(read_observation(reader.get_observation()?)?),
        recorded_at: Timestamp::from_unix_micros(reader.get_recorded_at_unix_micros()),
        future_dated: reader.get_is_future_dated(),
        as_resource: reader.get_is_resource(),
    })
}

fn read_link_added(reader: wire::link_added::Reader<'_>) -> Result<PatientEvent, WireError> {
    Ok(PatientEvent::LinkAdded {
        other: read_entity(reader.get_other())?,
        role: read_link_role(reader.get_role())?,
        at: Timestamp::from_unix_micros(reader.get_at_unix_micros()),
        provenance: read_provenance(reader.get_provenance())?,
    })
}

fn read_contribution_received(
    reader: wire::contribution::Reader<'_>,
) -> Result<PatientEvent, WireError> {
    Ok(PatientEvent::ContributionReceived {
        from: read_entity(reader.get_from())?,
        measure: read_measure(reader.get_measure())?,
        value: read_measured_value(reader.get_value()?)?,
    })
}
