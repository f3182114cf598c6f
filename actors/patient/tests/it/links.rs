//! PAT-7, PAT-8 and PAT-10: a retired record pages nobody, separating leaves no trace, notices
//! converge in any order, and no circle closes.

use crate::support::{World, adt, minute, patient, provenance, report, value, vitals};
use actors_core::{Effect, Entity, IndexEntry};
use actors_patient::{Command, Event, Patient, State};
use proptest::prelude::*;
use schema_types::clinical::ObservationStatus;
use schema_types::error_code::ErrorCode;
use schema_types::ids::EntityId;
use schema_types::measure::Measure;
use schema_types::patient::AlertCondition;
use schema_types::score::ScoreModel;

const NEWS2: AlertCondition = AlertCondition::Score(ScoreModel::News2);

fn merge(retired: &EntityId, minutes: i64) -> Command {
    let at = minute(minutes);
    Command::Merge { retired: retired.clone(), at, provenance: provenance("adt-a40") }
}

fn unmerge(retired: &EntityId, minutes: i64) -> Command {
    Command::Unmerge { retired: retired.clone(), at: minute(minutes) }
}

fn creatinine(id: &str, text: &str, minutes: i64) -> schema_types::clinical::Observation {
    value(id, Measure::Creatinine, text, minutes)
}

#[test]
fn survivor_sees_the_values_of_the_retired_record() {
    let (mut world, a, b) = (World::new(), patient("a"), patient("b"));
    world.now = minute(600);
    world.observe(&b, vec![creatinine("b1", "1.0", 0)]);
    world.observe(&a, vec![creatinine("a1", "2.1", 300)]);
    assert!(world.state(&a).alerts.is_empty());
    world.run(&a, merge(&b, 600));
    let state = world.state(&a);
    assert_eq!(state.links[&b].contributions[&Measure::Creatinine].len(), 1);
    let aki = &state.alerts[&AlertCondition::Score(ScoreModel::KdigoAki)];
    assert_eq!(aki.trigger.to_string(), "2", "twice the baseline of the other record");
    assert_eq!(world.state(&b).merged_into, Some((a.clone(), minute(600))));
    assert_eq!(state.measures[&Measure::Creatinine].len(), 1, "own values stay own");
}

#[test]
fn pat_7_a_retired_record_pages_nobody() {
    let (mut world, a, b) = (World::new(), patient("a"), patient("b"));
    world.observe(&b, vitals("b", 0, "30", "140"));
    world.observe(&a, vitals("a", -5, "16", "70"));
    assert!(world.state(&b).alerts.contains_key(&NEWS2));
    world.step(&a, merge(&b, 1)).unwrap();
    let (_, notice) = world.outbox.pop_front().unwrap();
    let retired = world.step(&b, Patient::notice_command(notice).unwrap()).unwrap();
    assert!(retired.unindexed(&IndexEntry::OpenAlerts));
    assert!(retired.effects.contains(&Effect::CancelTimer { name: "alert/news2".into() }));
    world.deliver_all();
    assert!(world.state(&a).alerts.contains_key(&NEWS2), "the survivor pages instead");
    world.now = minute(5);
    let later = world.observe(&b, vec![value("k", Measure::Potassium, "8", 5)]);
    assert!(!later.events.iter().any(|event| matches!(event, Event::AlertRaised { .. })));
    let critical = AlertCondition::CriticalValue(Measure::Potassium);
    assert!(world.state(&a).alerts.contains_key(&critical), "later values page there");
    let due = minute(10_000);
    let fired = world.run(&b, Patient::timer_command("alert/news2", due).unwrap());
    assert!(fired.events.is_empty());

    world.step(&a, unmerge(&b, 6)).unwrap();
    let (_, notice) = world.outbox.pop_front().unwrap();
    let separated = world.step(&b, Patient::notice_command(notice).unwrap()).unwrap();
    assert!(separated.indexed(&IndexEntry::OpenAlerts));
    assert!(separated.effects.iter().any(|effect| matches!(effect, Effect::SetTimer { .. })));
    assert!(world.state(&b).alerts.contains_key(&critical), "it pages for what it learned");
    let survivor = world.state(&a);
    assert!(survivor.alerts.is_empty(), "nothing of it is left there: {:?}", survivor.alerts);
}

