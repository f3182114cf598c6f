//! Every command and reply of a patient.

use super::words::{Seed, assert_covers};
use actors_patient::command::*;
use schema_types::ids::{AlertId, EntityKind};
use schema_types::patient::*;
use schema_types::phi::Phi;
use std::collections::{BTreeMap, VecDeque};

pub(super) fn commands(seed: &Seed) -> Vec<Command> {
    let (other, at) = (seed.entity(EntityKind::Patient), seed.at());
    let (text, alert) = (seed.text.clone(), AlertId::new(seed.text.as_str()));
    let report = ObservationReport {
        operation: text.clone(),
        patch: seed.maybe((seed.patch(), at)),
        observations: seed.observations(),
        provisional: seed.flag,
    };
    let escalate = Timer::EscalateAlert { label: text.clone(), due: at };
    let mut commands = vec![
        Command::Merge { retired: other.clone(), at, provenance: seed.provenance() },
        Command::Unmerge { retired: other, at },
        Command::RecordObservations(Box::new(report)),
        Command::StoreResources { operation: text, writes: writes(seed) },
        Command::AcknowledgeAlert { alert: alert.clone() },
        Command::ResolveAlert { alert },
        Command::Timer(escalate),
    ];
    commands.extend(reports(seed).into_iter().map(|report| Command::ApplyAdt(Box::new(report))));
    commands.extend(notices(seed).into_iter().map(Command::Notice));
    commands.extend(reads(seed).into_iter().map(Command::Read));
    assert_covers!(
        commands,
        Command::ApplyAdt(_),
        Command::Merge { .. },
        Command::Unmerge { .. },
        Command::RecordObservations(_),
        Command::StoreResources { .. },
        Command::AcknowledgeAlert { .. },
        Command::ResolveAlert { .. },
        Command::Notice(_),
        Command::Timer(Timer::EscalateAlert { .. }),
        Command::Read(_),
    );
    commands
}

fn reports(seed: &Seed) -> Vec<AdtReport> {
    let report = |movement| AdtReport {
        operation: seed.text.clone(),
        patch: seed.patch(),
        stated_at: seed.at(),
        movement,
        registers: seed.flag,
    };
    let movements = seed.movements().into_iter();
    let with_movement = movements.map(|movement| report(Some((seed.encounter(), movement))));
    with_movement.chain([report(None)]).collect()
}

fn encounter_statuses() -> [EncounterStatus; 4] {
    use EncounterStatus::{Cancelled, Discharged, Open, Planned};
    let all = [Planned, Open, Discharged, Cancelled];
    assert_covers!(all, Planned, Open, Discharged, Cancelled);
    all
}

fn writes(seed: &Seed) -> Vec<ResourceWrite> {
    let fact = |status| EncounterFact {
        encounter: seed.encounter(),
        status,
        class: seed.movement().class,
        started_at: seed.maybe(seed.at()),
        ended_at: None,
        location: seed.maybe(seed.location()),
        provenance: seed.provenance(),
    };
    let (device, associated) = (seed.entity(EntityKind::Device), seed.flag);
    let link = DeviceLink { device, associated, at: seed.at() };
    let write = |(mode, status)| ResourceWrite {
        if_match: seed.maybe(seed.number),
        observations: seed.observations(),
        demographics: seed.maybe((seed.patch(), seed.at())),
        encounter: Some(fact(status)),
        device_links: vec![link.clone()],
        ..ResourceWrite::new(seed.key(), mode, seed.text.clone().into_bytes(), seed.facts())
    };
    seed.modes().into_iter().cycle().zip(encounter_statuses()).map(write).collect()
}

fn notices(seed: &Seed) -> Vec<PatientNotice> {
    let (patient, device) = (seed.entity(EntityKind::Patient), seed.entity(EntityKind::Device));
    let at = seed.at();
    let observations = seed.observations();
    let values = vec![(seed.measure(), seed.value())];
    let notices = vec![
        PatientNotice::Contribution { from: patient.clone(), values },
        PatientNotice::Retired { into: patient.clone(), at, provenance: seed.provenance() },
        PatientNotice::Separated { from: patient, at },
        PatientNotice::DeviceObservations { device: device.clone(), observations },
        PatientNotice::DeviceAssociation { device: device.clone(), associated: seed.flag, at },
        PatientNotice::DeviceSilence { device, silent: seed.flag, at },
    ];
    assert_covers!(
        notices,
        PatientNotice::Contribution { .. },
        PatientNotice::Retired { .. },
        PatientNotice::Separated { .. },
        PatientNotice::DeviceObservations { .. },
        PatientNotice::DeviceAssociation { .. },
        PatientNotice::DeviceSilence { .. },
    );
    notices
}

fn reads(seed: &Seed) -> Vec<Read> {
    let at = seed.at();
    let reads = vec![
        Read::State,
        Read::OpenAlerts,
        Read::Resource(seed.key()),
        Read::ResourceVersion(seed.key(), seed.number),
        Read::Resources { types: vec![seed.text.clone()] },
        Read::Timeline { from: at, to: at },
        Read::Explain { model: seed.maybe(seed.model()), as_of: seed.maybe(at) },
        Read::AsOf { at },
    ];
    assert_covers!(
        reads,
        Read::State,
        Read::OpenAlerts,
        Read::Resource(_),
        Read::ResourceVersion(..),
        Read::Resources { .. },
        Read::Timeline { .. },
        Read::Explain { .. },
        Read::AsOf { .. },
    );
    reads
}

