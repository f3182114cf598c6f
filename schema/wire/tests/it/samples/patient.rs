//! Sample events, states and notices of patients.

use super::clinical::{
    condition_meta, creatinine, deleted_meta, heart_rate, location, movements,
    observations_by_value,
};
use super::common::{Named, at, decimal, device, patient, provenance};
use schema_types::clinical::{EncounterClass, Origin};
use schema_types::history::{Measures, Series};
use schema_types::ids::{AlertId, EncounterId, ObservationId, PrincipalId};
use schema_types::measure::Measure;
use schema_types::patient::{
    AdministrativeSex, Alert, AlertCondition, AlertStatus, Demographics, DemographicsPatch,
    Encounter, EncounterStatus, FieldUpdate, Identifier, Link, LinkRole, MeasuredValue,
    PatientEvent, PatientNotice, PatientState, PersonName, Registration, Severity, Stated,
};
use schema_types::phi::Phi;
use schema_types::score::{Band, Missing, Score, ScoreInput, ScoreModel, ScorePart};
use std::collections::BTreeMap;

fn identifiers() -> Vec<Identifier> {
    let identifier = |system: &str, value: &str, type_code: &str| Identifier {
        system: system.to_owned(),
        value: Phi::new(value.to_owned()),
        type_code: type_code.to_owned(),
    };
    vec![identifier("", "900-11", ""), identifier("NGH", "700001", "MR")]
}

fn name() -> Phi<PersonName> {
    let given = vec!["Änne".to_owned(), String::new(), "Maria".to_owned()];
    Phi::new(PersonName { family: "Sample".to_owned(), given })
}

fn phi(text: &str) -> Phi<String> {
    Phi::new(text.to_owned())
}

fn patch() -> DemographicsPatch {
    DemographicsPatch {
        identifiers: identifiers(),
        name: FieldUpdate::Set(name()),
        birth_date: FieldUpdate::Set(phi("1948-07")),
        sex: FieldUpdate::Set(AdministrativeSex::Unknown),
        address: FieldUpdate::Clear,
        phone: FieldUpdate::Keep,
        deceased_at: FieldUpdate::Set(at(7200)),
    }
}

fn clearing_patch() -> DemographicsPatch {
    DemographicsPatch {
        identifiers: Vec::new(),
        name: FieldUpdate::Clear,
        birth_date: FieldUpdate::Clear,
        sex: FieldUpdate::Clear,
        address: FieldUpdate::Set(phi("1 Main Street")),
        phone: FieldUpdate::Set(phi("")),
        deceased_at: FieldUpdate::Clear,
    }
}

fn measured(seconds: i64, value: &str) -> MeasuredValue {
    MeasuredValue {
        value: decimal(value),
        effective_at: at(seconds),
        recorded_at: at(seconds + 2),
        observation: ObservationId::new(format!("MSG-{seconds}")),
        future_dated: seconds > 1000,
        provenance: Origin::from(&provenance("OBX-1")),
    }
}

pub(crate) fn news2() -> Score {
    let input = |measure: Measure, value: &str| ScoreInput {
        measure,
        value: decimal(value),
        observed_at: at(0),
        observation: ObservationId::new("MSG00001-1-3"),
    };
    let part = |parameter, points, inputs| ScorePart { parameter, points, inputs };
    Score {
        model: ScoreModel::News2,
        model_version: 1,
        as_of: at(0),
        minimum: decimal("3"),
        maximum: decimal("9"),
        band: Band::LowMedium,
        parts: vec![
            part("respiratory-rate", Ok(3), vec![input(Measure::RespiratoryRate, "25")]),
            part("oxygen-saturation", Err(Missing::Absent), Vec::new()),
            part(
                "supplemental-oxygen",
                Ok(0),
                vec![input(Measure::OxygenFlow, "0"), input(Measure::InspiredOxygen, "21.0")],
            ),
            part("temperature", Err(Missing::Stale), vec![input(Measure::BodyTemperature, "36.8")]),
        ],
    }
}

