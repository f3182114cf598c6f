//! Values that are critical by themselves: one alert per measure (PAT-2), ended by a later value
//! that is not.

use super::alerts::{self, Finding, Standing};
use super::draft::Draft;
use super::observations::Batch;
use crate::limits::LATE_ALERT_MICROS_MAX;
use crate::person::person_at;
use crate::view::{Timeline, View};
use actors_risk::History;
use schema_types::measure::Measure;
use schema_types::patient::{AlertCondition, MeasuredValue};
use schema_types::time::Timestamp;

/// Judges the values of one command in the order of their times, then what became of measures that
/// lost a value.
pub(super) fn judge_values(draft: &mut Draft<'_>, batch: &mut Batch) {
    batch.gained.sort_by_key(|(_, value)| value.effective_at);
    for (measure, value) in &batch.gained {
        judge_value(draft, *measure, value);
    }
    let is_gained = |measure: &Measure| batch.gained.iter().any(|(gained, _)| gained == measure);
    for measure in batch.lost.iter().filter(|measure| !is_gained(measure)) {
        end_without_reason(draft, *measure);
    }
}

fn judge_value(draft: &mut Draft<'_>, measure: Measure, value: &MeasuredValue) {
    let newest_at = |value: Option<&MeasuredValue>| value.map(|newest| newest.effective_at);
    let before =
        newest_at(draft.view_before(Timeline::Present).newest_value(measure, Timestamp::MAX));
    let standing = if value.future_dated {
        Standing::Future
    } else if before.is_none_or(|before| value.effective_at >= before) {
        Standing::Newest
    } else {
        Standing::Late
    };
    let newest = newest_at(draft.view(Timeline::Present).newest_value(measure, Timestamp::MAX));
    let age_micros = newest.map_or(0, |newest| newest.micros_since(value.effective_at));
    if standing == Standing::Late && age_micros > LATE_ALERT_MICROS_MAX {
        return;
    }
    let finding = finding(draft, measure, value);
    alerts::judge(draft, finding, standing);
}

/// Whether the newest value of a measure is another one than before this decision, not older.
pub(super) fn has_newer(draft: &Draft<'_>, measure: Measure) -> bool {
    let newest = |view: View<'_>| {
        let value = view.newest_value(measure, Timestamp::MAX)?;
        Some((value.effective_at, value.observation.clone(), value.value))
    };
    let before = newest(draft.view_before(Timeline::Present));
    newest(draft.view(Timeline::Present)) > before
}

/// Judges the newest value of a measure.
pub(super) fn judge_newest(draft: &mut Draft<'_>, measure: Measure) {
    let newest = draft.view(Timeline::Present).newest_value(measure, Timestamp::MAX).cloned();
    if let Some(newest) = newest {
        let finding = finding(draft, measure, &newest);
        alerts::judge(draft, finding, Standing::Newest);
    }
}

/// Ends the alert of a measure when no critical value is held that is as new as its trigger.
pub(super) fn end_without_reason(draft: &mut Draft<'_>, measure: Measure) {
    let condition = AlertCondition::CriticalValue(measure);
    let Some(alert) = draft.alerts().get(&condition) else { return };
    let timeline = if alert.future_dated { Timeline::Future } else { Timeline::Present };
    let view = draft.view(timeline);
    let mut held = view.between(measure, alert.observed_at.plus_micros(-1), Timestamp::MAX);
    if !held.any(|value| finding(draft, measure, value).severity.is_some()) {
        drop(held);
        alerts::end(draft, &condition);
    }
}

fn finding(draft: &Draft<'_>, measure: Measure, value: &MeasuredValue) -> Finding {
    let person = person_at(draft.demographics(), value.effective_at);
    Finding {
        condition: AlertCondition::CriticalValue(measure),
        severity: actors_risk::critical_value_for(&person, measure, value.value),
        observed_at: value.effective_at,
        trigger: value.value,
        observation: Some(value.observation.clone()),
    }
}
