//! PAT-3 and PAT-4: histories are ordered and bounded, repeats change nothing, corrections and
//! withdrawals take effect, and future-dated values keep to themselves.

use crate::support::{World, device, minute, patient, report, value, vitals};
use actors_core::{Effect, Entity, IndexEntry, Notice};
use actors_patient::command::Reply;
use actors_patient::limits::{
    FUTURE_TOLERANCE_MICROS, HISTORY_MICROS_MAX, HISTORY_VALUES_MAX, OBSERVATIONS_MAX,
};
use actors_patient::{Command, Event, Patient};
use proptest::prelude::*;
use schema_types::clinical::ObservationStatus;
use schema_types::device::DeviceNotice;
use schema_types::error_code::ErrorCode;
use schema_types::ids::ObservationId;
use schema_types::measure::Measure;
use schema_types::patient::{AlertCondition, PatientNotice};
use schema_types::score::ScoreModel;
use schema_types::time::MICROS_PER_MINUTE;

const RATE: Measure = Measure::HeartRate;
const TOLERANCE_MINUTES: i64 = FUTURE_TOLERANCE_MICROS / MICROS_PER_MINUTE;

#[test]
fn a_repeat_changes_nothing() {
    let mut world = World::new();
    let id = patient("p1");
    let first = world.observe(&id, vec![value("o1", RATE, "80", 0)]);
    assert!(!first.events.is_empty());
    let again = world.observe(&id, vec![value("o1", RATE, "80", 0)]);
    assert_eq!((again.events, again.effects), (Vec::new(), Vec::new()));
    let Reply::Done(changes) = again.reply else { panic!("done") };
    assert_eq!((changes.observations_recorded, changes.observations_repeated), (0, 1));
}

#[test]
fn fhir_search_finds_what_did_not_arrive_as_fhir() {
    let mut world = World::new();
    let id = patient("p1");
    let outcome = world.observe(&id, vec![value("o1", RATE, "80", 0)]);
    let is_version = |event: &Event| {
        matches!(event, Event::ObservationRecorded { observation, as_resource: true, .. }
            if observation.id.as_str() == "o1")
    };
    assert!(outcome.events.iter().any(is_version));
    assert!(outcome.indexed(&IndexEntry::Observation { id: ObservationId::new("o1") }));
    assert!(world.state(&id).resources.is_empty(), "the live state does not count them");
}

#[test]
fn correction_and_withdrawal_change_scores() {
    let mut world = World::new();
    let id = patient("p1");
    world.observe(&id, vitals("a", 0, "16", "70"));
    world.observe(&id, vec![value("x", RATE, "135", 5)]);
    let minimum = |world: &World| {
        let state = world.state(&patient("p1"));
        let score = state.scores[&ScoreModel::News2];
        (score.minimum.to_string(), score.as_of)
    };
    assert_eq!(minimum(&world), ("3".into(), minute(5)));
    let corrected = world.observe(&id, vec![value("x", RATE, "95", 5)]);
    assert_eq!(minimum(&world), ("1".into(), minute(5)));
    let is_corrected = |event: &Event| {
        matches!(event, Event::ObservationRecorded { observation, .. }
            if observation.status == ObservationStatus::Corrected)
    };
    assert!(corrected.events.iter().any(is_corrected));
    let mut withdrawn = value("x", RATE, "95", 5);
    withdrawn.status = ObservationStatus::Withdrawn;
    world.observe(&id, vec![withdrawn]);
    assert_eq!(minimum(&world), ("0".into(), minute(0)), "back to what is left");
    assert_eq!(world.state(&id).measures[&RATE].len(), 1);
}

#[test]
fn withdrawing_the_only_value_ends_score_and_alert() {
    let mut world = World::new();
    let id = patient("p1");
    world.observe(&id, vec![value("k", Measure::Potassium, "7.1", 0)]);
    world.observe(&id, vec![value("r", Measure::RespiratoryRate, "30", 0)]);
    assert_eq!(world.state(&id).alerts.len(), 2, "{:?}", world.state(&id).alerts.keys());
    for (name, measure) in [("k", Measure::Potassium), ("r", Measure::RespiratoryRate)] {
        let mut withdrawn = value(name, measure, "7.1", 0);
        withdrawn.status = ObservationStatus::Withdrawn;
        world.observe(&id, vec![withdrawn]);
    }
    let state = world.state(&id);
    assert!(state.alerts.is_empty() && state.scores.is_empty() && state.measures.is_empty());
}

#[test]
fn pat_4_future_values_do_not_displace_present_ones() {
    let mut world = World::new();
    let id = patient("p1");
    world.observe(&id, vitals("now", 0, "16", "70"));
    let present = world.state(&id).scores[&ScoreModel::News2];
    let at = TOLERANCE_MINUTES + 1;
    let outcome = world.observe(&id, vitals("later", at, "30", "140"));
    let state = world.state(&id);
    assert_eq!(state.scores[&ScoreModel::News2], present, "the present result stands");
    let alert = &state.alerts[&AlertCondition::Score(ScoreModel::News2)];
    assert!(alert.future_dated);
    let is_of_the_future = |event: &Event| {
        let Event::ScoresRecorded { results } = event else { return false };
        results.iter().any(|score| {
            score.model == ScoreModel::News2
                && score.future_dated
                && score.as_of == minute(at)
                && score.minimum > present.minimum
        })
    };
    assert!(outcome.events.iter().any(is_of_the_future));
    let values = &state.measures[&RATE];
    assert_eq!(values.iter().filter(|value| value.future_dated).count(), 1);
    assert!(outcome.events.iter().any(|event| matches!(event,
        Event::ObservationRecorded { observation, .. }
            if observation.issues.contains(&ErrorCode::ClinicalFuture))));
}

