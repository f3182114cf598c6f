//! Where the patient of a stay was, and when: the stay folded at each of its movements. Only
//! places of one facility are told apart from no place; beds are not joined here.

use actors_core::stay::{FoldedStay, fold_stay};
use schema_types::clinical::{Location, Movement, MovementKind};
use schema_types::facility::{BedKey, Stay};
use schema_types::ids::{EntityId, EntityKind};
use schema_types::patient::EncounterStatus;
use schema_types::time::Timestamp;
use std::collections::BTreeSet;

/// The facility that asks: which locations are its own.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a>(pub &'a EntityId);

impl Site<'_> {
    /// Whether a location is in this facility. One that names no facility is, because the stay
    /// was told to this one.
    #[must_use]
    pub fn has(&self, location: &Location) -> bool {
        let named = &location.facility;
        named.is_empty()
            || named == self.0.key()
            || EntityId::new(self.0.tenant().clone(), EntityKind::Facility, named) == *self.0
    }
}

/// An inpatient in a place of this facility, during an interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// Where.
    pub location: Location,
    /// From, inclusive.
    pub from: Timestamp,
    /// To, exclusive; absent while nothing known ends it.
    pub to: Option<Timestamp>,
    /// Whether the movement that ended it says that it never happened: such a visit leaves no
    /// used bed.
    pub undone: bool,
}

/// The bed of a location, if it names one.
#[must_use]
pub fn bed_of(location: &Location) -> Option<BedKey> {
    (!location.bed.is_empty()).then(|| BedKey {
        ward: location.ward.clone(),
        room: location.room.clone(),
        bed: location.bed.clone(),
    })
}

/// Where a folded stay occupies a place of this facility (FAC-2): open, inpatient, and in a ward.
#[must_use]
pub fn occupied_place<'a>(site: Site<'_>, folded: &'a FoldedStay) -> Option<&'a Location> {
    let location = folded.location.as_ref().filter(|_| folded.occupies_bed())?;
    (!location.ward.is_empty() && site.has(location)).then_some(location)
}

/// Which place a planned stay keeps.
#[must_use]
pub fn reserved_place(site: Site<'_>, stay: &Stay) -> Option<Location> {
    let folded = fold_stay(&stay.movements, None);
    let is_planned = folded.status == EncounterStatus::Planned;
    folded.location.filter(|location| is_planned && site.has(location))
}

/// Every visit of a stay, oldest first. Between two movements nothing changes, so one fold per
/// instant says all; the same fold answers a census at a time, hence both agree (FAC-2).
#[must_use]
pub fn visits(site: Site<'_>, stay: &Stay) -> Vec<Visit> {
    let instants: BTreeSet<Timestamp> = stay.movements.iter().map(|one| one.at).collect();
    let mut visits: Vec<Visit> = Vec::new();
    for at in instants {
        let folded = fold_stay(&stay.movements, Some(at));
        let place = occupied_place(site, &folded);
        if let Some(open) = visits.last_mut().filter(|visit| visit.to.is_none()) {
            if place == Some(&open.location) {
                continue;
            }
            open.to = Some(at);
            open.undone = stay.movements.iter().any(|one| one.at == at && undoes(one));
        }
        if let Some(location) = place {
            visits.push(Visit { location: location.clone(), from: at, to: None, undone: false });
        }
    }
    visits
}

const fn undoes(movement: &Movement) -> bool {
    match movement.kind {
        MovementKind::CancelAdmit | MovementKind::CancelTransfer => true,
        MovementKind::PreAdmit
        | MovementKind::Admit
        | MovementKind::Register
        | MovementKind::ToInpatient
        | MovementKind::ToOutpatient
        | MovementKind::Transfer
        | MovementKind::Update
        | MovementKind::CancelDischarge
        | MovementKind::Discharge => false,
    }
}
