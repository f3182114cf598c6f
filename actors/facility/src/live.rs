//! The facility's row for live queries, as `schema_types::live` names its columns. A bed board
//! folds every stay, too much for the path of each movement: the row is made when it is asked for.

use crate::board::board;
use crate::census::census;
use crate::command::Occupancy;
use crate::places::Site;
use crate::state::State;
use schema_types::facility::BedStatus;
use schema_types::ids::EntityId;
use schema_types::live::facility_slot as slot;
use schema_types::time::Timestamp;
use schema_wire::live::RowWriter;

/// The row of a facility, after everything known. Cost: one fold per movement.
#[must_use]
pub fn row(entity: &EntityId, state: &State) -> Vec<u8> {
    let site = Site(entity);
    let board = board(site, state);
    let (mut taken, mut conflicts, mut empty) = (0_u64, 0_u64, [0_u64; 6]);
    for bed in board.beds.values() {
        match &bed.occupancy {
            Occupancy::Occupied(_) => taken += 1,
            Occupancy::Conflict(_) => conflicts += 1,
            Occupancy::Free(status) => empty[usize::from(status_index(*status))] += 1,
        }
    }
    let occupied = census(site, state, None).occupied.values().map(|ward| u64::from(*ward)).sum();
    let without_bed: usize = board.without_bed.values().map(Vec::len).sum();
    let mut row = RowWriter::new(Timestamp::default());
    row.count_u64(slot::OCCUPIED, occupied);
    row.count_u64(slot::BEDS, u64::try_from(board.beds.len()).unwrap_or(u64::MAX));
    row.count_u64(slot::BEDS_OCCUPIED, taken);
    row.count_u64(slot::BEDS_IN_CONFLICT, conflicts);
    row.count_u64(slot::WITHOUT_BED, u64::try_from(without_bed).unwrap_or(u64::MAX));
    for (place, count) in (slot::BEDS_EMPTY..).zip(empty) {
        row.count_u64(place, count);
    }
    row.finish()
}

const fn status_index(status: BedStatus) -> u8 {
    match status {
        BedStatus::Ready => 0,
        BedStatus::Reserved => 1,
        BedStatus::Dirty => 2,
        BedStatus::Cleaning => 3,
        BedStatus::Blocked => 4,
        BedStatus::Closed => 5,
    }
}