fn shock_index() -> Score {
    Score {
        model: ScoreModel::ShockIndex,
        model_version: 2,
        as_of: at(5),
        minimum: decimal("0.70"),
        maximum: decimal("0.70"),
        band: Band::Normal,
        parts: vec![ScorePart { parameter: "shock-index", points: Ok(-1), inputs: Vec::new() }],
    }
}

fn scores_recorded() -> PatientEvent {
    let results = vec![news2().result(false), shock_index().result(true)];
    PatientEvent::ScoresRecorded { results }
}

pub(crate) fn alert() -> Alert {
    Alert {
        id: AlertId::new("a-1"),
        condition: AlertCondition::Score(ScoreModel::News2),
        severity: Severity::Critical,
        status: AlertStatus::Acknowledged,
        observed_at: at(0),
        raised_at: at(1),
        changed_at: at(90),
        escalations: 1,
        suppressed: 4,
        calm_results: 2,
        acknowledged_by: Some(PrincipalId::new("nurse-7")),
        future_dated: true,
        trigger: decimal("7"),
        observation: Some(ObservationId::new("MSG00001-1-3")),
    }
}

fn silent_alert() -> Alert {
    Alert {
        id: AlertId::new("a-2"),
        condition: AlertCondition::DeviceSilent(device("monitor-12")),
        severity: Severity::Warning,
        status: AlertStatus::Active,
        escalations: 0,
        suppressed: 0,
        calm_results: 0,
        acknowledged_by: None,
        future_dated: false,
        trigger: decimal("0"),
        observation: None,
        ..alert()
    }
}

fn potassium_alert(status: AlertStatus) -> Alert {
    let condition = AlertCondition::CriticalValue(Measure::Potassium);
    Alert { id: AlertId::new("a-3"), condition, status, trigger: decimal("6.80"), ..alert() }
}

/// The score parameters at the time when the golden bytes were published.
const PARAMETERS_PUBLISHED: &[&str] = &[
    "respiratory-rate",
    "oxygen-saturation",
    "supplemental-oxygen",
    "systolic-pressure",
    "heart-rate",
    "consciousness",
    "temperature",
    "altered-mentation",
    "ventilation",
    "white-cells",
    "shock-index",
    "creatinine",
    "urine-output",
];

/// Every kind of event.
pub(crate) fn events() -> Vec<Named<PatientEvent>> {
    let mut events = recorded_events();
    events.extend(alert_events());
    events.extend(joining_events());
    events
}

fn observation_event(
    observation: schema_types::clinical::Observation,
    future_dated: bool,
) -> PatientEvent {
    PatientEvent::ObservationRecorded {
        observation: Box::new(observation),
        recorded_at: at(3),
        future_dated,
        as_resource: false,
    }
}

fn recorded_events() -> Vec<Named<PatientEvent>> {
    let registration = Registration::Registered;
    let stated =
        PatientEvent::DemographicsStated { registration, patch: patch(), stated_at: at(0) };
    let cleared = PatientEvent::DemographicsStated {
        registration: Registration::Provisional,
        patch: clearing_patch(),
        stated_at: at(1),
    };
    let other = PatientEvent::DemographicsStated {
        registration: Registration::Unknown,
        patch: DemographicsPatch {
            sex: FieldUpdate::Set(AdministrativeSex::Other),
            ..DemographicsPatch::default()
        },
        stated_at: at(2),
    };
    let movement = movements().into_iter().nth(1).unwrap();
    let encounter = EncounterId::new("V0004711");
    let mut kept = observation_event(heart_rate(), false);
    if let PatientEvent::ObservationRecorded { as_resource, .. } = &mut kept {
        *as_resource = true;
    }
    let mut events = vec![
        ("patient-event-demographics-stated", stated),
        ("patient-event-demographics-cleared", cleared),
        ("patient-event-demographics-other", other),
        ("patient-event-movement-recorded", PatientEvent::MovementRecorded { encounter, movement }),
        ("patient-event-observation-recorded", observation_event(heart_rate(), false)),
        ("patient-event-observation-full", observation_event(creatinine(), true)),
        ("patient-event-score-recorded", PatientEvent::ScoreRecorded { score: news2() }),
        ("patient-event-scores-recorded", scores_recorded()),
        ("patient-event-observation-as-resource", kept),
        ("patient-event-resource-stored", PatientEvent::ResourceStored { meta: condition_meta() }),
        ("patient-event-resource-deleted", PatientEvent::ResourceStored { meta: deleted_meta() }),
    ];
    for (kind, observation) in observations_by_value() {
        let name = match kind {
            "coded" => "patient-event-observation-coded",
            "text" => "patient-event-observation-text",
            "sampled" => "patient-event-observation-sampled",
            _ => "patient-event-observation-absent",
        };
        events.push((name, observation_event(observation, false)));
    }
    events
}

