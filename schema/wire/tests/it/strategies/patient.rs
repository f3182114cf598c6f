//! Generated events, states and notices of patients.

use super::Tape;
use schema_types::Decimal;
use schema_types::clinical::Origin;
use schema_types::history::Series;
use schema_types::ids::{AlertId, ObservationId, PrincipalId};
use schema_types::measure::Measure;
use schema_types::patient::{
    AdministrativeSex, Alert, AlertCondition, AlertStatus, Demographics, DemographicsPatch,
    Encounter, EncounterStatus, FieldUpdate, Identifier, Link, LinkRole, MeasuredValue,
    PatientEvent, PatientNotice, PatientState, PersonName, Registration, Severity, Stated,
};
use schema_types::phi::Phi;
use schema_types::score::{
    Band, Missing, PARAMETERS, Score, ScoreInput, ScoreModel, ScorePart, ScoreResult,
};

impl Tape {
    fn registration(&mut self) -> Registration {
        self.pick(&[Registration::Unknown, Registration::Provisional, Registration::Registered])
    }

    fn identifier(&mut self) -> Identifier {
        let value = Phi::new(self.text());
        Identifier { system: self.text(), value, type_code: self.text() }
    }

    fn name(&mut self) -> Phi<PersonName> {
        Phi::new(PersonName { family: self.text(), given: self.list(Self::text) })
    }

    fn phi(&mut self) -> Phi<String> {
        Phi::new(self.text())
    }

    fn sex(&mut self) -> AdministrativeSex {
        use AdministrativeSex::{Female, Male, Other, Unknown};
        self.pick(&[Female, Male, Other, Unknown])
    }

    fn update<T>(&mut self, read: fn(&mut Self) -> T) -> FieldUpdate<T> {
        match self.byte() % 3 {
            0 => FieldUpdate::Keep,
            1 => FieldUpdate::Clear,
            _ => FieldUpdate::Set(read(self)),
        }
    }

    fn stated<T>(&mut self, read: fn(&mut Self) -> T) -> Stated<T> {
        Stated { value: self.option(read), stated_at: self.time() }
    }

    fn patch(&mut self) -> DemographicsPatch {
        DemographicsPatch {
            identifiers: self.list(Self::identifier),
            name: self.update(Self::name),
            birth_date: self.update(Self::phi),
            sex: self.update(Self::sex),
            address: self.update(Self::phi),
            phone: self.update(Self::phi),
            deceased_at: self.update(Self::time),
        }
    }

    fn demographics(&mut self) -> Demographics {
        Demographics {
            identifiers: self.list(Self::identifier),
            name: self.stated(Self::name),
            birth_date: self.stated(Self::phi),
            sex: self.stated(Self::sex),
            address: self.stated(Self::phi),
            phone: self.stated(Self::phi),
            deceased_at: self.stated(Self::time),
        }
    }

    fn measured_value(&mut self) -> MeasuredValue {
        MeasuredValue {
            value: self.decimal(),
            effective_at: self.time(),
            recorded_at: self.time(),
            observation: ObservationId::new(self.text()),
            future_dated: self.flag(),
            provenance: Origin::from(&self.provenance()),
        }
    }

    fn model(&mut self) -> ScoreModel {
        self.pick(ScoreModel::ALL)
    }

    fn score_input(&mut self) -> ScoreInput {
        ScoreInput {
            measure: self.measure(),
            value: self.decimal(),
            observed_at: self.time(),
            observation: ObservationId::new(self.text()),
        }
    }

    fn score_part(&mut self) -> ScorePart {
        let points = match self.byte() % 3 {
            0 => Ok(i32::from_le_bytes(std::array::from_fn(|_| self.byte()))),
            1 => Err(Missing::Absent),
            _ => Err(Missing::Stale),
        };
        let parameter = self.pick(PARAMETERS);
        ScorePart { parameter, points, inputs: self.list(Self::score_input) }
    }

    fn score(&mut self) -> Score {
        Score {
            model: self.model(),
            model_version: u16::from(self.byte()) * 257,
            as_of: self.time(),
            minimum: self.decimal(),
            maximum: self.decimal(),
            band: self.pick(&[Band::Normal, Band::Low, Band::LowMedium, Band::Medium, Band::High]),
            parts: self.list(Self::score_part),
        }
    }

    fn score_result(&mut self) -> ScoreResult {
        let total = |tape: &mut Self| {
            let mantissa = i32::from_le_bytes(std::array::from_fn(|_| tape.byte()));
            Decimal::new(i64::from(mantissa), u32::from(tape.byte() % 29))
        };
        let (minimum, maximum) = (total(self), total(self));
        let score = Score { minimum, maximum, ..self.score() };
        ScoreResult { complete: self.flag(), ..score.result(self.flag()) }
    }

    fn condition(&mut self) -> AlertCondition {
        match self.byte() % 3 {
            0 => AlertCondition::Score(self.model()),
            1 => AlertCondition::CriticalValue(self.measure()),
            _ => AlertCondition::DeviceSilent(self.entity()),
        }
    }

    fn severity(&mut self) -> Severity {
        self.pick(&[Severity::Warning, Severity::Critical])
    }

