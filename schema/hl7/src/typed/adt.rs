//! ADT: movements of stays, changes of person data, joining and separating of records.

use super::person::assigner_of;
use super::{Adt, Decoder, Merge, Payload};
use crate::error::Hl7Error;
use crate::message::{Part, Segment};
use schema_types::clinical::{EncounterClass, Location, Movement, MovementKind};
use schema_types::ids::EncounterId;
use schema_types::time::Timestamp;

/// The name of the stay of a patient whose messages number no visits.
pub(super) const DEFAULT_ENCOUNTER: &str = "default";

/// The movement that a trigger event reports.
pub(super) fn kind(trigger: &str) -> Option<MovementKind> {
    let kind = match trigger {
        "A01" => MovementKind::Admit,
        "A02" => MovementKind::Transfer,
        "A03" => MovementKind::Discharge,
        "A04" => MovementKind::Register,
        "A05" => MovementKind::PreAdmit,
        "A06" => MovementKind::ToInpatient,
        "A07" => MovementKind::ToOutpatient,
        "A08" => MovementKind::Update,
        "A11" => MovementKind::CancelAdmit,
        "A12" => MovementKind::CancelTransfer,
        "A13" => MovementKind::CancelDischarge,
        _ => return None,
    };
    Some(kind)
}

impl Decoder<'_> {
    pub(super) fn adt(&self, trigger: &str) -> Result<Payload, Hl7Error> {
        let event_at = self.event_at()?;
        match trigger {
            "A40" => Ok(Payload::Merge { event_at, merges: self.merges(event_at)? }),
            "A37" => self.unlink(event_at),
            _ => self.person_event(kind(trigger), event_at),
        }
    }

    fn person_event(
        &self,
        kind: Option<MovementKind>,
        event_at: Timestamp,
    ) -> Result<Payload, Hl7Error> {
        let pid = self.message.segment("PID").ok_or_else(|| Hl7Error::segment_missing("PID"))?;
        let patient = self.identity(&pid, self.stated_at(event_at)?)?;
        let movement = match (kind, self.message.segment("PV1")) {
            (None, _) | (Some(MovementKind::Update), None) => None,
            (Some(_), None) => return Err(Hl7Error::segment_missing("PV1")),
            (Some(kind), Some(pv1)) => {
                let encounter = self.encounter(&pid, &pv1);
                let encounter = encounter.unwrap_or_else(|| EncounterId::new(DEFAULT_ENCOUNTER));
                Some((encounter, self.movement(kind, event_at, &pv1)))
            }
        };
        Ok(Payload::Adt(Box::new(Adt { patient, event_at, movement })))
    }

    fn movement(&self, kind: MovementKind, at: Timestamp, pv1: &Segment<'_>) -> Movement {
        Movement {
            kind,
            at,
            message_id: self.header.control_id.clone(),
            class: class_of(&pv1.field(2)),
            location: self.location(&pv1.field(3)),
            prior_location: self.location(&pv1.field(6)),
            provenance: self.provenance(pv1.position()),
        }
    }

    /// `{assigner}.{visit number}` from PV1-19, else the account number in PID-18.
    pub(super) fn encounter(&self, pid: &Segment<'_>, pv1: &Segment<'_>) -> Option<EncounterId> {
        [pv1.field(19), pid.field(18)].iter().find_map(|field| {
            let number = field.repetition(1);
            let id = number.component(1).subcomponent(1).value();
            let named = !id.is_empty();
            named.then(|| EncounterId::new(self.qualified(&assigner_of(&number), &id)))
        })
    }

    /// A PL field: ward, room, bed, facility. `None` when it names none of them.
    fn location(&self, field: &Part<'_>) -> Option<Location> {
        let place = field.repetition(1);
        let name = |number: usize| place.component(number).subcomponent(1).value();
        let [ward, room, bed, facility] = [1, 2, 3, 4].map(name);
        if [&ward, &room, &bed, &facility].iter().all(|name| name.is_empty()) {
            return None;
        }
        let sender = &self.header.sending_facility;
        let facility = if facility.is_empty() { sender.clone() } else { facility };
        Some(Location { facility, ward, room, bed })
    }

    /// One join per MRG; each belongs to the PID before it.
    fn merges(&self, event_at: Timestamp) -> Result<Vec<Merge>, Hl7Error> {
        let stated_at = self.stated_at(event_at)?;
        let mut merges = Vec::new();
        let mut unjoined: Option<Segment<'_>> = None;
        for segment in self.message.segments() {
            match segment.name().as_str() {
                "PID" if unjoined.is_some() => return Err(Hl7Error::segment_missing("MRG")),
                "PID" => unjoined = Some(segment),
                "MRG" => {
                    let pid = unjoined.take().ok_or_else(|| Hl7Error::segment_missing("PID"))?;
                    let survivor = self.identity(&pid, stated_at)?;
                    let (retired_key, retired_identifiers) = self.retired(&segment)?;
                    merges.push(Merge { survivor, retired_key, retired_identifiers });
                }
                _ => {}
            }
        }
        if unjoined.is_some() || merges.is_empty() {
            return Err(Hl7Error::segment_missing("MRG"));
        }
        Ok(merges)
    }

    fn unlink(&self, event_at: Timestamp) -> Result<Payload, Hl7Error> {
        let stated_at = self.stated_at(event_at)?;
        let mut persons = self.message.segments().filter(|segment| segment.is("PID"));
        let (Some(first), Some(second)) = (persons.next(), persons.next()) else {
            let missing = Hl7Error::segment_missing("PID");
            let position = crate::error::Position { sequence: 2, ..missing.position };
            return Err(Hl7Error { position, ..missing });
        };
        let first = Box::new(self.identity(&first, stated_at)?);
        let second = Box::new(self.identity(&second, stated_at)?);
        Ok(Payload::Unlink { event_at, first, second })
    }
}

fn class_of(field: &Part<'_>) -> EncounterClass {
    match field.component(1).value().to_ascii_uppercase().as_str() {
        "I" | "B" | "IP" | "IMP" | "INPATIENT" => EncounterClass::Inpatient,
        "O" | "R" | "OP" | "AMB" | "OUTPATIENT" => EncounterClass::Outpatient,
        "E" | "ER" | "ED" | "EMER" | "EMERGENCY" => EncounterClass::Emergency,
        "P" | "PREADMIT" => EncounterClass::PreAdmission,
        "V" | "VR" | "VIRTUAL" => EncounterClass::Virtual,
        _ => EncounterClass::Unknown,
    }
}
