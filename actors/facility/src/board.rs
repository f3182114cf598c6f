//! The bed board: every bed with who is in it or what it is ready for. Two open stays in one bed
//! are shown as a conflict, never as one of them (FAC-4).

use crate::command::{BedBoard, BedEntry, Occupancy, Occupant};
use crate::places::{Site, bed_of, reserved_place, visits};
use crate::state::State;
use schema_types::clinical::Location;
use schema_types::facility::{BedKey, BedStatus, Stay};
use schema_types::ids::EncounterId;
use schema_types::time::Timestamp;
use std::collections::BTreeMap;

/// What the stays say of one bed.
#[derive(Debug, Default)]
struct Use {
    occupants: Vec<Occupant>,
    reserved_for: Vec<Occupant>,
    /// When a patient last left it.
    left_at: Option<Timestamp>,
}

/// The board after everything known. Cost: one fold per movement.
#[must_use]
pub fn board(site: Site<'_>, state: &State) -> BedBoard {
    let mut uses: BTreeMap<BedKey, Use> = BTreeMap::new();
    uses.extend(state.beds.keys().map(|bed| (bed.clone(), Use::default())));
    let mut board = BedBoard::default();
    for ((_, encounter), stay) in &state.stays {
        for bed in stay.movements.iter().filter_map(|one| named_bed(site, one.location.as_ref())) {
            uses.entry(bed).or_default();
        }
        note_visits(site, (encounter, stay), &mut uses, &mut board);
        let reserved = reserved_place(site, stay);
        if let Some(bed) = named_bed(site, reserved.as_ref()) {
            let kept = Occupant {
                patient: stay.patient.clone(),
                encounter: encounter.clone(),
                since: None,
            };
            uses.entry(bed).or_default().reserved_for.push(kept);
        }
    }
    board.beds = uses.into_iter().map(|(bed, used)| entry(state, bed, used)).collect();
    board
}

fn named_bed(site: Site<'_>, location: Option<&Location>) -> Option<BedKey> {
    location.filter(|place| !place.ward.is_empty() && site.has(place)).and_then(bed_of)
}

fn note_visits(
    site: Site<'_>,
    (encounter, stay): (&EncounterId, &Stay),
    uses: &mut BTreeMap<BedKey, Use>,
    board: &mut BedBoard,
) {
    for visit in visits(site, stay) {
        let bed = bed_of(&visit.location);
        if let Some(left_at) = visit.to {
            if let Some(bed) = bed.filter(|_| !visit.undone) {
                let used = uses.entry(bed).or_default();
                used.left_at = used.left_at.max(Some(left_at));
            }
            continue;
        }
        let occupant = Occupant {
            patient: stay.patient.clone(),
            encounter: encounter.clone(),
            since: Some(visit.from),
        };
        match bed {
            Some(bed) => uses.entry(bed).or_default().occupants.push(occupant),
            None => board.without_bed.entry(visit.location.ward).or_default().push(occupant),
        }
    }
}

fn entry(state: &State, bed: BedKey, mut used: Use) -> (BedKey, BedEntry) {
    used.occupants.sort();
    used.reserved_for.sort();
    let occupancy = match (used.occupants.pop(), used.occupants.is_empty()) {
        (Some(only), true) => Occupancy::Occupied(only),
        (Some(last), false) => {
            used.occupants.push(last);
            Occupancy::Conflict(used.occupants)
        }
        (None, _) => Occupancy::Free(free_status(state, &bed, &used)),
    };
    (bed, BedEntry { occupancy, reserved_for: used.reserved_for })
}

/// What an empty bed is ready for: dirty from when its last patient left until somebody says
/// otherwise (FAC-5); a ready bed that a planned stay names is reserved.
fn free_status(state: &State, bed: &BedKey, used: &Use) -> BedStatus {
    let set = state.beds.get(bed).copied();
    let last_set_at = set.map(|(_, at)| at);
    if used.left_at.is_some() && used.left_at > last_set_at {
        return BedStatus::Dirty;
    }
    let status = set.map_or(BedStatus::Ready, |(status, _)| status);
    match status {
        BedStatus::Ready if !used.reserved_for.is_empty() => BedStatus::Reserved,
        BedStatus::Ready
        | BedStatus::Reserved
        | BedStatus::Dirty
        | BedStatus::Cleaning
        | BedStatus::Blocked
        | BedStatus::Closed => status,
    }
}