    fn alert(&mut self) -> Alert {
        use AlertStatus::{Acknowledged, Active, Escalated, Resolved};
        Alert {
            id: AlertId::new(self.text()),
            condition: self.condition(),
            severity: self.severity(),
            status: self.pick(&[Active, Escalated, Acknowledged, Resolved]),
            observed_at: self.time(),
            raised_at: self.time(),
            changed_at: self.time(),
            escalations: self.u32(),
            suppressed: self.u32(),
            calm_results: self.u32(),
            acknowledged_by: self.option(|tape| PrincipalId::new(tape.text())),
            future_dated: self.flag(),
            trigger: self.decimal(),
            observation: self.option(|tape| ObservationId::new(tape.text())),
        }
    }

    pub(crate) fn patient_event(&mut self) -> PatientEvent {
        match self.byte() % 3 {
            0 => self.recorded_event(),
            1 => self.alert_event(),
            _ => self.joining_event(),
        }
    }

    fn recorded_event(&mut self) -> PatientEvent {
        match self.byte() % 6 {
            0 => PatientEvent::DemographicsStated {
                registration: self.registration(),
                patch: self.patch(),
                stated_at: self.time(),
            },
            1 => PatientEvent::MovementRecorded {
                encounter: self.encounter_id(),
                movement: self.movement(),
            },
            2 => PatientEvent::ObservationRecorded {
                observation: Box::new(self.observation()),
                recorded_at: self.time(),
                future_dated: self.flag(),
                as_resource: self.flag(),
            },
            3 => PatientEvent::ScoreRecorded { score: self.score() },
            4 => PatientEvent::ScoresRecorded { results: self.list(Self::score_result) },
            _ => PatientEvent::ResourceStored { meta: self.resource_meta() },
        }
    }

    fn alert_event(&mut self) -> PatientEvent {
        let (condition, at) = (self.condition(), self.time());
        match self.byte() % 7 {
            0 => PatientEvent::AlertCalmed { condition, at },
            1 => PatientEvent::AlertSuppressed { condition, at, trigger: self.decimal() },
            2 => {
                let (severity, trigger) = (self.severity(), self.decimal());
                PatientEvent::AlertSeverityChanged { condition, severity, at, trigger }
            }
            3 => {
                let by = PrincipalId::new(self.text());
                PatientEvent::AlertAcknowledged { condition, by, at }
            }
            4 => PatientEvent::AlertEscalated { condition, at },
            5 => PatientEvent::AlertResolved { condition, at },
            _ => PatientEvent::AlertRaised { alert: self.alert() },
        }
    }

    fn joining_event(&mut self) -> PatientEvent {
        let (entity, at) = (self.entity(), self.time());
        match self.byte() % 5 {
            0 => PatientEvent::DeviceAssociated { device: entity, at },
            1 => PatientEvent::DeviceDissociated { device: entity, at },
            2 => PatientEvent::LinkRemoved { other: entity, at },
            3 => PatientEvent::LinkAdded {
                other: entity,
                role: self.pick(&[LinkRole::Survivor, LinkRole::Retired]),
                at,
                provenance: self.provenance(),
            },
            _ => PatientEvent::ContributionReceived {
                from: entity,
                measure: self.measure(),
                value: self.measured_value(),
            },
        }
    }

    fn encounter(&mut self) -> Encounter {
        use EncounterStatus::{Cancelled, Discharged, Open, Planned};
        Encounter {
            movements: self.list(Self::movement),
            status: self.pick(&[Planned, Open, Discharged, Cancelled]),
            class: self.class(),
            location: self.option(Self::location),
            started_at: self.option(Self::time),
            ended_at: self.option(Self::time),
        }
    }

    fn measure_values(&mut self) -> (Measure, Series) {
        (self.measure(), self.list(Self::measured_value).into())
    }

    fn link(&mut self) -> Link {
        Link {
            since: self.time(),
            provenance: self.provenance(),
            contributions: self.map(Self::measure_values),
        }
    }

    pub(crate) fn patient_state(&mut self) -> PatientState {
        let alerts = self.list(Self::alert);
        let scores = self.list(Self::score_result);
        PatientState {
            registration: self.registration(),
            demographics: self.demographics(),
            encounters: self.map(|tape| (tape.encounter_id(), Box::new(tape.encounter()))),
            measures: self.map(Self::measure_values).into_iter().collect(),
            observations_total: self.u64(),
            scores: scores.into_iter().collect(),
            alerts: alerts.into_iter().map(|alert| (alert.condition.clone(), alert)).collect(),
            resolved_alerts: self.list(Self::alert),
            alerts_total: self.u64(),
            resources: self.map(Self::resource_entry),
            devices: self.map(|tape| (tape.entity(), tape.time())),
            links: self.map(|tape| (tape.entity(), tape.link())),
            merged_into: self.option(|tape| (tape.entity(), tape.time())),
        }
    }

    pub(crate) fn patient_notice(&mut self) -> PatientNotice {
        let (entity, at) = (self.entity(), self.time());
        match self.byte() % 6 {
            0 => PatientNotice::Separated { from: entity, at },
            1 => PatientNotice::Contribution {
                from: entity,
                values: self.list(|tape| (tape.measure(), tape.measured_value())),
            },
            2 => PatientNotice::Retired { into: entity, at, provenance: self.provenance() },
            3 => PatientNotice::DeviceObservations {
                device: entity,
                observations: self.list(Self::observation),
            },
            4 => PatientNotice::DeviceAssociation { device: entity, associated: self.flag(), at },
            _ => PatientNotice::DeviceSilence { device: entity, silent: self.flag(), at },
        }
    }
}
