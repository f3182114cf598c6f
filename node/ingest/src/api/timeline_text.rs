//! Events in words that need no codes, as items of a timeline.

use super::json::{add_provenance, alert_status, decimal, registration, time};
use schema_types::clinical::{
    Code, Location, Movement, Observation, ObservationStatus, ObservationValue, Provenance,
    ResourceMeta,
};
use schema_types::patient::{
    Alert, AlertCondition, AlertStatus, DemographicsPatch, FieldUpdate, LinkRole, PatientEvent,
    Severity,
};
use schema_types::score::ScoreResult;
use schema_types::time::Timestamp;
use schema_wire::journal::JournalRecord;
use serde_json::{Map, Value, json};

/// An item before it gets the parts that all items have.
struct Item {
    at: Timestamp,
    kind: &'static str,
    text: String,
    /// Members of its own.
    more: Map<String, Value>,
    provenance: Option<Provenance>,
}

impl Item {
    fn new(at: Timestamp, kind: &'static str, text: impl Into<String>) -> Self {
        Self { at, kind, text: text.into(), more: Map::new(), provenance: None }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    fn from(mut self, provenance: &Provenance) -> Self {
        self.provenance = Some(provenance.clone());
        self
    }
}

/// The items of a journal row, each with its time.
pub(crate) fn items_of(record: &JournalRecord, events: &[PatientEvent]) -> Vec<(Timestamp, Value)> {
    let items = events.iter().flat_map(|event| {
        let results = if let PatientEvent::ScoresRecorded { results } = event {
            results.as_slice()
        } else {
            &[]
        };
        results.iter().map(scored).chain(item(record, event))
    });
    items.map(|item| (item.at, finish(record, item))).collect()
}

fn finish(record: &JournalRecord, item: Item) -> Value {
    let mut shown = json!({
        "at": time(item.at),
        "recorded_at": time(record.recorded_at),
        "kind": item.kind,
        "text": item.text,
    });
    if let Some(map) = shown.as_object_mut() {
        map.extend(item.more);
        let own = Provenance {
            source: record.source.clone(),
            message: record.message.unwrap_or_default(),
            position: String::new(),
        };
        add_provenance(map, item.provenance.as_ref().unwrap_or(&own));
        map.insert("by".to_owned(), Value::from(record.principal.as_str()));
    }
    shown
}

/// One event as one item; scores are as many items as there are results.
fn item(record: &JournalRecord, event: &PatientEvent) -> Option<Item> {
    let now = record.recorded_at;
    Some(match event {
        PatientEvent::ScoresRecorded { .. } => return None,
        PatientEvent::DemographicsStated { registration: known, patch, stated_at } => {
            let at = (*stated_at).max(Timestamp::from_unix_micros(0));
            let words = format!("{}: {}", registration(*known), stated_fields(patch));
            Item::new(if *stated_at == Timestamp::MIN { now } else { at }, "person", words)
        }
        PatientEvent::MovementRecorded { encounter, movement } => {
            moved(movement).with("encounter", encounter.as_str()).from(&movement.provenance)
        }
        PatientEvent::ObservationRecorded { observation, future_dated, .. } => {
            observed(observation, *future_dated)
        }
        PatientEvent::ScoreRecorded { score } => scored(&score.result(false)),
        PatientEvent::AlertRaised { alert } => raised(alert),
        PatientEvent::AlertSuppressed { condition, at, trigger } => {
            let words = format!("{}: triggered again, no new page", named(condition));
            Item::new(*at, "alert", words).with("value", decimal(*trigger))
        }
        PatientEvent::AlertSeverityChanged { condition, severity, at, trigger } => {
            let words = format!("{}: now {}", named(condition), severity_word(*severity));
            Item::new(*at, "alert", words).with("value", decimal(*trigger))
        }
        PatientEvent::AlertCalmed { condition, at } => {
            Item::new(*at, "alert", format!("{}: a result below the threshold", named(condition)))
        }
        PatientEvent::AlertAcknowledged { condition, by, at } => {
            Item::new(*at, "alert", format!("{}: acknowledged by {by}", named(condition)))
        }
        PatientEvent::AlertEscalated { condition, at } => {
            Item::new(*at, "alert", format!("{}: nobody answered, escalated", named(condition)))
        }
        PatientEvent::AlertResolved { condition, at } => {
            Item::new(*at, "alert", format!("{}: resolved", named(condition)))
        }
        PatientEvent::ResourceStored { meta } => stored(meta),
        PatientEvent::DeviceAssociated { device, at } => {
            Item::new(*at, "device", format!("device {} measures from now on", device.key()))
        }
        PatientEvent::DeviceDissociated { device, at } => {
            Item::new(*at, "device", format!("device {} measures no longer", device.key()))
        }
        PatientEvent::LinkAdded { other, role, at, provenance } => {
            let words = match role {
                LinkRole::Survivor => format!("record {} was retired into this one", other.key()),
                LinkRole::Retired => format!("this record was retired into {}", other.key()),
            };
            Item::new(*at, "link", words).from(provenance)
        }
        PatientEvent::LinkRemoved { other, at } => {
            Item::new(*at, "link", format!("record {} was separated again", other.key()))
        }
        PatientEvent::ContributionReceived { from, measure, value } => {
            let words = format!("{} from record {}", plain(measure.label()), from.key());
            Item::new(value.effective_at.max(Timestamp::from_unix_micros(0)), "contribution", words)
                .with("value", decimal(value.value))
                .with("unit", measure.unit())
                .from(&Provenance::from(&value.provenance))
        }
    })
}

/// A label as words: `heart-rate` becomes `heart rate`.
fn plain(label: &str) -> String {
    label.replace('-', " ")
}

fn stated_fields(patch: &DemographicsPatch) -> String {
    fn said<T>(update: &FieldUpdate<T>) -> bool {
        !matches!(update, FieldUpdate::Keep)
    }
    let fields = [
        ("identifiers", !patch.identifiers.is_empty()),
        ("name", said(&patch.name)),
        ("birth date", said(&patch.birth_date)),
        ("sex", said(&patch.sex)),
        ("address", said(&patch.address)),
        ("telephone", said(&patch.phone)),
        ("death", said(&patch.deceased_at)),
    ];
    let named: Vec<&str> =
        fields.into_iter().filter(|(_, is_said)| *is_said).map(|(name, _)| name).collect();
    if named.is_empty() { "nothing more is known".to_owned() } else { named.join(", ") }
}

fn place(location: Option<&Location>) -> String {
    let Some(location) = location else { return String::new() };
    let parts = [&location.facility, &location.ward, &location.room, &location.bed];
    let parts: Vec<&str> =
        parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    parts.join(" / ")
}

fn moved(movement: &Movement) -> Item {
    let (from, to) = (place(movement.prior_location.as_ref()), place(movement.location.as_ref()));
    let mut words = plain(movement.kind.label());
    if !to.is_empty() {
        words = format!("{words} to {to}");
    }
    if !from.is_empty() {
        words = format!("{words} from {from}");
    }
    Item::new(movement.at, "movement", words).with("code", movement.kind.label())
}

fn shown_code(code: &Code) -> &str {
    if code.display.is_empty() { &code.code } else { &code.display }
}

fn observed(observation: &Observation, future_dated: bool) -> Item {
    let name = match observation.measured {
        Some((measure, _)) if observation.code.display.is_empty() => plain(measure.label()),
        Some(_) | None => shown_code(&observation.code).to_owned(),
    };
    let (value, unit) = match &observation.value {
        ObservationValue::Quantity(quantity) => (decimal(quantity.value), quantity.unit.clone()),
        ObservationValue::Coded(code) => (Value::from(shown_code(code)), String::new()),
        ObservationValue::Text(text) => (Value::from(text.expose().as_str()), String::new()),
        ObservationValue::Sampled { origin, .. } => (Value::from("samples"), origin.unit.clone()),
        ObservationValue::Absent(_) => (Value::Null, String::new()),
    };
    let said = match value.as_str() {
        _ if value.is_null() => "no value".to_owned(),
        Some(text) => text.to_owned(),
        None => value.to_string(),
    };
    let status = match observation.status {
        ObservationStatus::Final => "",
        ObservationStatus::Preliminary => ", preliminary",
        ObservationStatus::Corrected => ", corrected",
        ObservationStatus::Withdrawn => ", withdrawn",
    };
    let future = if future_dated { ", dated in the future" } else { "" };
    let words = format!("{name} {said} {unit}").trim_end().to_owned() + status + future;
    let issues: Vec<&str> = observation.issues.iter().map(|issue| issue.as_str()).collect();
    Item::new(observation.effective_at, "observation", words)
        .with("code", observation.code.code.as_str())
        .with("value", value)
        .with("unit", unit)
        .with("observation", observation.id.as_str())
        .with("issues", issues)
        .from(&observation.provenance)
}

fn scored(score: &ScoreResult) -> Item {
    let range = if score.complete {
        score.minimum.to_string()
    } else {
        format!("{} to {} (incomplete)", score.minimum, score.maximum)
    };
    let words = format!("{} {range}, {}", plain(score.model.label()), plain(score.band.label()));
    Item::new(score.as_of, "score", words)
        .with("code", score.model.label())
        .with("value", decimal(score.minimum))
}

fn named(condition: &AlertCondition) -> String {
    match condition {
        AlertCondition::Score(model) => format!("{} alert", plain(model.label())),
        AlertCondition::CriticalValue(measure) => {
            format!("critical {} alert", plain(measure.label()))
        }
        AlertCondition::DeviceSilent(device) => format!("device {} silent", device.key()),
    }
}

const fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

fn raised(alert: &Alert) -> Item {
    let words = format!("{}: raised, {}", named(&alert.condition), severity_word(alert.severity));
    Item::new(alert.raised_at, "alert", words)
        .with("code", alert.id.as_str())
        .with("value", decimal(alert.trigger))
        .with("status", alert_status(AlertStatus::Active))
}

fn stored(meta: &ResourceMeta) -> Item {
    let name = meta.codes.first().map(shown_code).unwrap_or_default();
    let what = match (meta.deleted, meta.version) {
        (true, _) => "deleted",
        (false, 1) => "recorded",
        (false, _) => "changed",
    };
    let words = format!("{} {name} {what}", meta.key.resource_type);
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let item = Item::new(meta.date.unwrap_or(meta.updated_at), "resource", words)
        .with("type", meta.key.resource_type.as_str())
        .with("id", meta.key.id.as_str())
        .with("version", meta.version)
        .with("status", meta.status.as_str());
    match meta.codes.first() {
        Some(code) => item.with("code", code.code.as_str()),
        None => item,
    }
}
