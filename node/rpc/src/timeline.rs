//! What happened to a patient, from its journal: one item for each event that people ask about.

use crate::show;
use crate::subscribe::alert_change;
use actors_patient::Event;
use schema_types::clinical::{Movement, Observation, ObservationStatus};
use schema_types::ids::EncounterId;
use schema_types::patient::AlertCondition;
use schema_types::score::ScoreResult;
use schema_types::time::Timestamp;
use schema_wire::journal::JournalRecord;
use schema_wire::rpc_capnp::{self as wire, AlertChange};

/// One thing that happened.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Journal sequence of the event.
    sequence: u64,
    /// Place among the items of the event.
    place: u8,
    recorded_at: Timestamp,
    event: Event,
}

impl Item {
    /// Orders the items of a journal: by event, then by place within the event.
    pub(crate) const fn order(&self) -> u64 {
        (self.sequence << u8::BITS) | self.place as u64
    }

    /// When it was true of the patient.
    pub(crate) fn at(&self) -> Timestamp {
        match &self.event {
            Event::DemographicsStated { stated_at, .. } => *stated_at,
            Event::MovementRecorded { movement, .. } => movement.at,
            Event::ObservationRecorded { observation, .. } => observation.effective_at,
            Event::ScoreRecorded { score } => score.as_of,
            Event::ScoresRecorded { results } => {
                results.first().map_or(self.recorded_at, |result| result.as_of)
            }
            Event::AlertRaised { alert } => alert.raised_at,
            Event::AlertSuppressed { at, .. }
            | Event::AlertSeverityChanged { at, .. }
            | Event::AlertCalmed { at, .. }
            | Event::AlertAcknowledged { at, .. }
            | Event::AlertEscalated { at, .. }
            | Event::AlertResolved { at, .. }
            | Event::DeviceAssociated { at, .. }
            | Event::DeviceDissociated { at, .. }
            | Event::LinkAdded { at, .. }
            | Event::LinkRemoved { at, .. } => *at,
            Event::ResourceStored { meta } => meta.date.unwrap_or(meta.updated_at),
            Event::ContributionReceived { value, .. } => value.effective_at,
        }
    }
}

/// The items of one journal row, in order. What only the machinery needs is left out.
pub(crate) fn items_of(record: &JournalRecord, events: Vec<Event>) -> Vec<Item> {
    let recorded_at = record.recorded_at;
    let kept = (record.sequence..).zip(events).filter(|(_, event)| {
        !matches!(
            event,
            Event::AlertCalmed { .. }
                | Event::AlertSuppressed { .. }
                | Event::ContributionReceived { .. }
        )
    });
    let mut items = Vec::new();
    for (sequence, event) in kept {
        if let Event::ScoresRecorded { results } = event {
            items.extend((0..).zip(results).map(|(place, result)| {
                let event = Event::ScoresRecorded { results: vec![result] };
                Item { sequence, place, recorded_at, event }
            }));
        } else {
            items.push(Item { sequence, place: 0, recorded_at, event });
        }
    }
    items
}

/// Fills an item.
pub(crate) fn write(mut builder: wire::timeline_item::Builder<'_>, item: &Item) {
    builder.set_at_unix_micros(item.at().unix_micros());
    builder.set_sequence(item.sequence);
    builder.set_recorded_at_unix_micros(item.recorded_at.unix_micros());
    let (kind, text) = told(&item.event);
    builder.set_kind(kind);
    builder.set_text(&text[..]);
    let detail = builder.init_detail();
    match &item.event {
        Event::ObservationRecorded { observation: one, .. } => {
            observation(detail.init_observation(), one);
        }
        Event::ScoreRecorded { score } => show::score(detail.init_score(), &score.result(false)),
        Event::ScoresRecorded { results } => {
            if let Some(result) = results.first() {
                show::score(detail.init_score(), result);
            }
        }
        Event::AlertRaised { alert } => show::alert(detail.init_alert(), alert),
        Event::MovementRecorded { encounter, movement: one } => {
            movement(detail.init_movement(), encounter, one);
        }
        Event::DemographicsStated { .. }
        | Event::AlertSuppressed { .. }
        | Event::AlertSeverityChanged { .. }
        | Event::AlertCalmed { .. }
        | Event::AlertAcknowledged { .. }
        | Event::AlertEscalated { .. }
        | Event::AlertResolved { .. }
        | Event::ResourceStored { .. }
        | Event::DeviceAssociated { .. }
        | Event::DeviceDissociated { .. }
        | Event::LinkAdded { .. }
        | Event::LinkRemoved { .. }
        | Event::ContributionReceived { .. } => {}
    }
}

