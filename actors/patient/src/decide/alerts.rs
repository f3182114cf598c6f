//! Alerts: one open per condition (PAT-2); further triggers are counted, never silent; calm results
//! in a row end it; nobody's answer escalates it. A retired record raises none (PAT-7).

use super::draft::Draft;
use super::{Decided, Refusal};
use crate::command::Timer;
use crate::event::Event;
use crate::limits::{ESCALATIONS_MAX, calm_results_needed, escalation_micros};
use crate::state::{condition_label, timer_name};
use actors_core::Effect;
use schema_types::Decimal;
use schema_types::error_code::ErrorCode;
use schema_types::ids::{AlertId, ObservationId};
use schema_types::patient::{Alert, AlertCondition, AlertStatus, Severity};
use schema_types::time::Timestamp;

/// A result that may need somebody.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) condition: AlertCondition,
    /// Absent: nobody needs to be told.
    pub(super) severity: Option<Severity>,
    /// When it was true of the patient.
    pub(super) observed_at: Timestamp,
    /// The number.
    pub(super) trigger: Decimal,
    pub(super) observation: Option<ObservationId>,
}

/// How a result stands to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The newest one: it can raise, and it can calm.
    Newest,
    /// Older than the newest: it can raise, but says nothing about now.
    Late,
    /// Dated in the future: raises a marked alert, and calms only such a one.
    Future,
    /// Nothing was observed, the values that count became others: raises or ends, counts nothing.
    Reinterpreted,
}

/// Raises, changes, suppresses, calms or ends the alert of the finding's condition.
pub(super) fn judge(draft: &mut Draft<'_>, finding: Finding, standing: Standing) {
    if draft.merged_into().is_some() {
        return;
    }
    let mut open = draft.alerts().get(&finding.condition).cloned();
    if node_env::planted!("alert-one-per-patient") && finding.severity.is_some() {
        open = open.or_else(|| draft.alerts().values().next().cloned());
    }
    match (open, finding.severity) {
        (None, None) => {}
        (None, Some(_))
            if node_env::planted!("alert-never-raised-again")
                && is_over(draft, &finding.condition) => {}
        (None, Some(severity)) => raise(draft, finding, severity, standing),
        (Some(alert), Some(severity)) => {
            if alert.future_dated && standing != Standing::Future {
                // A present trigger does not hide behind an alert that is marked doubtful.
                end(draft, &finding.condition);
                raise(draft, finding, severity, standing);
            } else {
                fold_into(draft, &alert, severity, finding.trigger, standing);
            }
        }
        (Some(alert), None) => match standing {
            Standing::Late if node_env::planted!("alert-calmed-by-late-value") => {
                calm(draft, &alert);
            }
            Standing::Newest => calm(draft, &alert),
            Standing::Future if alert.future_dated => calm(draft, &alert),
            Standing::Reinterpreted if !alert.future_dated => end(draft, &finding.condition),
            Standing::Late | Standing::Future | Standing::Reinterpreted => {}
        },
    }
}

fn is_over(draft: &Draft<'_>, condition: &AlertCondition) -> bool {
    draft.base.resolved_alerts.iter().any(|alert| alert.condition == *condition)
}

fn raise(draft: &mut Draft<'_>, finding: Finding, severity: Severity, standing: Standing) {
    let now = draft.context.now;
    let number = draft.alerts_total().saturating_add(1);
    let id = AlertId::new(format!("{}-{number}", condition_label(&finding.condition)));
    set_timer(draft, &finding.condition, severity);
    draft.emit(Event::AlertRaised {
        alert: Alert {
            id,
            condition: finding.condition,
            severity,
            status: AlertStatus::Active,
            observed_at: finding.observed_at,
            raised_at: now,
            changed_at: now,
            escalations: 0,
            suppressed: 0,
            calm_results: 0,
            acknowledged_by: None,
            future_dated: standing == Standing::Future,
            trigger: finding.trigger,
            observation: finding.observation,
        },
    });
}

