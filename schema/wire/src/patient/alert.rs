//! Conversions of alerts and the conditions they are about.

use super::measured::{read_score_model, score_model};
use crate::common::{
    mirrored_enum, read_decimal, read_entity, read_measure, read_text, write_decimal, write_entity,
};
use crate::error::WireError;
use crate::patient_capnp as wire;
use schema_types::ids::{AlertId, ObservationId, PrincipalId};
use schema_types::patient::{Alert, AlertCondition, AlertStatus, Severity};
use schema_types::time::Timestamp;

mirrored_enum!(strict severity, read_severity, Severity, wire::Severity, "severity",
    [Warning, Critical]);

mirrored_enum!(strict alert_status, read_alert_status, AlertStatus, wire::AlertStatus,
    "alert status", [Active, Escalated, Acknowledged, Resolved]);

pub(super) fn write_condition(
    mut builder: wire::alert_condition::Builder<'_>,
    condition: &AlertCondition,
) {
    match condition {
        AlertCondition::Score(model) => builder.set_score(score_model(*model)),
        AlertCondition::CriticalValue(measure) => builder.set_critical_value(measure.number()),
        AlertCondition::DeviceSilent(device) => {
            write_entity(builder.init_device_silent(), device);
        }
    }
}

pub(super) fn read_condition(
    reader: capnp::Result<wire::alert_condition::Reader<'_>>,
) -> Result<AlertCondition, WireError> {
    use wire::alert_condition::Which;
    Ok(match reader?.which().map_err(WireError::not_in_schema("alert condition"))? {
        Which::Unset(()) => return Err(WireError::Unset("alert condition")),
        Which::Score(model) => AlertCondition::Score(read_score_model(model)?),
        Which::CriticalValue(number) => AlertCondition::CriticalValue(read_measure(number)?),
        Which::DeviceSilent(device) => AlertCondition::DeviceSilent(read_entity(device)?),
    })
}

pub(super) fn write_alert(mut builder: wire::alert::Builder<'_>, alert: &Alert) {
    builder.set_id(alert.id.as_str());
    write_condition(builder.reborrow().init_condition(), &alert.condition);
    builder.set_severity(severity(alert.severity));
    builder.set_status(alert_status(alert.status));
    builder.set_observed_at_unix_micros(alert.observed_at.unix_micros());
    builder.set_raised_at_unix_micros(alert.raised_at.unix_micros());
    builder.set_changed_at_unix_micros(alert.changed_at.unix_micros());
    builder.set_escalations(alert.escalations);
    builder.set_suppressed(alert.suppressed);
    builder.set_calm_results(alert.calm_results);
    if let Some(principal) = &alert.acknowledged_by {
        builder.set_acknowledged_by(principal.as_str());
    }
    builder.set_is_future_dated(alert.future_dated);
    write_decimal(builder.reborrow().init_trigger(), &alert.trigger);
    if let Some(observation) = &alert.observation {
        builder.set_observation(observation.as_str());
    }
}

pub(super) fn read_alert(reader: wire::alert::Reader<'_>) -> Result<Alert, WireError> {
    let principal = reader.has_acknowledged_by().then(|| read_text(reader.get_acknowledged_by()));
    let observation = reader.has_observation().then(|| read_text(reader.get_observation()));
    Ok(Alert {
        id: AlertId::new(read_text(reader.get_id())?),
        condition: read_condition(reader.get_condition())?,
        severity: read_severity(reader.get_severity())?,
        status: read_alert_status(reader.get_status())?,
        observed_at: Timestamp::from_unix_micros(reader.get_observed_at_unix_micros()),
        raised_at: Timestamp::from_unix_micros(reader.get_raised_at_unix_micros()),
        changed_at: Timestamp::from_unix_micros(reader.get_changed_at_unix_micros()),
        escalations: reader.get_escalations(),
        suppressed: reader.get_suppressed(),
        calm_results: reader.get_calm_results(),
        acknowledged_by: principal.transpose()?.map(PrincipalId::new),
        future_dated: reader.get_is_future_dated(),
        trigger: read_decimal(reader.get_trigger())?,
        observation: observation.transpose()?.map(ObservationId::new),
    })
}

/// An entry of the map of open alerts; the key is part of the value.
pub(super) fn write_alert_entry(
    builder: wire::alert::Builder<'_>,
    (condition, alert): (&AlertCondition, &Alert),
) {
    assert!(*condition == alert.condition, "an alert is kept under another condition");
    write_alert(builder, alert);
}

pub(super) fn read_alert_entry(
    reader: wire::alert::Reader<'_>,
) -> Result<(AlertCondition, Alert), WireError> {
    let alert = read_alert(reader)?;
    Ok((alert.condition.clone(), alert))
}