pub(super) fn replies(seed: &Seed) -> Vec<Reply> {
    let changes = Changes {
        observations_recorded: seed.small(),
        observations_repeated: 0,
        movements_recorded: 1,
        scores: vec![seed.result()],
        alerts: seed.alerts(),
    };
    let replies = vec![
        Reply::Done(changes.clone()),
        Reply::Stored { versions: seed.versions(), changes },
        Reply::State(Box::new(state(seed))),
        Reply::Alerts(seed.alerts()),
        Reply::Resource {
            key: seed.key(),
            version: seed.maybe(seed.number),
            current: seed.maybe(Box::new(seed.meta())),
        },
        Reply::Resources(vec![seed.meta()]),
        Reply::Timeline(timeline(seed)),
        Reply::Explained(vec![explanation(seed)]),
        Reply::AsOf(Box::new(past(seed))),
    ];
    assert_covers!(
        replies,
        Reply::Done(_),
        Reply::Stored { .. },
        Reply::State(_),
        Reply::Alerts(_),
        Reply::Resource { .. },
        Reply::Resources(_),
        Reply::Timeline(_),
        Reply::Explained(_),
        Reply::AsOf(_),
    );
    replies
}

fn timeline(seed: &Seed) -> Vec<TimelineItem> {
    let alerts = seed.alerts();
    let items = vec![
        TimelineItem::Movement { encounter: seed.encounter(), movement: seed.movement() },
        TimelineItem::Value { measure: seed.measure(), value: seed.value() },
        TimelineItem::Score(seed.result()),
        TimelineItem::Alert(Box::new(alerts[0].clone())),
        TimelineItem::Resource(Box::new(seed.meta())),
    ];
    assert_covers!(
        items,
        TimelineItem::Movement { .. },
        TimelineItem::Value { .. },
        TimelineItem::Score(_),
        TimelineItem::Alert(_),
        TimelineItem::Resource(_),
    );
    items
}

fn explanation(seed: &Seed) -> Explanation {
    let score = seed.score();
    let input = ExplainedInput {
        parameter: score.parts[0].parameter,
        measure: seed.measure(),
        observation: seed.value().observation,
        age_micros: seed.signed,
        future_dated: seed.flag,
        provenance: seed.maybe(seed.provenance()),
        contributed_by: seed.maybe(seed.entity(EntityKind::Patient)),
    };
    let alert = seed.alerts().pop();
    Explanation { score, complete: false, replayed: seed.flag, inputs: vec![input], alert }
}

fn past(seed: &Seed) -> AsOfView {
    let stay = FoldedStay {
        status: EncounterStatus::Open,
        class: seed.movement().class,
        location: seed.maybe(seed.location()),
        started_at: seed.maybe(seed.at()),
        ended_at: None,
    };
    AsOfView {
        at: seed.at(),
        demographics: demographics(seed),
        values: BTreeMap::from([(seed.measure(), seed.value())]),
        scores: vec![seed.score()],
        stays: BTreeMap::from([(seed.encounter(), stay)]),
    }
}

fn demographics(seed: &Seed) -> Demographics {
    let patch = seed.patch();
    let stated_at = seed.at();
    Demographics {
        identifiers: patch.identifiers,
        name: Stated { value: Some(Phi::new(seed.name())), stated_at },
        birth_date: Stated { value: seed.maybe(Phi::new(seed.text.clone())), stated_at },
        sex: Stated { value: Some(AdministrativeSex::Other), stated_at },
        ..Demographics::default()
    }
}

/// As the state holds it, boxed or not.
fn held<T: From<Encounter>>(stay: Encounter) -> T {
    T::from(stay)
}

fn state(seed: &Seed) -> PatientState {
    use Registration::{Provisional, Registered, Unknown};
    let registrations = [Unknown, Provisional, Registered];
    assert_covers!(registrations, Unknown, Provisional, Registered);
    let roles = [LinkRole::Survivor, LinkRole::Retired];
    assert_covers!(roles, LinkRole::Survivor, LinkRole::Retired);
    let (measure, value, at) = (seed.measure(), seed.value(), seed.at());
    let other = seed.entity(EntityKind::Patient);
    let contributions = BTreeMap::from([(measure, VecDeque::from([value.clone()]))]);
    let link = Link { since: at, provenance: seed.provenance(), contributions };
    let alerts = seed.alerts();
    let encounters = encounter_statuses().into_iter().enumerate().map(|(number, status)| {
        let stay = Encounter {
            movements: seed.movements(),
            status,
            class: seed.movement().class,
            location: seed.maybe(seed.location()),
            started_at: Some(at),
            ended_at: None,
        };
        (format!("{number}{}", seed.text), stay)
    });
    let encounters = encounters.map(|(id, stay)| (schema_types::ids::EncounterId::new(id), stay));
    PatientState {
        registration: registrations[seed.pick % registrations.len()],
        demographics: demographics(seed),
        encounters: encounters.map(|(id, stay)| (id, held(stay))).collect(),
        measures: [(measure, VecDeque::from([value]))].into_iter().collect(),
        observations_total: seed.number,
        scores: [seed.result()].into_iter().collect(),
        alerts: alerts.iter().map(|alert| (alert.condition.clone(), alert.clone())).collect(),
        resolved_alerts: alerts,
        alerts_total: seed.number,
        resources: BTreeMap::from([(seed.key(), seed.meta())]),
        devices: BTreeMap::from([(seed.entity(EntityKind::Device), at)]),
        links: BTreeMap::from([(other.clone(), link)]),
        merged_into: seed.maybe((other, at)),
    }
}
