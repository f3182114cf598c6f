//! Every command and reply of a facility.

use super::words::{Seed, assert_covers};
use actors_facility::command::*;
use schema_types::facility::{BedKey, BedStatus, FacilityNotice, FacilityState, Stay};
use schema_types::ids::EntityKind;
use std::collections::BTreeMap;

fn bed(seed: &Seed) -> BedKey {
    BedKey { ward: seed.text.clone(), room: String::new(), bed: seed.text.clone() }
}

fn statuses() -> [BedStatus; 6] {
    use BedStatus::{Blocked, Cleaning, Closed, Dirty, Ready, Reserved};
    let all = [Ready, Reserved, Dirty, Cleaning, Blocked, Closed];
    assert_covers!(all, Ready, Reserved, Dirty, Cleaning, Blocked, Closed);
    all
}

fn stay(seed: &Seed) -> Stay {
    let patient = seed.entity(EntityKind::Patient);
    Stay { patient, revision: seed.number, movements: seed.movements() }
}

pub(super) fn commands(seed: &Seed) -> Vec<Command> {
    let at = seed.at();
    let reads = vec![
        Read::State,
        Read::Census { at: seed.maybe(at) },
        Read::CensusSeries { from: at, to: at, step_micros: seed.signed },
        Read::BedBoard,
        Read::Resource(seed.key()),
        Read::ResourceVersion(seed.key(), seed.number),
        Read::Resources { types: vec![seed.text.clone()] },
    ];
    assert_covers!(
        reads,
        Read::State,
        Read::Census { .. },
        Read::CensusSeries { .. },
        Read::BedBoard,
        Read::Resource(_),
        Read::ResourceVersion(..),
        Read::Resources { .. },
    );
    let changed = FacilityNotice::StayChanged { encounter: seed.encounter(), stay: stay(seed) };
    let mut commands = vec![
        Command::StoreResources { operation: seed.text.clone(), writes: seed.writes() },
        Command::Notice(changed),
    ];
    let set = |status| Command::SetBedStatus { bed: bed(seed), status, at };
    commands.extend(statuses().map(set));
    commands.extend(reads.into_iter().map(Command::Read));
    assert_covers!(
        commands,
        Command::SetBedStatus { .. },
        Command::StoreResources { .. },
        Command::Notice(FacilityNotice::StayChanged { .. }),
        Command::Read(_),
    );
    commands
}

pub(super) fn replies(seed: &Seed) -> Vec<Reply> {
    let occupied = BTreeMap::from([(seed.text.clone(), seed.small())]);
    let census = Census { at: seed.maybe(seed.at()), occupied };
    let replies = vec![
        Reply::Done { changed: seed.flag },
        Reply::Stored(seed.versions()),
        Reply::State(Box::new(state(seed))),
        Reply::Census(census.clone()),
        Reply::CensusSeries(vec![census]),
        Reply::BedBoard(board(seed)),
        Reply::Resource { key: seed.key(), version: seed.number, current: Box::new(seed.meta()) },
        Reply::Resources(vec![seed.meta()]),
    ];
    assert_covers!(
        replies,
        Reply::Done { .. },
        Reply::Stored(_),
        Reply::State(_),
        Reply::Census(_),
        Reply::CensusSeries(_),
        Reply::BedBoard(_),
        Reply::Resource { .. },
        Reply::Resources(_),
    );
    replies
}

fn board(seed: &Seed) -> BedBoard {
    let occupant = Occupant {
        patient: seed.entity(EntityKind::Patient),
        encounter: seed.encounter(),
        since: seed.maybe(seed.at()),
    };
    let mut occupancies = vec![
        Occupancy::Occupied(occupant.clone()),
        Occupancy::Conflict(vec![occupant.clone(), occupant.clone()]),
    ];
    occupancies.extend(statuses().map(Occupancy::Free));
    assert_covers!(occupancies, Occupancy::Free(_), Occupancy::Occupied(_), Occupancy::Conflict(_));
    let beds = occupancies.into_iter().enumerate().map(|(number, occupancy)| {
        let entry = BedEntry { occupancy, reserved_for: vec![occupant.clone()] };
        (BedKey { room: number.to_string(), ..bed(seed) }, entry)
    });
    let without_bed = BTreeMap::from([(seed.text.clone(), vec![occupant.clone()])]);
    BedBoard { beds: beds.collect(), without_bed }
}

fn state(seed: &Seed) -> FacilityState {
    let stay = stay(seed);
    FacilityState {
        stays: BTreeMap::from([((stay.patient.clone(), seed.encounter()), stay)]),
        beds: BTreeMap::from([(bed(seed), (BedStatus::Dirty, seed.at()))]),
        resources: BTreeMap::from([(seed.key(), seed.meta())]),
        movements_total: 11,
    }
}
