//! A stay folded from its movements: the same result for any order of arrival, with repeats and
//! late messages. The patient folds it for its own record, the facility for beds and census.

use schema_types::clinical::{EncounterClass, Location, Movement, MovementKind};
use schema_types::patient::EncounterStatus;
use schema_types::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What the movements of a stay amount to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoldedStay {
    /// Where the stay is in its life; Planned when nothing says that it began.
    pub status: EncounterStatus,
    /// The class stated last.
    pub class: EncounterClass,
    /// While open: where the patient is. While planned: what is reserved. Otherwise none.
    pub location: Option<Location>,
    /// When it began, if that is known.
    pub started_at: Option<Timestamp>,
    /// When it was ended by discharge.
    pub ended_at: Option<Timestamp>,
}

impl FoldedStay {
    /// Whether a patient of this stay is in a bed: an open inpatient stay with a location.
    #[must_use]
    pub fn occupies_bed(&self) -> bool {
        self.status == EncounterStatus::Open
            && self.class == EncounterClass::Inpatient
            && self.location.is_some()
    }
}

/// The canonical order of movements, and their identity: a second movement with the same key is a
/// repeat of the first.
#[must_use]
pub fn movement_order(movement: &Movement) -> (Timestamp, MovementKind, &str) {
    (movement.at, movement.kind, movement.message_id.as_str())
}

/// Folds the movements that had happened at `until` (inclusive; all when absent). The order of
/// `movements` does not matter and repeats count once. Cost: one sort.
#[must_use]
pub fn fold_stay(movements: &[Movement], until: Option<Timestamp>) -> FoldedStay {
    // An update says where a patient is, so it implies a stay, but only where no movement does.
    let update_opens = !movements.iter().any(|movement| opens(movement.kind));
    let mut ordered: Vec<&Movement> =
        movements.iter().filter(|movement| until.is_none_or(|end| movement.at <= end)).collect();
    ordered.sort_by(|one, other| {
        movement_order(one)
            .cmp(&movement_order(other))
            .then_with(|| content_order(one).cmp(&content_order(other)))
    });
    ordered.dedup_by(|later, first| movement_order(later) == movement_order(first));
    let mut fold = Fold::new(update_opens);
    for movement in ordered {
        fold.apply(movement);
    }
    fold.finish()
}

/// Breaks ties between different contents under one message id, so that order cannot matter.
fn content_order(movement: &Movement) -> (EncounterClass, &Option<Location>, &Option<Location>) {
    (movement.class, &movement.location, &movement.prior_location)
}

const fn opens(kind: MovementKind) -> bool {
    match kind {
        MovementKind::Admit
        | MovementKind::Register
        | MovementKind::ToInpatient
        | MovementKind::ToOutpatient
        | MovementKind::Transfer
        | MovementKind::CancelTransfer
        | MovementKind::CancelDischarge => true,
        MovementKind::PreAdmit
        | MovementKind::Update
        | MovementKind::CancelAdmit
        | MovementKind::Discharge => false,
    }
}

struct Fold {
    /// Absent until a movement says anything about the life of the stay.
    status: Option<EncounterStatus>,
    class: EncounterClass,
    location: Option<Location>,
    /// Where the patient was before each transfer that still stands.
    before: Vec<Option<Location>>,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    update_opens: bool,
}

impl Fold {
    const fn new(update_opens: bool) -> Self {
        Self {
            status: None,
            class: EncounterClass::Unknown,
            location: None,
            before: Vec::new(),
            started_at: None,
            ended_at: None,
            update_opens,
        }
    }

    fn apply(&mut self, movement: &Movement) {
        self.note_class(movement);
        match movement.kind {
            MovementKind::PreAdmit => self.plan(movement),
            MovementKind::Admit
            | MovementKind::Register
            | MovementKind::ToInpatient
            | MovementKind::ToOutpatient => self.open(movement),
            MovementKind::Transfer => self.transfer(movement),
            MovementKind::Update => self.update(movement),
            MovementKind::CancelAdmit => self.cancel_admit(),
            MovementKind::CancelTransfer => self.cancel_transfer(movement),
            MovementKind::CancelDischarge => self.cancel_discharge(movement),
            MovementKind::Discharge => self.discharge(movement.at),
        }
    }