/// The kind of an event and one line for people.
fn told(event: &Event) -> (&'static str, String) {
    if let Some((change, condition, _)) = alert_change(event) {
        return ("alert", alert_text(change, condition));
    }
    match event {
        Event::DemographicsStated { registration, .. } => {
            ("person", format!("person stated, {}", show::registration(*registration)))
        }
        Event::MovementRecorded { movement, .. } => ("movement", movement.kind.label().to_owned()),
        Event::ObservationRecorded { observation, .. } => ("observation", text_of(observation)),
        Event::ScoreRecorded { score } => ("score", score_text(&score.result(false))),
        Event::ScoresRecorded { results } => {
            ("score", results.iter().map(score_text).collect::<Vec<_>>().join(", "))
        }
        Event::ResourceStored { meta } => {
            let verb = if meta.deleted { "deleted" } else { "stored" };
            ("resource", format!("{} {verb}, version {}", meta.key.resource_type, meta.version))
        }
        Event::DeviceAssociated { device, .. } => {
            ("device", format!("device {} measures", device.key()))
        }
        Event::DeviceDissociated { device, .. } => {
            ("device", format!("device {} measures no more", device.key()))
        }
        Event::LinkAdded { .. } => ("link", "joined with another record".to_owned()),
        Event::LinkRemoved { .. } => ("link", "separated from another record".to_owned()),
        Event::AlertRaised { .. }
        | Event::AlertSuppressed { .. }
        | Event::AlertSeverityChanged { .. }
        | Event::AlertCalmed { .. }
        | Event::AlertAcknowledged { .. }
        | Event::AlertEscalated { .. }
        | Event::AlertResolved { .. } => ("alert", "alert".to_owned()),
        Event::ContributionReceived { .. } => ("link", "value of a joined record".to_owned()),
    }
}

fn score_text(score: &ScoreResult) -> String {
    format!("{} {} {}", score.model.label(), score.minimum, score.band.label())
}

fn alert_text(change: AlertChange, condition: &AlertCondition) -> String {
    let verb = match change {
        AlertChange::Raised => "raised",
        AlertChange::SeverityChanged => "changed in severity",
        AlertChange::Acknowledged => "acknowledged",
        AlertChange::Escalated => "escalated",
        AlertChange::Resolved => "resolved",
        AlertChange::Unknown => "changed",
    };
    format!("{} {verb}", show::condition(condition))
}

fn text_of(observation: &Observation) -> String {
    match observation.measured {
        Some((measure, value)) => format!("{} {value} {}", measure.label(), measure.unit()),
        None if observation.code.display.is_empty() => observation.code.code.clone(),
        None => observation.code.display.clone(),
    }
}

fn observation(mut builder: wire::observation_view::Builder<'_>, one: &Observation) {
    builder.set_id(one.id.as_str());
    let mut code = builder.reborrow().init_code();
    code.set_code(&one.code.code[..]);
    code.set_system(&one.code.system[..]);
    code.set_display(&one.code.display[..]);
    if let Some((measure, value)) = one.measured {
        builder.set_measure(measure.label());
        show::decimal(builder.reborrow().init_value(), value);
        builder.set_unit(measure.unit());
    }
    builder.set_status(match one.status {
        ObservationStatus::Preliminary => "preliminary",
        ObservationStatus::Final => "final",
        ObservationStatus::Corrected => "corrected",
        ObservationStatus::Withdrawn => "withdrawn",
    });
    if let Some(device) = &one.device {
        builder.set_device(device.key());
    }
}

fn movement(
    mut builder: wire::movement_view::Builder<'_>,
    encounter: &EncounterId,
    movement: &Movement,
) {
    builder.set_encounter(encounter.as_str());
    builder.set_kind(movement.kind.label());
    if let Some(location) = &movement.location {
        show::location(builder.init_location(), location);
    }
}
