//! PAT-2: one open alert per condition under any triggers; raise, suppress, calm, escalate,
//! acknowledge, resolve.

use crate::support::{Outcome, World, device, minute, patient, report, value, vitals};
use actors_core::{Effect, Entity, IndexEntry};
use actors_patient::command::Reply;
use actors_patient::limits::{
    ESCALATION_MICROS_CRITICAL, ESCALATION_MICROS_WARNING, ESCALATIONS_MAX, RESOLVED_ALERTS_MAX,
};
use actors_patient::{Command, Event, Patient};
use proptest::prelude::*;
use schema_types::error_code::ErrorCode;
use schema_types::ids::{AlertId, EntityId};
use schema_types::measure::Measure;
use schema_types::patient::{Alert, AlertCondition, AlertStatus, PatientNotice, Severity};
use schema_types::score::ScoreModel;
use schema_types::time::Timestamp;

const NEWS2: AlertCondition = AlertCondition::Score(ScoreModel::News2);
/// Respiratory and heart rates of a NEWS2 of 0, 5 (warning) and 6 with red, then 8 (critical).
const CALM: (&str, &str) = ("16", "70");
const WARNING: (&str, &str) = ("22", "131");
const MEDIUM: (&str, &str) = ("25", "112");

fn one_vital(world: &mut World, minutes: i64, rates: (&str, &str)) -> Outcome {
    world.now = minute(minutes);
    let mut set = vitals(&format!("v{minutes}"), minutes, rates.0, rates.1);
    set.truncate(5);
    world.observe(&patient("p1"), set)
}

/// NEWS2 of at least 7: as [`MEDIUM`], with fever.
fn critical(world: &mut World, minutes: i64) -> Outcome {
    world.now = minute(minutes);
    let mut set = vitals(&format!("v{minutes}"), minutes, "26", "135");
    set[6] = value(&format!("t{minutes}"), Measure::BodyTemperature, "39.2", minutes);
    world.observe(&patient("p1"), set)
}

fn open(world: &World) -> Option<Alert> {
    world.state(&patient("p1")).alerts.get(&NEWS2).cloned()
}

fn timer(outcome: &Outcome, condition: &str) -> Option<Timestamp> {
    outcome.effects.iter().rev().find_map(|effect| match effect {
        Effect::SetTimer { name, due } if *name == format!("alert/{condition}") => Some(*due),
        _ => None,
    })
}

#[test]
fn life_of_an_alert() {
    let mut world = World::new();
    let raised = one_vital(&mut world, 0, WARNING);
    let alert = open(&world).unwrap();
    assert_eq!((alert.severity, alert.status), (Severity::Warning, AlertStatus::Active));
    assert_eq!(alert.id.as_str(), "news2-1");
    assert!(raised.indexed(&IndexEntry::OpenAlerts));
    assert_eq!(timer(&raised, "news2"), Some(minute(0).plus_micros(ESCALATION_MICROS_WARNING)));

    let suppressed = one_vital(&mut world, 1, MEDIUM);
    assert!(!suppressed.indexed(&IndexEntry::OpenAlerts));
    assert_eq!(open(&world).unwrap().suppressed, 1, "counted, not paged");
    assert_eq!(timer(&suppressed, "news2"), None);

    acknowledge(&mut world, "news2-1");
    assert_eq!(open(&world).unwrap().status, AlertStatus::Acknowledged);

    let worse = critical(&mut world, 2);
    let alert = open(&world).unwrap();
    assert_eq!((alert.severity, alert.status), (Severity::Critical, AlertStatus::Active));
    assert_eq!((alert.id.as_str(), alert.acknowledged_by), ("news2-1", None));
    assert_eq!(timer(&worse, "news2"), Some(minute(2).plus_micros(ESCALATION_MICROS_CRITICAL)));

    one_vital(&mut world, 3, WARNING);
    assert_eq!(open(&world).unwrap().severity, Severity::Critical, "no calm result yet");
    world.observe(&patient("p1"), vec![value("t", Measure::BodyTemperature, "37.0", 4)]);
    one_vital(&mut world, 5, CALM);
    assert_eq!(open(&world).unwrap().calm_results, 1);
    one_vital(&mut world, 6, WARNING);
    assert_eq!(open(&world).unwrap().severity, Severity::Warning, "less after a calm result");
    one_vital(&mut world, 7, CALM);
    assert!(open(&world).is_some(), "one calm result does not end it");
    let ended = one_vital(&mut world, 8, CALM);
    assert_eq!(open(&world), None);
    assert!(ended.unindexed(&IndexEntry::OpenAlerts));
    assert!(ended.effects.contains(&Effect::CancelTimer { name: "alert/news2".into() }));
    let Reply::Done(changes) = ended.reply else { panic!("done") };
    assert_eq!(changes.alerts.last().unwrap().status, AlertStatus::Resolved);

    one_vital(&mut world, 9, WARNING);
    assert_ne!(open(&world).unwrap().id.as_str(), "news2-1", "a new page");
}

