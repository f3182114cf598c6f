//! Alerts: at most one open per condition (PAT-2); the recently resolved ones stay visible.
//! `changed_at` moves only with status and severity: the escalation timer is measured from it.

use crate::event::Event;
use crate::limits::RESOLVED_ALERTS_MAX;
use crate::state::State;
use schema_types::patient::{Alert, AlertCondition, AlertStatus, Severity};
use schema_types::time::Timestamp;

pub(super) fn evolve_alert(state: &mut State, event: &Event) {
    match event {
        Event::AlertRaised { alert } => {
            state.alerts.insert(alert.condition.clone(), alert.clone());
            state.alerts_total = state.alerts_total.saturating_add(1);
        }
        Event::AlertSuppressed { condition, .. } => with_open(state, condition, |alert| {
            alert.suppressed = alert.suppressed.saturating_add(1);
            if !node_env::planted!("alert-calm-not-in-a-row") {
                alert.calm_results = 0;
            }
        }),
        Event::AlertSeverityChanged { condition, severity, at, trigger } => {
            with_open(state, condition, |alert| {
                change_severity(alert, *severity, *at);
                alert.trigger = *trigger;
            });
        }
        Event::AlertCalmed { condition, .. } => with_open(state, condition, |alert| {
            alert.calm_results = alert.calm_results.saturating_add(1);
        }),
        Event::AlertAcknowledged { condition, by, at } => with_open(state, condition, |alert| {
            alert.status = AlertStatus::Acknowledged;
            alert.acknowledged_by = Some(by.clone());
            alert.changed_at = *at;
        }),
        Event::AlertEscalated { condition, at } => with_open(state, condition, |alert| {
            alert.status = AlertStatus::Escalated;
            alert.escalations = alert.escalations.saturating_add(1);
            alert.changed_at = *at;
        }),
        Event::AlertResolved { condition, at } => evolve_alert_resolved(state, condition, *at),
        Event::DemographicsStated { .. }
        | Event::MovementRecorded { .. }
        | Event::ObservationRecorded { .. }
        | Event::ScoreRecorded { .. }
        | Event::ScoresRecorded { .. }
        | Event::ResourceStored { .. }
        | Event::DeviceAssociated { .. }
        | Event::DeviceDissociated { .. }
        | Event::LinkAdded { .. }
        | Event::LinkRemoved { .. }
        | Event::ContributionReceived { .. } => {}
    }
}

fn with_open(state: &mut State, condition: &AlertCondition, change: impl FnOnce(&mut Alert)) {
    if let Some(alert) = state.alerts.get_mut(condition) {
        change(alert);
    }
}

fn change_severity(alert: &mut Alert, severity: Severity, at: Timestamp) {
    if severity > alert.severity && !node_env::planted!("alert-rise-stays-acknowledged") {
        // Who took a lesser alert has not seen this one.
        alert.status = AlertStatus::Active;
        alert.acknowledged_by = None;
        alert.escalations = 0;
    }
    alert.severity = severity;
    alert.changed_at = at;
    alert.calm_results = 0;
}

fn evolve_alert_resolved(state: &mut State, condition: &AlertCondition, at: Timestamp) {
    if let Some(mut alert) = state.alerts.remove(condition) {
        alert.status = AlertStatus::Resolved;
        alert.changed_at = at;
        state.resolved_alerts.push(alert);
        let surplus = state.resolved_alerts.len().saturating_sub(RESOLVED_ALERTS_MAX);
        state.resolved_alerts.drain(..surplus);
    }
}
