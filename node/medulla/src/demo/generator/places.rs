//! Wards and beds of the generated hospital, and who may lie where. A bed that was left is kept for
//! a while, so that a cancelled move finds it empty.

use std::collections::BTreeMap;

/// The wards of Northgate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ward {
    /// Emergency department.
    Emergency,
    /// First medical ward.
    MedicalOne,
    /// Second medical ward.
    MedicalTwo,
    /// Surgical ward.
    Surgical,
    /// Intensive care.
    Intensive,
}

/// Beds per room.
const ROOM_BEDS: usize = 4;
/// How long a bed that was left is kept, seconds: cleaning, and moves that are taken back.
const KEPT_SECONDS: i64 = 45 * 60;

impl Ward {
    pub(crate) const ALL: [Self; 5] =
        [Self::Emergency, Self::MedicalOne, Self::MedicalTwo, Self::Surgical, Self::Intensive];

    /// As it stands in messages.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Emergency => "ED",
            Self::MedicalOne => "MED1",
            Self::MedicalTwo => "MED2",
            Self::Surgical => "SURG1",
            Self::Intensive => "ICU1",
        }
    }

    /// Beds for a hospital of so many patients.
    pub(crate) const fn beds(self, patients: usize) -> usize {
        let (per_cent, least) = match self {
            Self::Emergency => (14, 4),
            Self::MedicalOne | Self::MedicalTwo => (22, 5),
            Self::Surgical => (18, 4),
            Self::Intensive => (8, 2),
        };
        let wanted = (patients * per_cent).div_ceil(100);
        if wanted > least { wanted } else { least }
    }

    /// Where to look when this ward is full.
    const fn alternatives(self) -> [Self; 3] {
        match self {
            Self::Emergency => [Self::Emergency, Self::MedicalTwo, Self::MedicalOne],
            Self::MedicalOne => [Self::MedicalOne, Self::MedicalTwo, Self::Surgical],
            Self::MedicalTwo => [Self::MedicalTwo, Self::MedicalOne, Self::Surgical],
            Self::Surgical => [Self::Surgical, Self::MedicalTwo, Self::MedicalOne],
            // Nowhere else: intensive care cannot be given on a ward.
            Self::Intensive => [Self::Intensive; 3],
        }
    }
}

/// A bed, by ward and number within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) ward: Ward,
    number: usize,
}

impl Place {
    /// The HL7 form: ward, room, bed, facility.
    pub(crate) fn location(self) -> String {
        let (room, bed) = (self.number / ROOM_BEDS + 1, self.number % ROOM_BEDS + 1);
        format!("{}^R{room:02}^B{bed}^{}", self.ward.code(), super::FACILITY)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bed {
    Taken,
    FreeFrom(i64),
}

/// Every bed of the hospital.
#[derive(Debug)]
pub(crate) struct Beds(BTreeMap<Place, Bed>);

impl Beds {
    pub(crate) fn new(patients: usize) -> Self {
        let beds = Ward::ALL
            .into_iter()
            .flat_map(|ward| (0..ward.beds(patients)).map(move |number| Place { ward, number }));
        Self(beds.map(|place| (place, Bed::FreeFrom(i64::MIN))).collect())
    }

    /// Takes a bed in a ward or, when it is full, where such patients go then.
    pub(crate) fn take(&mut self, wanted: Ward, at: i64) -> Option<Place> {
        wanted.alternatives().into_iter().find_map(|ward| self.take_in(ward, at))
    }

    /// Takes a bed in exactly this ward.
    pub(crate) fn take_in(&mut self, ward: Ward, at: i64) -> Option<Place> {
        let is_free = |bed: &Bed| matches!(bed, Bed::FreeFrom(from) if *from <= at);
        let found = self.0.iter_mut().find(|(place, bed)| place.ward == ward && is_free(bed));
        found.map(|(place, bed)| {
            *bed = Bed::Taken;
            *place
        })
    }

    /// Goes back into a bed that was left just before.
    pub(crate) fn take_back(&mut self, place: Place) {
        self.0.insert(place, Bed::Taken);
    }

    /// Leaves a bed.
    pub(crate) fn leave(&mut self, place: Place, at: i64) {
        self.0.insert(place, Bed::FreeFrom(at + KEPT_SECONDS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bed_is_given_once_and_kept_after_it_was_left() {
        let mut beds = Beds::new(10);
        let first = beds.take_in(Ward::Intensive, 0).unwrap();
        let second = beds.take_in(Ward::Intensive, 0).unwrap();
        assert_ne!(first, second);
        assert_eq!(beds.take(Ward::Intensive, 0), None, "intensive care has no alternative");
        beds.leave(first, 100);
        assert_eq!(beds.take_in(Ward::Intensive, 100 + KEPT_SECONDS - 1), None);
        assert_eq!(beds.take_in(Ward::Intensive, 100 + KEPT_SECONDS), Some(first));
    }

    #[test]
    fn a_full_ward_sends_to_another() {
        let mut beds = Beds::new(1);
        while beds.take_in(Ward::MedicalOne, 0).is_some() {}
        assert_eq!(beds.take(Ward::MedicalOne, 0).map(|place| place.ward), Some(Ward::MedicalTwo));
        assert_eq!(Place { ward: Ward::Surgical, number: 5 }.location(), "SURG1^R02^B2^NORTHGATE");
    }
}