fn acknowledge(world: &mut World, id: &str) -> Outcome {
    world.run(&patient("p1"), Command::AcknowledgeAlert { alert: AlertId::new(id) })
}

#[test]
fn acknowledged_once_by_name() {
    let mut world = World::new();
    one_vital(&mut world, 0, WARNING);
    let taken = acknowledge(&mut world, "news2-1");
    assert!(taken.effects.contains(&Effect::CancelTimer { name: "alert/news2".into() }));
    let Reply::Alerts(alerts) = &taken.reply else { panic!("alerts") };
    assert_eq!(alerts[0].acknowledged_by.as_ref().unwrap().as_str(), "nurse-1");
    for id in ["news2-1", "news2-2", ""] {
        let command = Command::AcknowledgeAlert { alert: AlertId::new(id) };
        assert_eq!(world.refused(&patient("p1"), command).code, ErrorCode::PatientAlert, "{id}");
    }
    let resolve = Command::ResolveAlert { alert: AlertId::new("news2-1") };
    let resolved = world.run(&patient("p1"), resolve.clone());
    assert!(matches!(&resolved.reply, Reply::Alerts(alerts)
        if alerts[0].status == AlertStatus::Resolved));
    assert_eq!(world.refused(&patient("p1"), resolve).code, ErrorCode::PatientAlert);
}

fn fire(world: &mut World, due: Timestamp) -> Outcome {
    world.now = due;
    world.run(&patient("p1"), Patient::timer_command("alert/news2", due).unwrap())
}

#[test]
fn unanswered_alerts_are_escalated_to_a_limit() {
    let mut world = World::new();
    let raised = one_vital(&mut world, 0, WARNING);
    let mut due = timer(&raised, "news2");
    let mut escalations = 0;
    while let Some(at) = due {
        due = timer(&fire(&mut world, at), "news2");
        escalations += 1;
        assert_eq!(open(&world).unwrap().escalations, escalations);
        assert_eq!(open(&world).unwrap().status, AlertStatus::Escalated);
    }
    assert_eq!(escalations, ESCALATIONS_MAX);
    let late = world.now.plus_micros(ESCALATION_MICROS_WARNING);
    assert!(fire(&mut world, late).events.is_empty());
    acknowledge(&mut world, "news2-1");
}

#[test]
fn timers_that_were_moved_or_answered_do_nothing() {
    let mut world = World::new();
    let first = timer(&one_vital(&mut world, 0, WARNING), "news2").unwrap();
    critical(&mut world, 29);
    assert!(fire(&mut world, first).events.is_empty(), "moved when it became worse");
    acknowledge(&mut world, "news2-1");
    let later = minute(300);
    assert!(fire(&mut world, later).events.is_empty(), "answered");
    assert_eq!(Patient::timer_command("other", later), None);
    let unknown = Patient::timer_command("alert/no-such", later).unwrap();
    assert!(world.run(&patient("p1"), unknown).events.is_empty());
}

#[test]
fn critical_values_page_and_one_good_laboratory_value_ends_it() {
    let mut world = World::new();
    let id = patient("p1");
    world.now = minute(10);
    let condition = AlertCondition::CriticalValue(Measure::Potassium);
    let potassium = |name: &str, text: &str, at| value(name, Measure::Potassium, text, at);
    let raised = world.observe(&id, vec![potassium("k1", "6.9", 0)]);
    let alert = world.state(&id).alerts[&condition].clone();
    assert_eq!(alert.id.as_str(), "critical-potassium-1");
    assert_eq!(alert.trigger.to_string(), "6.9");
    assert!(timer(&raised, "critical-potassium").is_some());
    world.observe(&id, vec![potassium("k0", "4.0", -5)]);
    assert!(world.state(&id).alerts.contains_key(&condition), "a late good value says nothing");
    world.observe(&id, vec![potassium("k2", "6.8", 1)]);
    assert_eq!(world.state(&id).alerts[&condition].suppressed, 1);
    world.observe(&id, vec![potassium("k3", "4.4", 2)]);
    assert!(world.state(&id).alerts.is_empty());
    world.observe(&id, vec![potassium("k9", "2.0", -3)]);
    let late = world.state(&id).alerts[&condition].clone();
    assert_eq!(late.observed_at, minute(-3), "a late critical value pages");
}

