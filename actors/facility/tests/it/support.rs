//! A facility without a runtime: decides, folds, and can replay its journal (DET-1).

use actors_core::{Context, Decision, Entity, Rejection};
use actors_facility::command::{BedBoard, Census, Read, Reply};
use actors_facility::{Command, Event, Facility, State, state};
use schema_types::clinical::{EncounterClass, Location, Movement, MovementKind, Provenance};
use schema_types::facility::{FacilityNotice, Stay};
use schema_types::ids::{
    CommandId, EncounterId, EntityId, EntityKind, PrincipalId, SourceId, TenantId,
};
use schema_types::time::Timestamp;

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

pub(crate) fn patient(name: &str) -> EntityId {
    EntityId::new(TenantId::new("t1"), EntityKind::Patient, name)
}

pub(crate) fn facility() -> EntityId {
    EntityId::new(TenantId::new("t1"), EntityKind::Facility, "OHG")
}

/// A place from `ward^room^bed`, in the facility of the tests.
pub(crate) fn place(text: &str) -> Location {
    let mut parts = text.split('^').map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    let (ward, room, bed) = (next(), next(), next());
    Location { facility: "OHG".into(), ward, room, bed }
}

pub(crate) fn movement(kind: MovementKind, seconds: i64, location: &str) -> Movement {
    Movement {
        kind,
        at: at(seconds),
        message_id: format!("m{seconds}{}", kind.number()),
        class: EncounterClass::Inpatient,
        location: (!location.is_empty()).then(|| place(location)),
        prior_location: None,
        provenance: Provenance::default(),
    }
}

/// The notice of a stay: patient and encounter share a name.
pub(crate) fn stay_changed(name: &str, revision: u64, movements: Vec<Movement>) -> Command {
    let stay = Stay { patient: patient(name), revision, movements };
    let encounter = EncounterId::new(name);
    Command::Notice(FacilityNotice::StayChanged { encounter, stay })
}

#[derive(Default)]
pub(crate) struct Harness {
    pub(crate) state: State,
    pub(crate) journal: Vec<Event>,
    pub(crate) purpose: Option<&'static str>,
}

impl Harness {
    pub(crate) fn decide(&mut self, command: Command) -> Result<Decision<Facility>, Rejection> {
        let (source, command_id) = (SourceId::new("test"), CommandId::new("c"));
        let (entity, principal) = (facility(), PrincipalId::new("clerk"));
        let context = Context {
            entity: &entity,
            now: at(1),
            source: &source,
            command_id: &command_id,
            principal: &principal,
            purpose: self.purpose.unwrap_or("HOPERAT"),
            message: None,
            sequence: self.journal.len() as u64,
        };
        let decision = Facility::decide(&self.state, &context, command)?;
        for event in &decision.events {
            Facility::evolve(&mut self.state, event);
            self.journal.push(event.clone());
        }
        Ok(decision)
    }

    pub(crate) fn run(&mut self, command: Command) -> Decision<Facility> {
        self.decide(command).unwrap()
    }

    pub(crate) fn changes(&mut self, command: Command) -> bool {
        let decision = self.run(command);
        let Reply::Done { changed } = decision.reply else { panic!("another reply") };
        assert_eq!(changed, !decision.events.is_empty());
        changed
    }

    pub(crate) fn census(&mut self, at: Option<Timestamp>) -> Census {
        let Reply::Census(census) = self.run(Command::Read(Read::Census { at })).reply else {
            panic!("another reply")
        };
        census
    }

    pub(crate) fn series(&mut self, from: i64, to: i64, step: i64) -> Vec<Census> {
        let step_micros = step * 1_000_000;
        let read = Read::CensusSeries { from: at(from), to: at(to), step_micros };
        let Reply::CensusSeries(series) = self.run(Command::Read(read)).reply else {
            panic!("another reply")
        };
        series
    }

    pub(crate) fn board(&mut self) -> BedBoard {
        let Reply::BedBoard(board) = self.run(Command::Read(Read::BedBoard)).reply else {
            panic!("another reply")
        };
        board
    }

    /// The journal from its stored form folds to the state that is there (DET-1).
    pub(crate) fn assert_replay(&self) {
        assert_eq!(state::validate(&self.state), Ok(()));
        let mut replayed = State::default();
        for event in &self.journal {
            let stored = Facility::encode_event(event);
            Facility::evolve(&mut replayed, &Facility::decode_event(&stored).unwrap());
        }
        assert_eq!(replayed, self.state);
        let snapshot = Facility::encode_state(&self.state);
        assert_eq!(Facility::encode_state(&replayed), snapshot);
        assert_eq!(Facility::decode_state(&snapshot).unwrap(), self.state);
    }
}
