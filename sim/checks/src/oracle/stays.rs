//! Where patients are, from the movements that were told, in whatever order they came. Written from
//! the meaning of the ADT events (HL7 v2.5.1 chapter 3), as a list of facts by time rather than as
//! the product's fold.

use schema_types::clinical::{EncounterClass, Location, Movement, MovementKind};

/// How far a stay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Unheard,
    Planned,
    Here,
    Left,
    Void,
}

/// The ward in which an inpatient of this stay is, if any, with the facility that it names.
#[must_use]
pub fn occupied(movements: &[&Movement]) -> Option<Location> {
    let mut ordered: Vec<&Movement> = movements.to_vec();
    ordered.sort_by(|one, other| order(one).cmp(&order(other)));
    ordered.dedup_by(|later, first| identity(later) == identity(first));
    let is_begun_by_update = !ordered.iter().any(|one| begins(one.kind));
    let mut stay = Stay::new(is_begun_by_update);
    ordered.iter().for_each(|movement| stay.hear(movement));
    let is_in_bed = stay.phase == Phase::Here && stay.class == EncounterClass::Inpatient;
    stay.place.filter(|place| is_in_bed && !place.ward.is_empty())
}

type Order<'a> =
    ((i64, MovementKind, &'a str), EncounterClass, &'a Option<Location>, &'a Option<Location>);

fn order(movement: &Movement) -> Order<'_> {
    (identity(movement), movement.class, &movement.location, &movement.prior_location)
}

fn identity(movement: &Movement) -> (i64, MovementKind, &str) {
    (movement.at.unix_micros(), movement.kind, &movement.message_id)
}

/// Whether a movement of this kind says that a stay has begun.
const fn begins(kind: MovementKind) -> bool {
    match kind {
        MovementKind::PreAdmit
        | MovementKind::Update
        | MovementKind::CancelAdmit
        | MovementKind::Discharge => false,
        MovementKind::Admit
        | MovementKind::Register
        | MovementKind::ToInpatient
        | MovementKind::ToOutpatient
        | MovementKind::Transfer
        | MovementKind::CancelTransfer
        | MovementKind::CancelDischarge => true,
    }
}

struct Stay {
    phase: Phase,
    class: EncounterClass,
    place: Option<Location>,
    /// Places that were left by transfers which still stand.
    left: Vec<Option<Location>>,
    is_begun_by_update: bool,
}

impl Stay {
    const fn new(is_begun_by_update: bool) -> Self {
        let class = EncounterClass::Unknown;
        Self { phase: Phase::Unheard, class, place: None, left: Vec::new(), is_begun_by_update }
    }

    fn hear(&mut self, movement: &Movement) {
        self.hear_class(movement);
        let is_before = matches!(self.phase, Phase::Unheard | Phase::Planned);
        let is_here = self.phase == Phase::Here;
        match movement.kind {
            MovementKind::PreAdmit if is_before => {
                self.phase = Phase::Planned;
                self.place.clone_from(&movement.location);
            }
            MovementKind::Admit
            | MovementKind::Register
            | MovementKind::ToInpatient
            | MovementKind::ToOutpatient => {
                if !is_here {
                    self.come(movement.location.clone());
                } else if movement.location.is_some() {
                    self.place.clone_from(&movement.location);
                }
            }
            MovementKind::Transfer => self.transfer(movement, is_before),
            MovementKind::Update => {
                let implies = self.phase == Phase::Unheard && self.is_begun_by_update;
                if implies && self.class == EncounterClass::Inpatient {
                    self.come(None);
                }
                self.fill_place(movement);
            }
            MovementKind::CancelAdmit => {
                self.come(None);
                self.phase = Phase::Void;
            }
            MovementKind::CancelTransfer if is_before => self.come(movement.location.clone()),
            MovementKind::CancelTransfer if is_here => {
                let back = self.left.pop().flatten().or_else(|| movement.location.clone());
                self.place = back.or(self.place.take());
            }
            MovementKind::CancelDischarge if is_before => self.come(movement.location.clone()),
            MovementKind::CancelDischarge => {
                if self.phase == Phase::Left {
                    self.phase = Phase::Here;
                }
                self.fill_place(movement);
            }
            MovementKind::Discharge if self.phase != Phase::Void => {
                if self.phase == Phase::Planned {
                    self.place = None;
                }
                self.phase = Phase::Left;
            }
            MovementKind::PreAdmit | MovementKind::CancelTransfer | MovementKind::Discharge => {}
        }
    }

    fn come(&mut self, place: Option<Location>) {
        self.phase = Phase::Here;
        self.left.clear();
        self.place = place;
    }

    fn transfer(&mut self, movement: &Movement, is_before: bool) {
        if is_before {
            self.come(movement.prior_location.clone());
        }
        if self.phase == Phase::Here && movement.location.is_some() {
            let left = self.place.take().or_else(|| movement.prior_location.clone());
            self.left.push(left);
            self.place.clone_from(&movement.location);
        }
    }

    fn fill_place(&mut self, movement: &Movement) {
        if self.phase == Phase::Here && self.place.is_none() {
            self.place.clone_from(&movement.location);
        }
    }

    /// A class that is stated stands before one that the event implies.
    fn hear_class(&mut self, movement: &Movement) {
        let implied = match movement.kind {
            MovementKind::Admit | MovementKind::ToInpatient => Some(EncounterClass::Inpatient),
            MovementKind::ToOutpatient => Some(EncounterClass::Outpatient),
            MovementKind::PreAdmit => Some(EncounterClass::PreAdmission),
            MovementKind::Register
            | MovementKind::Transfer
            | MovementKind::Update
            | MovementKind::CancelAdmit
            | MovementKind::CancelTransfer
            | MovementKind::CancelDischarge
            | MovementKind::Discharge => None,
        };
        let stated = Some(movement.class).filter(|class| *class != EncounterClass::Unknown);
        self.class = stated.or(implied).unwrap_or(self.class);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actors_core::stay::fold_stay;
    use proptest::prelude::*;
    use schema_types::clinical::Provenance;
    use schema_types::time::Timestamp;

    fn place(ward: u8) -> Option<Location> {
        let ward = format!("W{ward}");
        (ward != "W0").then(|| Location { ward, ..Location::default() })
    }

    fn movement() -> impl Strategy<Value = Movement> {
        let kinds = proptest::sample::select(MovementKind::ALL);
        let classes = proptest::sample::select(EncounterClass::ALL);
        (kinds, classes, 0..6_i64, 0..3_u8, 0..4_u8, 0..4_u8).prop_map(
            |(kind, class, at, id, location, prior)| Movement {
                kind,
                at: Timestamp::from_unix_seconds(at),
                message_id: format!("m{id}"),
                class,
                location: place(location),
                prior_location: place(prior),
                provenance: Provenance::default(),
            },
        )
    }

    proptest! {
        #[test]
        fn agrees_with_the_fold_of_the_product(
            movements in proptest::collection::vec(movement(), 0..9)
        ) {
            let folded = fold_stay(&movements, None);
            let theirs = folded.occupies_bed().then_some(folded.location).flatten();
            let ours = occupied(&movements.iter().collect::<Vec<_>>());
            prop_assert_eq!(ours, theirs);
            let reversed: Vec<&Movement> = movements.iter().rev().collect();
            let forward: Vec<&Movement> = movements.iter().collect();
            prop_assert_eq!(occupied(&reversed), occupied(&forward));
        }
    }
}