#[test]
fn silent_devices_page_until_they_speak() {
    let mut world = World::new();
    let id = patient("p1");
    let told = |world: &mut World, silent, at| {
        let device = device("m1");
        let notice = PatientNotice::DeviceSilence { device, silent, at: minute(at) };
        world.run(&patient("p1"), Command::Notice(notice))
    };
    let joined = |world: &mut World, associated, at| {
        let device = device("m1");
        let notice = PatientNotice::DeviceAssociation { device, associated, at: minute(at) };
        world.run(&patient("p1"), Command::Notice(notice))
    };
    joined(&mut world, true, 0);
    assert_eq!(world.state(&id).devices[&device("m1")], minute(0));
    told(&mut world, true, 5);
    told(&mut world, true, 6);
    let state = world.state(&id);
    assert_eq!(state.alerts[&AlertCondition::DeviceSilent(device("m1"))].suppressed, 1);
    told(&mut world, false, 7);
    assert!(world.state(&id).alerts.is_empty());
    assert!(told(&mut world, false, 8).events.is_empty());
    told(&mut world, true, 9);
    joined(&mut world, false, -1);
    assert_eq!(world.state(&id).devices.len(), 1, "older than the association");
    joined(&mut world, false, 10);
    let state = world.state(&id);
    assert!(state.alerts.is_empty() && state.devices.is_empty(), "nobody is measured by it");
}

#[test]
fn resolved_alerts_are_remembered_to_a_limit() {
    let mut world = World::new();
    let id = patient("p1");
    for index in 0..40_i64 {
        let text = if index % 2 == 0 { "7.5" } else { "4.5" };
        world.observe(&id, vec![value(&format!("k{index}"), Measure::Potassium, text, index)]);
    }
    let state = world.state(&id);
    assert_eq!(state.alerts_total, 20);
    assert_eq!(state.resolved_alerts.len(), 20.min(RESOLVED_ALERTS_MAX));
}

#[derive(Debug, Clone)]
enum Step {
    Value(usize, i64, i64),
    Acknowledge,
    Resolve,
    Fire(usize),
}

const MEASURES: [(Measure, i64, i64); 4] = [
    (Measure::RespiratoryRate, 4, 40),
    (Measure::HeartRate, 30, 160),
    (Measure::SystolicPressure, 70, 230),
    (Measure::Potassium, 2, 8),
];

fn apply(world: &mut World, id: &EntityId, index: usize, step: &Step) -> Vec<Event> {
    world.now = world.now.plus_micros(60_000_000);
    let first = world.state(id).alerts.values().next().map(|alert| alert.id.clone());
    let alert = first.unwrap_or_else(|| AlertId::new("none"));
    let command = match step {
        Step::Value(measure, share, at) => {
            let (measure, low, high) = MEASURES[*measure];
            let text = (low + (high - low) * share / 100).to_string();
            report(vec![value(&format!("o{index}"), measure, &text, *at)])
        }
        Step::Acknowledge => Command::AcknowledgeAlert { alert },
        Step::Resolve => Command::ResolveAlert { alert },
        Step::Fire(model) => {
            let label = ScoreModel::ALL[*model].label();
            Patient::timer_command(&format!("alert/{label}"), world.now).unwrap()
        }
    };
    world.step(id, command).map(|outcome| outcome.events).unwrap_or_default()
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        8 => (0_usize..4, 0_i64..=100, -100_i64..100).prop_map(|(m, v, at)| Step::Value(m, v, at)),
        1 => Just(Step::Acknowledge),
        1 => Just(Step::Resolve),
        1 => (0_usize..6).prop_map(Step::Fire),
    ];
    prop::collection::vec(one, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn pat_2_one_page_per_condition(steps in steps()) {
        let mut world = World::new();
        let id = patient("p1");
        let mut open = std::collections::BTreeSet::new();
        for (index, step) in steps.iter().enumerate() {
            for event in apply(&mut world, &id, index, step) {
                match event {
                    Event::AlertRaised { alert } => {
                        prop_assert!(open.insert(alert.condition), "paged twice");
                    }
                    Event::AlertResolved { condition, .. } => {
                        prop_assert!(open.remove(&condition), "resolved twice");
                    }
                    Event::AlertSuppressed { condition, .. }
                    | Event::AlertSeverityChanged { condition, .. }
                    | Event::AlertCalmed { condition, .. }
                    | Event::AlertAcknowledged { condition, .. }
                    | Event::AlertEscalated { condition, .. } => {
                        prop_assert!(open.contains(&condition), "nothing is open");
                    }
                    _ => {}
                }
            }
            let state = world.state(&id);
            prop_assert!(state.alerts.keys().eq(open.iter()));
        }
    }
}
