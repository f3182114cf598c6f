//! What holds for every sequence of commands.

use crate::support::{Harness, at, batch, notices, observation, patient};
use actors_device::Command;
use actors_device::command::{Reply, Timer};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use schema_types::patient::PatientNotice;

#[derive(Debug, Clone)]
enum Step {
    Batch { sequence: Option<u64>, lag: i64, stored: bool, samples: usize },
    Associate(u8),
    Dissociate,
    Interval(i64),
    Fire,
}

fn step() -> impl Strategy<Value = Step> {
    let batch = (proptest::option::of(0_u64..40), -90_i64..90, any::<bool>(), 0_usize..4).prop_map(
        |(sequence, lag, stored, samples)| Step::Batch { sequence, lag, stored, samples },
    );
    prop_oneof![
        6 => batch,
        1 => (0_u8..3).prop_map(Step::Associate),
        1 => Just(Step::Dissociate),
        1 => (0_i64..30).prop_map(Step::Interval),
        2 => Just(Step::Fire),
    ]
}

fn run(harness: &mut Harness, now: i64, step: Step) -> (usize, usize) {
    let command = match step {
        Step::Associate(name) => {
            Command::Associate { patient: patient(&format!("p{name}")), at: at(now) }
        }
        Step::Dissociate => Command::Dissociate { at: at(now) },
        Step::Interval(seconds) => Command::SetInterval { interval_micros: seconds * 1_000_000 },
        Step::Fire => Command::Timer(Timer::Silence { due: at(now) }),
        Step::Batch { sequence, lag, stored, samples } => {
            let mut summary = batch(sequence, now);
            summary.device_time = at(now + lag);
            summary.stored_and_forwarded = stored;
            let times = (0_i64..).map(|index| now + lag - index * 7).take(samples);
            let observations = times.map(|time| observation(&time.to_string(), time)).collect();
            Command::RecordSamples { summary, observations }
        }
    };
    let decision = harness.run(now, command);
    let forwarded = notices(&decision).into_iter().map(|(_, notice)| match notice {
        PatientNotice::DeviceObservations { observations, .. } => observations.len(),
        PatientNotice::Contribution { .. }
        | PatientNotice::Retired { .. }
        | PatientNotice::Separated { .. }
        | PatientNotice::DeviceAssociation { .. }
        | PatientNotice::DeviceSilence { .. } => 0,
    });
    let forwarded = forwarded.sum();
    match decision.reply {
        Reply::Recorded(recorded) => (forwarded, recorded.kept as usize),
        Reply::Done
        | Reply::Associated { .. }
        | Reply::Stored(_)
        | Reply::State(_)
        | Reply::Resource { .. }
        | Reply::Resources(_) => (forwarded, 0),
    }
}

proptest! {
    /// DET-1 and DEV-4: replay gives the state, and every observation goes somewhere.
    #[test]
    fn det_1_replay_gives_the_state(steps in vec(step(), 0..60)) {
        let mut harness = Harness::default();
        let (mut sent, mut arrived) = (0, 0);
        for (now, step) in (1_000..).step_by(10).zip(steps) {
            if let Step::Batch { samples, .. } = &step {
                sent += samples;
            }
            let (forwarded, kept) = run(&mut harness, now, step);
            arrived += forwarded + kept;
        }
        prop_assert_eq!(sent, arrived);
        harness.assert_replay();
    }

    /// DEV-2: any order of numbers after the first, with repeats, leaves the same gaps and counts
    /// each sample once. Batches that were stored never look like a device that counts anew.
    #[test]
    fn dev_2_order_and_repeats_do_not_matter(numbers in vec(1_u64..60, 1..80)) {
        let mut harness = Harness::default();
        for number in std::iter::once(0).chain(numbers.iter().copied()) {
            let mut summary = batch(Some(number), 1_000);
            summary.stored_and_forwarded = true;
            harness.record(summary);
        }
        let mut seen: Vec<u64> = numbers.clone();
        seen.push(0);
        seen.sort_unstable();
        seen.dedup();
        let highest = *seen.last().unwrap();
        let open: Vec<u64> = (0..=highest).filter(|number| !seen.contains(number)).collect();
        let gaps: Vec<u64> =
            harness.state.gaps.iter().flat_map(|(first, last)| *first..=*last).collect();
        prop_assert_eq!(gaps, open);
        prop_assert_eq!(harness.state.samples_total, seen.len() as u64);
        prop_assert_eq!(harness.state.last_sequence, Some(highest));
        harness.assert_replay();
    }

    /// DEV-1: what a patient is sent was measured while the device was theirs.
    #[test]
    fn dev_1_nobody_gets_the_samples_of_another(
        changes in vec((0_u8..3, 1_i64..50), 1..20),
        times in vec(0_i64..1_000, 1..40),
    ) {
        let mut harness = Harness::default();
        let mut truth: Vec<(i64, u8)> = Vec::new();
        let mut now = 100;
        for (name, pause) in changes {
            harness.associate(&format!("p{name}"), now);
            truth.push((now, name));
            now += pause;
        }
        let observations = times.iter().map(|time| observation("o", *time)).collect();
        let decision = harness.record_with(batch(None, 1_000), observations);
        let sent = notices(&decision);
        for (to, notice) in &sent {
            let PatientNotice::DeviceObservations { observations, .. } = notice else { continue };
            for one in observations {
                let mut begun = truth.iter().filter(|(since, _)| at(*since) <= one.effective_at);
                let measured = begun.next_back().map(|(_, name)| patient(&format!("p{name}")));
                prop_assert_eq!(measured.as_ref(), Some(to));
            }
        }
    }
}