fn alert_events() -> Vec<Named<PatientEvent>> {
    let condition = || AlertCondition::Score(ScoreModel::KdigoAki);
    let potassium = || AlertCondition::CriticalValue(Measure::Potassium);
    let silent = || AlertCondition::DeviceSilent(device("monitor-12"));
    vec![
        ("patient-event-alert-raised", PatientEvent::AlertRaised { alert: alert() }),
        (
            "patient-event-alert-suppressed",
            PatientEvent::AlertSuppressed {
                condition: potassium(),
                at: at(1),
                trigger: decimal("6.80"),
            },
        ),
        (
            "patient-event-alert-severity-changed",
            PatientEvent::AlertSeverityChanged {
                condition: condition(),
                severity: Severity::Critical,
                at: at(2),
                trigger: decimal("3"),
            },
        ),
        (
            "patient-event-alert-calmed",
            PatientEvent::AlertCalmed { condition: condition(), at: at(3) },
        ),
        (
            "patient-event-alert-acknowledged",
            PatientEvent::AlertAcknowledged {
                condition: silent(),
                by: PrincipalId::new("nurse-7"),
                at: at(4),
            },
        ),
        (
            "patient-event-alert-escalated",
            PatientEvent::AlertEscalated { condition: silent(), at: at(5) },
        ),
        (
            "patient-event-alert-resolved",
            PatientEvent::AlertResolved { condition: potassium(), at: at(6) },
        ),
    ]
}

fn joining_events() -> Vec<Named<PatientEvent>> {
    let monitor = || device("monitor-12");
    let other = || patient("NGH.700002");
    let added = |role| PatientEvent::LinkAdded {
        other: other(),
        role,
        at: at(7),
        provenance: provenance("MRG-1"),
    };
    vec![
        (
            "patient-event-device-associated",
            PatientEvent::DeviceAssociated { device: monitor(), at: at(1) },
        ),
        (
            "patient-event-device-dissociated",
            PatientEvent::DeviceDissociated { device: monitor(), at: at(2) },
        ),
        ("patient-event-link-added-survivor", added(LinkRole::Survivor)),
        ("patient-event-link-added-retired", added(LinkRole::Retired)),
        ("patient-event-link-removed", PatientEvent::LinkRemoved { other: other(), at: at(8) }),
        (
            "patient-event-contribution-received",
            PatientEvent::ContributionReceived {
                from: other(),
                measure: Measure::Creatinine,
                value: measured(2000, "1.70"),
            },
        ),
    ]
}

fn stated<T>(value: Option<T>, seconds: i64) -> Stated<T> {
    Stated { value, stated_at: at(seconds) }
}