/// A further trigger of an open alert. Less severe ones change it only once a calm result was seen.
fn fold_into(
    draft: &mut Draft<'_>,
    alert: &Alert,
    severity: Severity,
    trigger: Decimal,
    standing: Standing,
) {
    let condition = alert.condition.clone();
    let at = draft.context.now;
    let is_less_after_calm =
        severity < alert.severity && alert.calm_results > 0 && standing == Standing::Newest;
    let is_more = severity > alert.severity && !node_env::planted!("alert-rise-suppressed");
    if is_more || is_less_after_calm {
        let waits = severity > alert.severity || alert.status != AlertStatus::Acknowledged;
        if waits && !node_env::planted!("alert-rise-without-timer") {
            set_timer(draft, &condition, severity);
        }
        draft.emit(Event::AlertSeverityChanged { condition, severity, at, trigger });
    } else if standing != Standing::Reinterpreted {
        draft.emit(Event::AlertSuppressed { condition, at, trigger });
    }
}

fn calm(draft: &mut Draft<'_>, alert: &Alert) {
    let condition = alert.condition.clone();
    let at = draft.context.now;
    draft.emit(Event::AlertCalmed { condition: condition.clone(), at });
    if alert.calm_results.saturating_add(1) >= calm_results_needed(&condition) {
        end(draft, &condition);
    }
}

/// Resolves the alert of a condition, if one is open.
pub(super) fn end(draft: &mut Draft<'_>, condition: &AlertCondition) {
    if draft.merged_into().is_none() && draft.alerts().contains_key(condition) {
        draft.push_effect(Effect::CancelTimer { name: timer_name(condition) });
        let at = draft.context.now;
        draft.emit(Event::AlertResolved { condition: condition.clone(), at });
    }
}

fn set_timer(draft: &mut Draft<'_>, condition: &AlertCondition, severity: Severity) {
    let due = draft.context.now.plus_micros(escalation_micros(severity));
    draft.push_effect(Effect::SetTimer { name: timer_name(condition), due });
}

fn open_alert(draft: &Draft<'_>, id: &AlertId) -> Decided<Alert> {
    let found = draft.base.alerts.values().find(|alert| alert.id == *id);
    found.cloned().ok_or(Refusal::wrong(ErrorCode::PatientAlert, "there is no such open alert"))
}

pub(super) fn decide_acknowledge(draft: &mut Draft<'_>, id: &AlertId) -> Decided {
    let alert = open_alert(draft, id)?;
    if alert.status == AlertStatus::Acknowledged {
        return Err(Refusal::wrong(ErrorCode::PatientAlert, "the alert was acknowledged before"));
    }
    draft.push_effect(Effect::CancelTimer { name: timer_name(&alert.condition) });
    let by = draft.context.principal.clone();
    let at = draft.context.now;
    draft.emit(Event::AlertAcknowledged { condition: alert.condition, by, at });
    Ok(())
}

pub(super) fn decide_resolve(draft: &mut Draft<'_>, id: &AlertId) -> Decided {
    let condition = open_alert(draft, id)?.condition;
    draft.push_effect(Effect::CancelTimer { name: timer_name(&condition) });
    let at = draft.context.now;
    draft.emit(Event::AlertResolved { condition, at });
    Ok(())
}

/// Escalates an alert that still waits. A timer that was moved or removed while it fired does
/// nothing: the wait is measured from the last change of the alert.
pub(super) fn decide_timer(draft: &mut Draft<'_>, timer: &Timer) {
    let Timer::EscalateAlert { label, due } = timer;
    let is_named = |alert: &&Alert| condition_label(&alert.condition) == *label;
    let Some(alert) = draft.base.alerts.values().find(is_named) else { return };
    let waits = match alert.status {
        AlertStatus::Active | AlertStatus::Escalated => draft.base.merged_into.is_none(),
        AlertStatus::Acknowledged | AlertStatus::Resolved => false,
    };
    let is_due = *due >= alert.changed_at.plus_micros(escalation_micros(alert.severity));
    if !waits || !is_due || alert.escalations >= ESCALATIONS_MAX {
        return;
    }
    let is_last = alert.escalations.saturating_add(1) >= ESCALATIONS_MAX;
    if !is_last && !node_env::planted!("alert-escalates-once") {
        set_timer(draft, &alert.condition, alert.severity);
    }
    let at = draft.context.now;
    draft.emit(Event::AlertEscalated { condition: alert.condition.clone(), at });
}