#[test]
fn corrections_and_withdrawals_reach_the_survivor() {
    let (mut world, a, b) = (World::new(), patient("a"), patient("b"));
    world.observe(&b, vec![value("k", Measure::Potassium, "8", 0)]);
    world.run(&a, merge(&b, 1));
    let critical = AlertCondition::CriticalValue(Measure::Potassium);
    assert!(world.state(&a).alerts.contains_key(&critical));
    world.now = minute(2);
    let mut withdrawn = value("k", Measure::Potassium, "8", 0);
    withdrawn.status = ObservationStatus::Withdrawn;
    world.observe(&b, vec![withdrawn]);
    assert!(world.state(&a).alerts.is_empty());
    world.now = minute(3);
    world.observe(&b, vec![value("k", Measure::Potassium, "4", 0)]);
    let held = &world.state(&a).links[&b].contributions[&Measure::Potassium];
    assert_eq!((held.len(), held[0].value.to_string().as_str()), (1, "4"));
}

#[test]
fn wrong_merges_are_refused() {
    let (mut world, a, b) = (World::new(), patient("a"), patient("b"));
    assert_eq!(world.refused(&a, merge(&a, 1)).code, ErrorCode::PatientMerge);
    let device = crate::support::device("m1");
    assert_eq!(world.refused(&a, merge(&device, 1)).code, ErrorCode::PatientMerge);
    assert_eq!(world.refused(&a, unmerge(&b, 1)).code, ErrorCode::PatientLink);
    world.run(&a, merge(&b, 1));
    assert!(world.run(&a, merge(&b, 2)).events.is_empty(), "a repeat");
    assert_eq!(world.refused(&b, merge(&a, 3)).code, ErrorCode::PatientMerge, "a circle");
    let c = patient("c");
    assert_eq!(world.refused(&b, merge(&c, 3)).code, ErrorCode::PatientMerge, "retired itself");
    world.run(&a, unmerge(&b, 4));
    assert_eq!(world.refused(&a, unmerge(&b, 5)).code, ErrorCode::PatientLink, "once only");
}

#[test]
fn a_merge_makes_known_and_its_undoing_unknown() {
    let (mut world, a, b) = (World::new(), patient("a"), patient("b"));
    world.observe(&b, vec![value("h", Measure::HeartRate, "80", 0)]);
    assert!(world.run(&a, merge(&b, 1)).indexed(&IndexEntry::Known));
    assert!(world.run(&a, unmerge(&b, 2)).unindexed(&IndexEntry::Known));
    assert_eq!(world.state(&a), State::default());
}

