//! PAT-5: a current result is what its model says of the values held, is made once per command, and
//! late values are judged at their own time without displacing it.

use crate::support::{World, minute, patient, report, value, vitals};
use actors_patient::Event;
use actors_patient::limits::LATE_ALERT_MICROS_MAX;
use actors_patient::view::replayed;
use proptest::prelude::*;
use schema_types::clinical::ObservationStatus;
use schema_types::measure::Measure;
use schema_types::patient::AlertCondition;
use schema_types::score::{Band, Missing, ScoreModel, ScoreResult};
use schema_types::time::MICROS_PER_MINUTE;

fn recorded(events: &[Event], model: ScoreModel) -> Vec<ScoreResult> {
    let mut found = Vec::new();
    for event in events {
        if let Event::ScoresRecorded { results } = event {
            found.extend(results.iter().filter(|result| result.model == model));
        }
    }
    found
}

#[test]
fn news2_is_made_once_per_command() {
    let mut world = World::new();
    let outcome = world.observe(&patient("p1"), vitals("a", 0, "24", "112"));
    let scores = recorded(&outcome.events, ScoreModel::News2);
    assert_eq!(scores.len(), 1);
    assert!(scores[0].complete);
    assert_eq!(scores[0].minimum.to_string(), "4");
    assert_eq!(scores[0].band, Band::Low);
    let again = world.observe(&patient("p1"), vitals("a", 0, "24", "112"));
    assert!(again.events.is_empty());
}

#[test]
fn missing_and_stale_are_not_zero() {
    let mut world = World::new();
    let id = patient("p1");
    world.observe(&id, vec![value("r", Measure::RespiratoryRate, "22", 0)]);
    let score = world.state(&id).scores[&ScoreModel::News2];
    assert!(!score.complete && score.maximum > score.minimum);
    world.now = minute(13 * 60);
    world.observe(&id, vec![value("h", Measure::HeartRate, "80", 13 * 60)]);
    let state = world.state(&id);
    let score = replayed(&state, &state.scores[&ScoreModel::News2]).unwrap();
    let rate = score.parts.iter().find(|part| part.parameter == "respiratory-rate").unwrap();
    assert_eq!(rate.points, Err(Missing::Stale));
}

#[test]
fn late_values_are_judged_at_their_time() {
    let mut world = World::new();
    let id = patient("p1");
    world.now = minute(60);
    world.observe(&id, vitals("new", 60, "16", "70"));
    let current = world.state(&id).scores[&ScoreModel::News2];
    let outcome = world.observe(&id, vitals("late", 30, "30", "140"));
    let scores = recorded(&outcome.events, ScoreModel::News2);
    assert_eq!(scores.iter().map(|score| score.as_of).collect::<Vec<_>>(), [minute(30)]);
    let state = world.state(&id);
    assert_eq!(state.scores[&ScoreModel::News2], current, "the newer one stands");
    let alert = &state.alerts[&AlertCondition::Score(ScoreModel::News2)];
    assert_eq!((alert.observed_at, alert.raised_at), (minute(30), minute(60)));
}

#[test]
fn a_late_value_that_the_current_result_lacked_changes_it() {
    let mut world = World::new();
    let id = patient("p1");
    world.now = minute(60);
    let mut partial = vitals("new", 60, "16", "70");
    partial.remove(0);
    world.observe(&id, partial);
    assert!(!world.state(&id).scores[&ScoreModel::News2].complete);
    world.observe(&id, vec![value("late", Measure::RespiratoryRate, "22", 30)]);
    let score = world.state(&id).scores[&ScoreModel::News2];
    assert!(score.complete);
    assert_eq!((score.as_of, score.minimum.to_string().as_str()), (minute(60), "2"));
}

#[test]
fn very_late_values_page_nobody() {
    let mut world = World::new();
    let id = patient("p1");
    let now = LATE_ALERT_MICROS_MAX / MICROS_PER_MINUTE + 1;
    world.now = minute(now);
    world.observe(&id, vitals("new", now, "16", "70"));
    let outcome = world.observe(&id, vitals("late", 0, "30", "140"));
    assert_eq!(recorded(&outcome.events, ScoreModel::News2).len(), 1, "recorded all the same");
    assert!(world.state(&id).alerts.is_empty());
}

#[derive(Debug, Clone)]
enum Step {
    Observe { slot: u8, measure: usize, rate: u8, at: i64 },
    Withdraw { slot: u8 },
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let observe = (0_u8..6, 0_usize..4, 20_u8..150, -3_000_i64..3_000)
        .prop_map(|(slot, measure, rate, at)| Step::Observe { slot, measure, rate, at });
    let one = prop_oneof![
        6 => observe,
        2 => (0_u8..6).prop_map(|slot| Step::Withdraw { slot }),
        1 => (1_i64..600).prop_map(Step::Wait),
    ];
    prop::collection::vec(one, 1..24)
}

const MEASURES: [Measure; 4] =
    [Measure::HeartRate, Measure::SystolicPressure, Measure::RespiratoryRate, Measure::BodyWeight];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The world checks PAT-5, DET-1 and the rules of the state after every step.
    #[test]
    fn pat_5_holds_under_corrections_withdrawals_and_lateness(steps in steps()) {
        let mut world = World::new();
        let mut minutes = 0;
        for step in steps {
            let one = match step {
                Step::Observe { slot, measure, rate, at } => {
                    value(&format!("o{slot}"), MEASURES[measure], &rate.to_string(), at)
                }
                Step::Withdraw { slot } => {
                    let mut one = value(&format!("o{slot}"), MEASURES[0], "80", 0);
                    one.status = ObservationStatus::Withdrawn;
                    one
                }
                Step::Wait(by) => {
                    minutes += by;
                    world.now = minute(minutes);
                    continue;
                }
            };
            let one = if one.measured.is_some_and(|(measure, value)| {
                measure == Measure::RespiratoryRate && value > 80.into()
            }) {
                continue;
            } else {
                one
            };
            world.step(&patient("p1"), report(vec![one])).unwrap();
        }
    }
}
