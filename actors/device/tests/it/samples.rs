//! DEV-2, DEV-3, DEV-4: what batches tell of sequence, clock and battery.

use crate::support::{Harness, at, batch, notices, observation, patient};
use actors_core::Decision;
use actors_device::command::{BatchOrder, Recorded, Reply};
use actors_device::limits::{GAPS_MAX, OBSERVATIONS_PER_BATCH_MAX};
use actors_device::{Command, Device};
use schema_types::device::DeviceNotice;
use schema_types::error_code::ErrorCode;
use schema_types::patient::PatientNotice;

fn recorded(decision: &Decision<Device>) -> &Recorded {
    let Reply::Recorded(recorded) = &decision.reply else { panic!("another reply") };
    recorded
}

#[test]
fn dev_2_gaps_open_fill_and_are_counted_once() {
    use BatchOrder::{FilledGap, Next, Repeated};
    let steps = [
        (5, Next, 0, vec![], 1),
        (6, Next, 0, vec![], 2),
        (10, Next, 3, vec![(7, 9)], 3),
        (8, FilledGap, 0, vec![(7, 7), (9, 9)], 4),
        (8, Repeated, 0, vec![(7, 7), (9, 9)], 4),
        (9, FilledGap, 0, vec![(7, 7)], 5),
        (10, Repeated, 0, vec![(7, 7)], 5),
        (12, Next, 1, vec![(7, 7), (11, 11)], 6),
        (7, FilledGap, 0, vec![(11, 11)], 7),
    ];
    let mut harness = Harness::default();
    for (sequence, order, missed, gaps, samples) in steps {
        let mut summary = batch(Some(sequence), 1_000);
        summary.stored_and_forwarded = matches!(order, FilledGap);
        let decision = harness.record(summary);
        let got = recorded(&decision);
        assert_eq!((got.order, got.missed), (order, missed), "batch {sequence}");
        assert_eq!(harness.state.gaps, gaps, "batch {sequence}");
        assert_eq!(harness.state.samples_total, samples, "batch {sequence}");
    }
    assert_eq!((harness.state.missed_total, harness.state.out_of_order_total), (4, 5));
    harness.assert_replay();
}

#[test]
fn dev_2_a_device_that_counts_anew_is_no_repeat() {
    let mut harness = Harness::default();
    harness.record(batch(Some(500), 1_000));
    harness.record(batch(Some(505), 1_010));
    let restarted = harness.record(batch(Some(1), 1_020));
    assert_eq!(recorded(&restarted).order, BatchOrder::Restarted);
    assert_eq!((harness.state.last_sequence, harness.state.gaps.len()), (Some(1), 0));
    assert_eq!(recorded(&harness.record(batch(Some(2), 1_030))).order, BatchOrder::Next);
    let mut repeat = batch(Some(1), 1_020);
    repeat.received_at = at(1_040);
    assert_eq!(recorded(&harness.record(repeat)).order, BatchOrder::Repeated);
    let mut stored = batch(Some(1), 1_050);
    stored.stored_and_forwarded = true;
    assert_eq!(recorded(&harness.record(stored)).order, BatchOrder::Repeated, "not live");
    assert_eq!(harness.state.samples_total, 4);
    harness.assert_replay();
}

#[test]
fn dev_7_the_oldest_gap_is_forgotten() {
    let mut harness = Harness::default();
    for step in 0..=GAPS_MAX as u64 + 1 {
        harness.record(batch(Some(step * 2), 1_000));
    }
    assert_eq!(harness.state.gaps.len(), GAPS_MAX);
    assert_eq!(harness.state.gaps.first(), Some(&(3, 3)));
    harness.record(batch(Some(u64::MAX), 1_000));
    assert_eq!(harness.state.gaps.len(), GAPS_MAX);
    harness.assert_replay();
}

#[test]
fn dev_3_times_are_corrected_by_the_offset() {
    let mut harness = Harness::default();
    harness.associate("p1", 0);
    let mut fast = batch(Some(1), 1_000);
    fast.device_time = at(1_120);
    let decision = harness.record_with(fast, vec![observation("a", 1_115)]);
    assert_eq!(recorded(&decision).clock_offset_micros, 120_000_000);
    assert_eq!(recorded(&decision).association, Some(patient("p1")));
    let [(_, PatientNotice::DeviceObservations { observations, .. })] = &*notices(&decision) else {
        panic!("one notice");
    };
    assert_eq!(observations.first().unwrap().effective_at, at(995));
    let mut stored = batch(Some(2), 5_000);
    stored.device_time = at(1_200);
    stored.stored_and_forwarded = true;
    let decision = harness.record(stored);
    assert_eq!(recorded(&decision).clock_offset_micros, 120_000_000, "no news of the clock");
    harness.assert_replay();
}

#[test]
fn dev_4_repeats_are_forwarded_again() {
    let mut harness = Harness::default();
    harness.associate("p1", 0);
    for order in [BatchOrder::Next, BatchOrder::Repeated] {
        let decision = harness.record_with(batch(Some(1), 1_000), vec![observation("a", 999)]);
        let got = recorded(&decision);
        assert_eq!((got.order, got.forwarded, got.kept), (order, 1, 0));
        assert_eq!(notices(&decision).len(), 1);
    }
}

#[test]
fn samples_seen_elsewhere_count_the_same() {
    let (mut direct, mut noticed) = (Harness::default(), Harness::default());
    for sequence in [1, 2, 5, 3, 3] {
        let summary = batch(Some(sequence), 1_000);
        direct.record(summary.clone());
        let notice = DeviceNotice::SamplesSeen { patient: patient("p1"), summary };
        let decision = noticed.run(1_000, Command::Notice(notice));
        assert_eq!(notices(&decision), [], "the patient knows already");
    }
    assert_eq!(direct.state, noticed.state);
}

#[test]
fn battery_keeps_the_last_believable_report() {
    let mut harness = Harness::default();
    let reports =
        [(Some(80), Some(80)), (None, Some(80)), (Some(101), Some(80)), (Some(0), Some(0))];
    for (index, (reported, expected)) in reports.into_iter().enumerate() {
        let mut summary = batch(Some(index as u64), 1_000);
        summary.battery_percent = reported;
        harness.record(summary);
        assert_eq!(harness.state.battery_percent, expected, "report {index}");
    }
}

#[test]
fn lim_1_a_batch_is_bounded() {
    let mut harness = Harness::default();
    let observations = vec![observation("a", 1); OBSERVATIONS_PER_BATCH_MAX + 1];
    let command = Command::RecordSamples { summary: batch(None, 1), observations };
    assert_eq!(harness.try_at(1, command).unwrap_err().code, ErrorCode::EntityLimit);
}
