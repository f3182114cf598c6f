//! Every command and reply of a device.

use super::words::{Seed, assert_covers};
use actors_device::command::*;
use schema_types::device::{DeviceNotice, DeviceState, SampleSummary};
use schema_types::ids::EntityKind;
use std::collections::BTreeMap;

fn summary(seed: &Seed) -> SampleSummary {
    SampleSummary {
        samples: seed.small(),
        sequence: seed.maybe(seed.number),
        device_time: seed.at(),
        received_at: seed.at(),
        stored_and_forwarded: seed.flag,
        battery_percent: seed.maybe(99),
        provenance: seed.provenance(),
    }
}

pub(super) fn commands(seed: &Seed) -> Vec<Command> {
    let (patient, at, summary) = (seed.entity(EntityKind::Patient), seed.at(), summary(seed));
    let reads = vec![
        Read::State,
        Read::Resource(seed.key()),
        Read::ResourceVersion(seed.key(), seed.number),
        Read::Resources { types: vec![seed.text.clone()] },
    ];
    assert_covers!(
        reads,
        Read::State,
        Read::Resource(_),
        Read::ResourceVersion(..),
        Read::Resources { .. },
    );
    let seen = DeviceNotice::SamplesSeen { patient: patient.clone(), summary: summary.clone() };
    let mut commands = vec![
        Command::RecordSamples { summary, observations: seed.observations() },
        Command::Associate { patient, at },
        Command::Dissociate { at },
        Command::SetInterval { interval_micros: seed.signed },
        Command::StoreResources { operation: seed.text.clone(), writes: seed.writes() },
        Command::Notice(seen),
        Command::Timer(Timer::Silence { due: at }),
    ];
    commands.extend(reads.into_iter().map(Command::Read));
    assert_covers!(
        commands,
        Command::RecordSamples { .. },
        Command::Associate { .. },
        Command::Dissociate { .. },
        Command::SetInterval { .. },
        Command::StoreResources { .. },
        Command::Notice(DeviceNotice::SamplesSeen { .. }),
        Command::Timer(Timer::Silence { .. }),
        Command::Read(_),
    );
    commands
}

pub(super) fn replies(seed: &Seed) -> Vec<Reply> {
    use BatchOrder::{FilledGap, Next, Repeated, Restarted};
    let orders = [Next, Restarted, FilledGap, Repeated];
    assert_covers!(orders, Next, Restarted, FilledGap, Repeated);
    let patient = seed.entity(EntityKind::Patient);
    let mut replies = vec![
        Reply::Done,
        Reply::Associated {
            previous: seed.maybe(patient.clone()),
            current: Some((patient.clone(), seed.at())),
        },
        Reply::Stored(seed.versions()),
        Reply::State(Box::new(state(seed))),
        Reply::Resource {
            key: seed.key(),
            version: seed.maybe(seed.number),
            current: seed.maybe(Box::new(seed.meta())),
        },
        Reply::Resources(vec![seed.meta(), seed.meta()]),
    ];
    replies.extend(orders.map(|order| {
        Reply::Recorded(Recorded {
            order,
            missed: seed.number,
            clock_offset_micros: seed.signed,
            association: seed.maybe(patient.clone()),
            forwarded: seed.small(),
            kept: 0,
        })
    }));
    assert_covers!(
        replies,
        Reply::Done,
        Reply::Recorded(_),
        Reply::Associated { .. },
        Reply::Stored(_),
        Reply::State(_),
        Reply::Resource { .. },
        Reply::Resources(_),
    );
    replies
}

fn state(seed: &Seed) -> DeviceState {
    let (patient, at) = (seed.entity(EntityKind::Patient), seed.at());
    DeviceState {
        association: seed.maybe((patient.clone(), at)),
        past_associations: vec![(patient, at, at)],
        samples_total: seed.number,
        out_of_order_total: 1,
        last_sequence: seed.maybe(seed.number),
        gaps: vec![(1, seed.number)],
        missed_total: 2,
        clock_offset_micros: seed.signed,
        last_received_at: seed.maybe(at),
        interval_micros: seed.signed,
        silent_since: seed.maybe(at),
        battery_percent: seed.maybe(5),
        resources: BTreeMap::from([(seed.key(), seed.meta())]),
    }
}
