//! DEV-5: when a device is silent, and who hears of it.

use crate::support::{Harness, at, batch, device, notices, patient};
use actors_core::{Decision, Effect, Entity};
use actors_device::limits::INTERVAL_MICROS_MAX;
use actors_device::{Command, Device, Event, SILENCE_TIMER};
use schema_types::error_code::ErrorCode;
use schema_types::patient::PatientNotice;
use schema_types::time::Timestamp;

const INTERVAL_SECONDS: i64 = 10;

fn listening(harness: &mut Harness) -> Decision<Device> {
    harness.run(0, Command::SetInterval { interval_micros: INTERVAL_SECONDS * 1_000_000 })
}

fn fire(harness: &mut Harness, due: i64, now: i64) -> Decision<Device> {
    let command = Device::timer_command(SILENCE_TIMER, at(due)).unwrap();
    harness.run(now, command)
}

fn timer(decision: &Decision<Device>) -> Option<Timestamp> {
    decision.effects.iter().find_map(|effect| match effect {
        Effect::SetTimer { name, due } if name == SILENCE_TIMER => Some(*due),
        Effect::SetTimer { .. }
        | Effect::Send { .. }
        | Effect::CancelTimer { .. }
        | Effect::PutResource { .. }
        | Effect::PutIndex(_)
        | Effect::ClearIndex(_) => None,
    })
}

fn silence(silent: bool, seconds: i64) -> PatientNotice {
    PatientNotice::DeviceSilence { device: device(), silent, at: at(seconds) }
}

#[test]
fn dev_5_silence_begins_after_three_intervals_and_ends_with_a_batch() {
    let mut harness = Harness::default();
    listening(&mut harness);
    harness.associate("p1", 50);
    assert_eq!(timer(&harness.record(batch(Some(1), 100))), Some(at(130)));
    harness.record(batch(Some(2), 110));
    let overtaken = harness.record(batch(Some(3), 105));
    assert_eq!(timer(&overtaken), Some(at(140)), "an earlier arrival does not move it back");
    let early = fire(&mut harness, 130, 130);
    assert_eq!((early.events.len(), timer(&early)), (0, Some(at(140))), "it spoke since");
    let late = fire(&mut harness, 140, 500);
    assert_eq!(late.events, [Event::WentSilent { at: at(140) }]);
    assert_eq!(notices(&late), [(patient("p1"), silence(true, 140))]);
    assert_eq!(fire(&mut harness, 140, 501).events, [], "silent already");
    let again = harness.record(batch(Some(4), 600));
    assert_eq!(again.events.last(), Some(&Event::SpokeAgain { at: at(600) }));
    assert_eq!(notices(&again), [(patient("p1"), silence(false, 600))]);
    assert_eq!((harness.state.silent_since, timer(&again)), (None, Some(at(630))));
    harness.assert_replay();
}

#[test]
fn dev_5_a_patient_hears_of_a_silence_that_began_before() {
    let mut harness = Harness::default();
    listening(&mut harness);
    harness.record(batch(Some(1), 100));
    assert_eq!(notices(&fire(&mut harness, 130, 130)), [], "nobody is measured");
    assert_eq!(harness.state.silent_since, Some(at(130)));
    let told = notices(&harness.associate("p1", 200));
    assert_eq!(told.last(), Some(&(patient("p1"), silence(true, 130))));
}

#[test]
fn dev_5_a_device_that_never_spoke_is_missed_by_a_patient_only() {
    let mut harness = Harness::default();
    assert_eq!(timer(&listening(&mut harness)), Some(at(30)));
    assert_eq!(fire(&mut harness, 30, 30).events, []);
    assert_eq!(timer(&harness.associate("p1", 100)), Some(at(130)));
    assert_eq!(fire(&mut harness, 130, 131).events, [Event::WentSilent { at: at(130) }]);
}

#[test]
fn dev_5_no_interval_no_alarm() {
    let mut harness = Harness::default();
    harness.associate("p1", 0);
    assert_eq!(timer(&harness.record(batch(Some(1), 100))), None);
    assert_eq!(fire(&mut harness, 100, 900).events, []);
    listening(&mut harness);
    assert_eq!(listening(&mut harness).events, [], "the same interval again");
    let off = harness.run(200, Command::SetInterval { interval_micros: 0 });
    assert_eq!(off.effects, [Effect::CancelTimer { name: SILENCE_TIMER.into() }]);
    assert_eq!(fire(&mut harness, 130, 900).events, []);
    for interval_micros in [-1, INTERVAL_MICROS_MAX + 1] {
        let rejected = harness.try_at(300, Command::SetInterval { interval_micros });
        assert_eq!(rejected.unwrap_err().code, ErrorCode::BadRequest);
    }
    assert_eq!(Device::timer_command("other", at(1)), None);
}
