//! Somebody is told (LIVE-1): every acknowledged result that is critical, by a table and scores of
//! one's own, has an alert in the journal, and its page arrived within the bound after the
//! acknowledgement or healing. At most one alert of a condition is open at a time.

use crate::durable::JournalRow;
use crate::evidence::Evidence;
use crate::findings::{Findings, Judge};
use crate::history::{CommandKey, Micros, OperationKind, commands};
use crate::oracle::critical::is_critical;
use crate::oracle::scores::{Expected, MODELS, expected};
use crate::oracle::values::Values;
use crate::properties::scores::has_values;
use schema_types::ids::{AlertId, EntityId, EntityKind};
use schema_types::measure::Measure;
use schema_types::patient::{AlertCondition, PatientEvent};
use schema_types::score::{Band, ScoreModel};
use schema_types::time::{MICROS_PER_DAY, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// The property's name.
pub const NAME: &str = "critical-is-alerted";
/// What it enforces.
pub const INVARIANT: &str = "LIVE-1";

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    let mut raised: Vec<(&EntityId, &AlertId, Micros)> = Vec::new();
    let told_at = told_at(evidence);
    for (patient, rows) in &evidence.durable.journals {
        if patient.kind() != EntityKind::Patient {
            continue;
        }
        let mut watch = Watch::default();
        for row in rows {
            watch.take(&mut judge, patient, row);
            let (command_id, source) = (&row.command_id, &row.source);
            let key = CommandKey { command_id, source, entity: patient };
            if let Some(at) = told_at.get(&key) {
                raised.extend(raised_by(row).map(|alert| (patient, alert, *at)));
            }
        }
        if let Some(reason) = watch.values.beyond() {
            judge.skip(format!("{patient:?} {reason}"));
        }
    }
    check_pages(&mut judge, evidence, &raised);
    judge.done()
}

/// When a client was told that its results are taken.
fn told_at(evidence: &Evidence) -> BTreeMap<CommandKey<'_>, Micros> {
    let commands = commands(&evidence.history).into_iter();
    let observed =
        commands.filter(|(_, one)| matches!(one.kind(), Some(OperationKind::Observe(_))));
    observed.filter_map(|(key, one)| Some((key, one.acknowledged_at()?))).collect()
}

fn raised_by(row: &JournalRow) -> impl Iterator<Item = &AlertId> {
    row.patient_events().iter().filter_map(|event| {
        let PatientEvent::AlertRaised { alert } = event else { return None };
        Some(&alert.id)
    })
}

/// The alerts of one patient as the journal goes on.
#[derive(Default)]
struct Watch {
    values: Values,
    open: BTreeSet<AlertCondition>,
    /// What the models said after the last row.
    scores: [Option<Expected>; MODELS.len()],
}

impl Watch {
    fn take(&mut self, judge: &mut Judge, patient: &EntityId, row: &JournalRow) {
        let mut touched: BTreeSet<AlertCondition> = BTreeSet::new();
        let mut critical: BTreeSet<AlertCondition> = BTreeSet::new();
        for event in row.patient_events() {
            self.values.take(event);
            self.take_alert(judge, patient, event, &mut touched);
            if let PatientEvent::ObservationRecorded { observation, .. } = event
                && let Some((measure, value)) = observation.measured
                && is_critical(measure, value)
                && self.is_timely(measure, observation.effective_at)
            {
                critical.insert(AlertCondition::CriticalValue(measure));
            }
        }
        if has_values(row) {
            let now = MODELS.map(|model| expected(model, &self.values));
            let before = std::mem::replace(&mut self.scores, now);
            for ((model, now), before) in MODELS.into_iter().zip(now).zip(before) {
                let needs = now.is_some_and(|now| needs_somebody(model, now.band));
                if needs && now != before {
                    critical.insert(AlertCondition::Score(model));
                }
            }
        }
        if self.values.beyond().is_some() {
            return;
        }
        for condition in critical.difference(&touched) {
            if !self.open.contains(condition) {
                let at = row.last_sequence();
                let detail = format!("{patient:?} at {at}: nobody is told of {condition:?}");
                judge.violate(INVARIANT, None, detail);
            }
        }
    }

    /// What is a day older than the newest value of its measure pages nobody.
    fn is_timely(&self, measure: Measure, at: Timestamp) -> bool {
        let newest = self.values.newest(measure, Timestamp::MAX);
        newest.is_some_and(|(newest, _)| newest.micros_since(at) <= MICROS_PER_DAY)
    }