    fn note_class(&mut self, movement: &Movement) {
        let implied = match movement.kind {
            MovementKind::Admit | MovementKind::ToInpatient => EncounterClass::Inpatient,
            MovementKind::ToOutpatient => EncounterClass::Outpatient,
            MovementKind::PreAdmit => EncounterClass::PreAdmission,
            MovementKind::Register
            | MovementKind::Transfer
            | MovementKind::Update
            | MovementKind::CancelAdmit
            | MovementKind::CancelTransfer
            | MovementKind::CancelDischarge
            | MovementKind::Discharge => EncounterClass::Unknown,
        };
        if movement.class != EncounterClass::Unknown {
            self.class = movement.class;
        } else if implied != EncounterClass::Unknown {
            self.class = implied;
        }
    }

    fn has_not_begun(&self) -> bool {
        matches!(self.status, None | Some(EncounterStatus::Planned))
    }

    fn is_open(&self) -> bool {
        self.status == Some(EncounterStatus::Open)
    }

    fn plan(&mut self, movement: &Movement) {
        if self.has_not_begun() {
            self.status = Some(EncounterStatus::Planned);
            self.location.clone_from(&movement.location);
        }
    }

    fn begin(&mut self, at: Timestamp, location: Option<Location>) {
        self.status = Some(EncounterStatus::Open);
        self.started_at = Some(at);
        self.ended_at = None;
        self.before.clear();
        self.location = location;
    }

    fn open(&mut self, movement: &Movement) {
        if !self.is_open() {
            self.begin(movement.at, movement.location.clone());
        } else if movement.location.is_some() {
            self.location.clone_from(&movement.location);
        }
    }

    fn transfer(&mut self, movement: &Movement) {
        if self.has_not_begun() {
            self.begin(movement.at, movement.prior_location.clone());
        }
        if self.is_open() && movement.location.is_some() {
            let left = self.location.take().or_else(|| movement.prior_location.clone());
            self.before.push(left);
            self.location.clone_from(&movement.location);
        }
    }

    fn update(&mut self, movement: &Movement) {
        if self.status.is_none() && self.update_opens && self.class == EncounterClass::Inpatient {
            self.begin(movement.at, None);
        }
        if self.is_open() && self.location.is_none() {
            self.location.clone_from(&movement.location);
        }
    }

    fn cancel_admit(&mut self) {
        self.status = Some(EncounterStatus::Cancelled);
        self.started_at = None;
        self.ended_at = None;
        self.location = None;
        self.before.clear();
    }

    fn cancel_transfer(&mut self, movement: &Movement) {
        if self.has_not_begun() {
            self.begin(movement.at, movement.location.clone());
        } else if self.is_open() {
            let returned = self.before.pop().flatten().or_else(|| movement.location.clone());
            if returned.is_some() {
                self.location = returned;
            }
        }
    }

    fn cancel_discharge(&mut self, movement: &Movement) {
        if self.has_not_begun() {
            self.begin(movement.at, movement.location.clone());
            return;
        }
        if self.status == Some(EncounterStatus::Discharged) {
            self.status = Some(EncounterStatus::Open);
            self.ended_at = None;
        }
        if self.is_open() && self.location.is_none() {
            self.location.clone_from(&movement.location);
        }
    }

    fn discharge(&mut self, at: Timestamp) {
        if self.status == Some(EncounterStatus::Planned) {
            // A reserved place is not where the patient was.
            self.location = None;
        }
        if self.status != Some(EncounterStatus::Cancelled) {
            // The last location stays in the fold, for a discharge that is cancelled later.
            self.status = Some(EncounterStatus::Discharged);
            self.ended_at = Some(at);
        }
    }

    fn finish(self) -> FoldedStay {
        let status = self.status.unwrap_or(EncounterStatus::Planned);
        let location = match status {
            EncounterStatus::Planned | EncounterStatus::Open => self.location,
            EncounterStatus::Discharged | EncounterStatus::Cancelled => None,
        };
        let (started_at, ended_at) = (self.started_at, self.ended_at);
        FoldedStay { status, class: self.class, location, started_at, ended_at }
    }
}

#[cfg(test)]
#[path = "stay_test.rs"]
mod tests;