fn full_state() -> PatientState {
    let stay = Encounter {
        movements: movements(),
        status: EncounterStatus::Open,
        class: EncounterClass::Inpatient,
        location: Some(location("A")),
        started_at: Some(at(0)),
        ended_at: None,
    };
    let over = Encounter {
        movements: Vec::new(),
        status: EncounterStatus::Discharged,
        class: EncounterClass::Unknown,
        location: None,
        started_at: None,
        ended_at: Some(at(100)),
    };
    let values = vec![measured(1, "1.70"), measured(1500, "1.7")];
    let link = Link {
        since: at(7),
        provenance: provenance("MRG-1"),
        contributions: BTreeMap::from([(Measure::Creatinine, values.clone().into())]),
    };
    let alerts = [alert(), silent_alert(), potassium_alert(AlertStatus::Escalated)];
    PatientState {
        registration: Registration::Registered,
        demographics: Demographics {
            identifiers: identifiers(),
            name: stated(Some(name()), 0),
            birth_date: stated(Some(phi("1948-07-21")), 0),
            sex: stated(Some(AdministrativeSex::Female), 0),
            address: stated(None, 5),
            phone: Stated::default(),
            deceased_at: stated(Some(at(7200)), 6),
        },
        encounters: BTreeMap::from([
            (EncounterId::new("V0004711"), Box::new(stay)),
            (EncounterId::new("V0000001"), Box::new(over)),
        ]),
        measures: Measures::from_iter([
            (Measure::HeartRate, Series::from([measured(0, "92")])),
            (Measure::Creatinine, values.into()),
            (Measure::BodyWeight, Series::new()),
        ]),
        observations_total: 17,
        scores: [news2(), shock_index()].iter().map(|score| score.result(false)).collect(),
        alerts: alerts.into_iter().map(|alert| (alert.condition.clone(), alert)).collect(),
        resolved_alerts: vec![potassium_alert(AlertStatus::Resolved)],
        alerts_total: 4,
        resources: [condition_meta(), deleted_meta()]
            .into_iter()
            .map(|meta| (meta.key.clone(), meta))
            .collect(),
        devices: BTreeMap::from([(device("monitor-12"), at(1)), (device("pump-3"), at(2))]),
        links: BTreeMap::from([(patient("NGH.700002"), link)]),
        merged_into: Some((patient("NGH.700009"), at(9))),
    }
}

/// The variants that the full state does not have.
fn state_of_variants() -> PatientState {
    let stay = |status, second| Encounter {
        movements: Vec::new(),
        status,
        class: EncounterClass::PreAdmission,
        location: None,
        started_at: None,
        ended_at: Some(at(second)),
    };
    let score = |model, band, parts| Score { model, band, parts, ..shock_index() };
    let parts = PARAMETERS_PUBLISHED
        .iter()
        .map(|&parameter| ScorePart { parameter, points: Ok(1), inputs: Vec::new() })
        .collect();
    let scores = [
        score(ScoreModel::Mews, Band::Low, Vec::new()),
        score(ScoreModel::Qsofa, Band::Medium, Vec::new()),
        score(ScoreModel::Sirs, Band::High, parts),
        score(ScoreModel::KdigoAki, Band::Normal, Vec::new()),
    ];
    PatientState {
        registration: Registration::Provisional,
        demographics: Demographics {
            sex: stated(Some(AdministrativeSex::Male), 0),
            ..Demographics::default()
        },
        encounters: BTreeMap::from([
            (EncounterId::new("V1"), Box::new(stay(EncounterStatus::Planned, 1))),
            (EncounterId::new("V2"), Box::new(stay(EncounterStatus::Cancelled, 2))),
        ]),
        scores: scores.iter().map(|score| score.result(false)).collect(),
        ..PatientState::default()
    }
}

/// An empty state, one with everything, and one with the other variants.
pub(crate) fn states() -> Vec<Named<PatientState>> {
    vec![
        ("patient-state-variants", state_of_variants()),
        ("patient-state-empty", PatientState::default()),
        ("patient-state-full", full_state()),
    ]
}

/// Every kind of notice.
pub(crate) fn notices() -> Vec<Named<PatientNotice>> {
    let other = || patient("NGH.700002");
    let monitor = || device("monitor-12");
    let values =
        vec![(Measure::HeartRate, measured(0, "92")), (Measure::Creatinine, measured(1, "1.70"))];
    let observations = vec![heart_rate(), creatinine()];
    vec![
        ("patient-notice-contribution", PatientNotice::Contribution { from: other(), values }),
        (
            "patient-notice-retired",
            PatientNotice::Retired { into: other(), at: at(1), provenance: provenance("MRG-1") },
        ),
        ("patient-notice-separated", PatientNotice::Separated { from: other(), at: at(2) }),
        (
            "patient-notice-device-observations",
            PatientNotice::DeviceObservations { device: monitor(), observations },
        ),
        (
            "patient-notice-device-association",
            PatientNotice::DeviceAssociation { device: monitor(), associated: true, at: at(3) },
        ),
        (
            "patient-notice-device-silence",
            PatientNotice::DeviceSilence { device: monitor(), silent: true, at: at(4) },
        ),
    ]
}