#[test]
fn pat_4_future_results_stand_until_a_present_one_comes() {
    let mut world = World::new();
    let id = patient("p1");
    world.observe(&id, vitals("later", TOLERANCE_MINUTES + 5, "30", "140"));
    assert!(world.state(&id).scores[&ScoreModel::News2].as_of > minute(TOLERANCE_MINUTES));
    let first = world.state(&id).alerts[&AlertCondition::Score(ScoreModel::News2)].clone();
    assert!(first.future_dated);
    world.observe(&id, vitals("now", 0, "28", "135"));
    let state = world.state(&id);
    assert_eq!(state.scores[&ScoreModel::News2].as_of, minute(0));
    let alert = &state.alerts[&AlertCondition::Score(ScoreModel::News2)];
    assert!(!alert.future_dated && alert.id != first.id, "a present trigger pages anew");
    // Exactly at the tolerance is present still.
    world.observe(&id, vec![value("edge", RATE, "80", TOLERANCE_MINUTES)]);
    assert_eq!(world.state(&id).scores[&ScoreModel::News2].as_of, minute(TOLERANCE_MINUTES));
}

#[test]
fn pat_3_history_keeps_the_newest_values() {
    let mut world = World::new();
    let id = patient("p1");
    let count = i64::try_from(HISTORY_VALUES_MAX).unwrap();
    let many = (0..count + 10).map(|at| value(&format!("o{at}"), RATE, "80", at)).collect();
    world.observe(&id, many);
    let held = &world.state(&id).measures[&RATE];
    assert_eq!(held.len(), HISTORY_VALUES_MAX);
    assert_eq!(held[0].effective_at, minute(10));
    assert_eq!(world.state(&id).observations_total, u64::try_from(count + 10).unwrap());
    world.observe(&id, vec![value("late", RATE, "81", 5)]);
    assert_eq!(world.state(&id).measures[&RATE][0].effective_at, minute(10), "too late to keep");
}

#[test]
fn pat_3_history_reaches_back_a_week_and_a_day() {
    let mut world = World::new();
    let id = patient("p1");
    let window = HISTORY_MICROS_MAX / MICROS_PER_MINUTE;
    let creatinine = |name: &str, at: i64| value(name, Measure::Creatinine, "1.0", at);
    world.now = minute(window);
    world.observe(&id, vec![creatinine("old", -1), creatinine("edge", 0)]);
    world.observe(&id, vec![creatinine("new", window)]);
    let state = world.state(&id);
    let held: Vec<&str> =
        state.measures[&Measure::Creatinine].iter().map(|v| v.observation.as_str()).collect();
    assert_eq!(held, ["edge", "new"]);
    world.observe(&id, vec![value("weight", Measure::BodyWeight, "80", -1_000_000)]);
    assert_eq!(world.state(&id).measures[&Measure::BodyWeight].len(), 1, "the newest stays");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn pat_3_any_order_of_values_gives_the_same_history(
        times in prop::collection::vec(0_i64..20_000, 1..24),
        order in any::<prop::sample::Index>(),
    ) {
        let told = |times: &[(usize, i64)]| {
            let mut world = World::new();
            world.now = minute(20_000);
            for (index, at) in times {
                let rate = (60 + at % 90).to_string();
                let one = value(&format!("o{index}"), RATE, &rate, *at);
                world.step(&patient("p1"), report(vec![one])).unwrap();
            }
            let mut state = world.state(&patient("p1"));
            // Alerts are what was known when; values and current results converge.
            state.alerts.clear();
            state.resolved_alerts.clear();
            state.alerts_total = 0;
            Patient::encode_state(&state)
        };
        let mut numbered: Vec<(usize, i64)> = times.into_iter().enumerate().collect();
        let expected = told(&numbered);
        let turn = order.index(numbered.len());
        numbered.rotate_left(turn);
        numbered.reverse();
        prop_assert_eq!(told(&numbered), expected);
    }
}

#[test]
fn devices_hear_of_samples_that_came_another_way() {
    let mut world = World::new();
    let id = patient("p1");
    let mut observation = value("o1", RATE, "80", 3);
    observation.device = Some(device("monitor-1"));
    let outcome = world.observe(&id, vec![observation.clone()]);
    let told = |effect: &Effect| match effect {
        Effect::Send { to, notice: Notice::Device(DeviceNotice::SamplesSeen { summary, .. }) } => {
            *to == device("monitor-1") && summary.samples == 1 && summary.stored_and_forwarded
        }
        _ => false,
    };
    assert!(outcome.effects.iter().any(told));
    observation.id = ObservationId::new("o2");
    let notice = PatientNotice::DeviceObservations {
        device: device("monitor-1"),
        observations: vec![observation],
    };
    let outcome = world.run(&patient("p2"), Command::Notice(notice));
    assert!(!outcome.effects.iter().any(told), "the device knows what it sent itself");
    assert_eq!(world.state(&patient("p2")).observations_total, 1);
}

#[test]
fn lim_1_one_command_has_a_limit() {
    let mut world = World::new();
    let one = value("o", RATE, "80", 0);
    let refused = world.refused(&patient("p1"), report(vec![one; OBSERVATIONS_MAX + 1]));
    assert_eq!(refused.code, ErrorCode::EntityLimit);
}