    fn take_alert(
        &mut self,
        judge: &mut Judge,
        patient: &EntityId,
        event: &PatientEvent,
        touched: &mut BTreeSet<AlertCondition>,
    ) {
        if let PatientEvent::AlertRaised { alert } = event {
            touched.insert(alert.condition.clone());
            if !self.open.insert(alert.condition.clone()) {
                let detail = format!("{patient:?}: two open alerts of {:?}", alert.condition);
                judge.violate(INVARIANT, None, detail);
            }
        } else if let PatientEvent::AlertSuppressed { condition, .. }
        | PatientEvent::AlertSeverityChanged { condition, .. } = event
        {
            touched.insert(condition.clone());
        } else if let PatientEvent::AlertResolved { condition, .. } = event {
            self.open.remove(condition);
        }
    }
}

/// The clinical response of each publication: NEWS2 from a red score on, the others from the point
/// at which they are positive.
const fn needs_somebody(model: ScoreModel, band: Band) -> bool {
    match model {
        ScoreModel::News2 => matches!(band, Band::LowMedium | Band::Medium | Band::High),
        ScoreModel::ShockIndex => matches!(band, Band::Medium | Band::High),
        ScoreModel::Qsofa | ScoreModel::Sirs => matches!(band, Band::High),
        ScoreModel::Mews | ScoreModel::KdigoAki => false,
    }
}

/// Every alert that an acknowledged command raised reached somebody in time.
fn check_pages(judge: &mut Judge, evidence: &Evidence, raised: &[(&EntityId, &AlertId, Micros)]) {
    let Some(pages) = &evidence.pages else {
        if !raised.is_empty() {
            judge.skip("nobody listened for pages");
        }
        return;
    };
    let mut arrived: BTreeMap<(&EntityId, &AlertId), Micros> = BTreeMap::new();
    for page in pages {
        let known = arrived.entry((&page.entity, &page.alert)).or_insert(page.at);
        *known = page.at.min(*known);
    }
    let mut waits: Vec<Micros> = Vec::with_capacity(raised.len());
    for (patient, alert, told_at) in raised {
        let owed_from = (*told_at).max(evidence.healed_at);
        let due = owed_from.saturating_add(evidence.bounds.alert_micros);
        match arrived.get(&(*patient, *alert)) {
            Some(at) if *at <= due => waits.push(at.saturating_sub(*told_at)),
            Some(at) => {
                let late = at - due;
                let detail = format!("{patient:?}: page {alert} came {late} us late");
                judge.violate(INVARIANT, *at, detail);
            }
            None if due <= evidence.ended_at => {
                judge.violate(INVARIANT, due, format!("{patient:?}: no page for {alert}"));
            }
            None => judge.skip(format!("the run ended before page {alert} was due")),
        }
    }
    tell_spread(judge, waits);
}

/// From the acknowledgement to the page.
fn tell_spread(judge: &mut Judge, mut waits: Vec<Micros>) {
    waits.sort_unstable();
    let at =
        |percent: usize| waits.get((waits.len() * percent / 100).min(waits.len() - 1)).copied();
    if waits.is_empty() {
        return;
    }
    judge.figure("pages", u64::try_from(waits.len()).unwrap_or(u64::MAX));
    for (name, percent) in
        [("to the page, p50, us", 50), ("to the page, p99, us", 99), ("to the page, max, us", 100)]
    {
        judge.figure(name, at(percent).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expect_violation, patient_rows_mut, right_run, silent};

    #[test]
    fn a_critical_value_that_nobody_is_told_of_is_found_live_1() {
        let mut run = right_run();
        let findings = check(&run);
        assert!(findings.figures.iter().any(|figure| figure.name == "pages" && figure.value > 0));
        silent(findings);
        for row in patient_rows_mut(&mut run) {
            row.retain(|event| !matches!(event, PatientEvent::AlertRaised { .. }));
        }
        expect_violation(&check(&run), INVARIANT, "nobody is told of CriticalValue(HeartRate)");
        expect_violation(&check(&run), INVARIANT, "nobody is told of Score(News2)");
    }

    #[test]
    fn a_second_open_alert_is_found() {
        let mut run = right_run();
        for row in patient_rows_mut(&mut run) {
            let raised =
                row.iter().filter(|event| matches!(event, PatientEvent::AlertRaised { .. }));
            let again: Vec<PatientEvent> = raised.cloned().collect();
            row.extend(again);
        }
        expect_violation(&check(&run), INVARIANT, "two open alerts");
    }

    #[test]
    fn pages_that_are_late_or_missing_are_found() {
        let mut late = right_run();
        let bound = late.bounds.alert_micros;
        let pages = late.pages.as_mut().unwrap();
        pages.iter_mut().for_each(|page| page.at += 1 + bound);
        expect_violation(&check(&late), INVARIANT, "us late");
        let mut missing = right_run();
        missing.pages = Some(Vec::new());
        expect_violation(&check(&missing), INVARIANT, "no page for");
        missing.ended_at = 0;
        assert!(check(&missing).unchecked.iter().any(|one| one.reason.contains("was due")));
    }
}
