//! Generated clinical facts.

use super::Tape;
use schema_types::clinical::{
    EncounterClass, Location, Movement, MovementKind, Observation, ObservationStatus,
    ObservationValue, ResourceKey, ResourceMeta,
};
use schema_types::ids::{EncounterId, ObservationId};
use schema_types::phi::Phi;
use schema_types::quantity::Quantity;

impl Tape {
    fn quantity(&mut self) -> Quantity {
        Quantity { value: self.decimal(), unit: self.text() }
    }

    fn value(&mut self) -> ObservationValue {
        match self.byte() % 5 {
            0 => ObservationValue::Absent(self.text()),
            1 => ObservationValue::Quantity(self.quantity()),
            2 => ObservationValue::Coded(self.code()),
            3 => ObservationValue::Text(Phi::new(self.text())),
            _ => ObservationValue::Sampled {
                origin: self.quantity(),
                period_ms: self.decimal(),
                factor: self.decimal(),
                data: self.text(),
            },
        }
    }

    pub(crate) fn observation(&mut self) -> Observation {
        use ObservationStatus::{Corrected, Final, Preliminary, Withdrawn};
        Observation {
            id: ObservationId::new(self.text()),
            code: self.code(),
            category: self.text(),
            value: self.value(),
            measured: self.option(|tape| (tape.measure(), tape.decimal())),
            effective_at: self.time(),
            status: self.pick(&[Preliminary, Final, Corrected, Withdrawn]),
            device: self.option(Self::entity),
            encounter: self.option(Self::encounter_id),
            provenance: self.provenance(),
            issues: self.list(Self::error_code),
        }
    }

    pub(super) fn encounter_id(&mut self) -> EncounterId {
        EncounterId::new(self.text())
    }

    pub(super) fn location(&mut self) -> Location {
        Location { facility: self.text(), ward: self.text(), room: self.text(), bed: self.text() }
    }

    pub(super) fn class(&mut self) -> EncounterClass {
        self.pick(EncounterClass::ALL)
    }

    pub(super) fn movement(&mut self) -> Movement {
        Movement {
            kind: self.pick(MovementKind::ALL),
            at: self.time(),
            message_id: self.text(),
            class: self.class(),
            location: self.option(Self::location),
            prior_location: self.option(Self::location),
            provenance: self.provenance(),
        }
    }

    pub(super) fn resource_meta(&mut self) -> ResourceMeta {
        ResourceMeta {
            key: ResourceKey { resource_type: self.text(), id: self.text() },
            version: self.u64(),
            updated_at: self.time(),
            deleted: self.flag(),
            digest: self.digest(),
            date: self.option(Self::time),
            codes: self.list(Self::code),
            categories: self.list(Self::code),
            status: self.text(),
        }
    }

    pub(super) fn resource_entry(&mut self) -> (ResourceKey, ResourceMeta) {
        let meta = self.resource_meta();
        (meta.key.clone(), meta)
    }
}