#[test]
fn chains_pass_values_on_and_take_them_back() {
    let (mut world, a, b, c) = (World::new(), patient("a"), patient("b"), patient("c"));
    world.observe(&a, vec![creatinine("x", "1.0", 0)]);
    world.observe(&b, vec![creatinine("x", "1.1", 1)]);
    world.observe(&c, vec![creatinine("x", "1.2", 2)]);
    let alone = world.state(&c);
    world.run(&b, merge(&a, 3));
    world.run(&c, merge(&b, 4));
    world.now = minute(5);
    world.observe(&a, vec![creatinine("y", "1.3", 5)]);
    let seen = |world: &World| {
        let state = world.state(&patient("c"));
        let values = &state.links[&patient("b")].contributions[&Measure::Creatinine];
        let shown = values.iter().filter(|value| value.effective_at > minute(-1));
        shown.map(|value| value.value.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(seen(&world), ["1.0", "1.1", "1.3"]);
    world.now = minute(6);
    world.run(&b, unmerge(&a, 6));
    assert_eq!(seen(&world), ["1.1"]);
    world.now = minute(7);
    world.run(&c, unmerge(&b, 7));
    world.run(&b, merge(&a, 7));
    world.run(&c, merge(&b, 7));
    assert_eq!(seen(&world), ["1.0", "1.1", "1.3"]);
    world.now = minute(8);
    world.run(&c, unmerge(&b, 8));
    assert_eq!(without_alerts(world.state(&c)), without_alerts(alone));
    assert!(world.state(&a).merged_into.is_some(), "the other link stands");
}

#[test]
fn pat_10_merges_that_cross_are_decided_alike() {
    for (first, second) in [(1, 2), (2, 1), (1, 1)] {
        for order in [[0, 0, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1]] {
            let (mut world, a, b) = (World::new(), patient("a"), patient("b"));
            world.observe(&a, vec![creatinine("a1", "1.0", 0)]);
            world.observe(&b, vec![creatinine("b1", "2.0", 1)]);
            world.step(&a, merge(&b, first)).unwrap();
            world.step(&b, merge(&a, second)).unwrap();
            for index in order.into_iter().cycle() {
                if world.outbox.is_empty() {
                    break;
                }
                world.deliver(index.min(world.outbox.len() - 1));
            }
            let (survivor, retired) = if first <= second { (&a, &b) } else { (&b, &a) };
            let (one, other) = (world.state(survivor), world.state(retired));
            assert!(one.merged_into.is_none() && other.links.is_empty(), "{first} {second}");
            assert_eq!(other.merged_into.unwrap().0, *survivor);
            assert_eq!(one.links[retired].contributions.len(), 1);
        }
    }
}

#[test]
fn a_record_retired_twice_follows_the_earlier_statement() {
    let told = |order: [usize; 2]| {
        let (mut world, a, b, c) = (World::new(), patient("a"), patient("b"), patient("c"));
        world.observe(&c, vec![creatinine("c1", "1.0", 0)]);
        world.step(&a, merge(&c, 1)).unwrap();
        world.step(&b, merge(&c, 2)).unwrap();
        for index in order {
            world.deliver(index);
        }
        world.deliver_all();
        assert_eq!(world.state(&c).merged_into, Some((a.clone(), minute(1))));
        assert!(world.state(&b).links.is_empty());
        Patient::encode_state(&world.state(&a))
    };
    assert_eq!(told([0, 0]), told([1, 0]));
}

#[test]
fn a_contribution_without_a_link_is_answered_by_separating() {
    let (mut world, a, b) = (World::new(), patient("a"), patient("b"));
    world.observe(&b, vec![creatinine("b1", "1.0", 0)]);
    let alone = world.state(&b);
    world.step(&a, merge(&b, 1)).unwrap();
    world.step(&a, unmerge(&b, 2)).unwrap();
    // The separation overtakes the retirement.
    world.deliver(1);
    world.deliver_all();
    assert_eq!(world.state(&b), alone);
    assert!(world.state(&a).links.is_empty());
}

/// Without what is a fact of the journal: alerts raised while joined.
fn without_alerts(mut state: State) -> Vec<u8> {
    state.alerts.clear();
    state.resolved_alerts.clear();
    state.alerts_total = 0;
    Patient::encode_state(&state)
}

#[derive(Debug, Clone)]
struct Told {
    to: bool,
    measure: usize,
    share: i64,
    at: i64,
}

fn told() -> impl Strategy<Value = Told> {
    (any::<bool>(), 0_usize..3, 0_i64..=100, 0_i64..3_000)
        .prop_map(|(to, measure, share, at)| Told { to, measure, share, at })
}

fn tell(world: &mut World, index: usize, told: &Told) {
    let (measure, low, high) = [
        (Measure::Creatinine, 1, 6),
        (Measure::HeartRate, 50, 150),
        (Measure::RespiratoryRate, 10, 40),
    ][told.measure];
    let text = (low + (high - low) * told.share / 100).to_string();
    let id = if told.to { patient("a") } else { patient("b") };
    let command = report(vec![value(&format!("o{index}"), measure, &text, told.at)]);
    world.step(&id, command).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pat_8_merge_and_unmerge_leave_no_trace(before in prop::collection::vec(told(), 0..12)) {
        let (mut world, a, b) = (World::new(), patient("a"), patient("b"));
        world.run(&a, adt("admit@0>A", "m1"));
        for (index, one) in before.iter().enumerate() {
            tell(&mut world, index, one);
        }
        let (alone_a, alone_b) = (world.state(&a), world.state(&b));
        world.now = minute(3_000);
        world.run(&a, merge(&b, 3_000));
        let changed = world.state(&a).alerts != alone_a.alerts;
        world.run(&a, unmerge(&b, 3_001));
        prop_assert_eq!(
            Patient::encode_state(&world.state(&b)),
            Patient::encode_state(&alone_b),
            "the retired record is exactly what it was"
        );
        prop_assert_eq!(without_alerts(world.state(&a)), without_alerts(alone_a.clone()));
        if !changed {
            prop_assert_eq!(
                Patient::encode_state(&world.state(&a)),
                Patient::encode_state(&alone_a)
            );
        }
    }

    /// Whatever arrives in between, on either record: both are as if they had never been joined.
    #[test]
    fn pat_8_what_arrives_while_joined_stays_where_it_was_told(
        all in prop::collection::vec(told(), 1..14),
        joined_at in any::<prop::sample::Index>(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let (a, b) = (patient("a"), patient("b"));
        let mut never = World::new();
        never.now = minute(3_000);
        let mut world = never.clone();
        let joined_at = joined_at.index(all.len());
        let mut order = order.into_iter();
        for (index, one) in all.iter().enumerate() {
            // Half of the ids come again: corrections, and ids that both records use.
            tell(&mut never, index / 2, one);
            if index == joined_at {
                world.step(&a, merge(&b, 2_000)).unwrap();
            }
            tell(&mut world, index / 2, one);
            if let (Some(pick), false) = (order.next(), world.outbox.is_empty()) {
                let length = world.outbox.len();
                world.deliver(pick.index(length));
            }
        }
        world.step(&a, unmerge(&b, 4_000)).unwrap();
        while !world.outbox.is_empty() {
            let length = world.outbox.len();
            world.deliver(order.next().map_or(0, |pick| pick.index(length)));
        }
        prop_assert_eq!(without_alerts(world.state(&a)), without_alerts(never.state(&a)));
        prop_assert_eq!(without_alerts(world.state(&b)), without_alerts(never.state(&b)));
    }

    #[test]
    fn pat_8_contributions_converge_in_any_order(
        all in prop::collection::vec(told(), 1..12),
        order in prop::collection::vec(any::<prop::sample::Index>(), 40),
    ) {
        let (a, b) = (patient("a"), patient("b"));
        let mut worlds = [World::new(), World::new()];
        for world in &mut worlds {
            world.now = minute(3_000);
            world.run(&a, merge(&b, 0));
            for (index, one) in all.iter().enumerate() {
                world.now = world.now.plus_micros(1);
                // Half of the ids come again: corrections.
                tell(world, index / 2, &Told { to: false, ..one.clone() });
            }
        }
        let [mut in_order, mut mixed] = worlds;
        in_order.deliver_all();
        for pick in order {
            if !mixed.outbox.is_empty() {
                let length = mixed.outbox.len();
                mixed.deliver(pick.index(length));
            }
        }
        mixed.deliver_all();
        prop_assert_eq!(without_alerts(mixed.state(&a)), without_alerts(in_order.state(&a)));
    }
}
