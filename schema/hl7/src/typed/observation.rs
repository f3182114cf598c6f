//! ORU: observations with their times, status, device and stay.

use super::code::{measure_of, preferred, text_of, triplets};
use super::value::measured;
use super::{Decoder, Payload, unit};
use crate::error::{Hl7Error, Position};
use crate::message::{Part, Segment};
use schema_types::clinical::{Code, Observation, ObservationStatus, ObservationValue};
use schema_types::ids::{EncounterId, EntityId, EntityKind, MessageDigest, ObservationId};
use schema_types::measure::Measure;
use schema_types::time::Timestamp;
use std::collections::BTreeMap;

/// LOINC: vital signs panel.
const VITAL_SIGNS_PANEL: &str = "85353-1";
/// HL7 and FHIR name of the category.
const VITAL_SIGNS: &str = "vital-signs";
/// HL7 and FHIR name of the category.
const LABORATORY: &str = "laboratory";

/// What holds for the observations that follow.
#[derive(Default)]
struct Scope<'m> {
    encounter: Option<EncounterId>,
    request: Option<Segment<'m>>,
    request_index: usize,
    is_vital_signs_panel: bool,
    /// How often an identity was used in this message.
    used: BTreeMap<String, usize>,
}

impl<'m> Decoder<'m> {
    pub(super) fn observations(&self) -> Result<Payload, Hl7Error> {
        let mut scope = Scope::default();
        let mut patient = None;
        let mut observations: Vec<Observation> = Vec::new();
        // How many of the last observations a PRT segment is about.
        let mut latest = 0;
        let stated_at = self.sent_at.unwrap_or(self.context.received_at);
        for segment in self.message.segments() {
            match segment.name().as_str() {
                "PID" => {
                    let found = self.identity(&segment, stated_at)?;
                    self.check_same_person(patient.as_ref(), &found, segment.position())?;
                    patient.get_or_insert((found, segment));
                }
                "PV1" => {
                    let person = patient.as_ref();
                    scope.encounter = person.and_then(|(_, pid)| self.encounter(pid, &segment));
                }
                "OBR" => scope.begin_request(segment),
                "OBX" => {
                    let found = self.observation(&segment, &mut scope)?;
                    latest = found.len();
                    observations.extend(found);
                }
                "PRT" => {
                    let first = observations.len().saturating_sub(latest);
                    self.add_participant(&segment, observations.get_mut(first..));
                }
                _ => {}
            }
        }
        let (patient, _) = patient.ok_or_else(|| Hl7Error::segment_missing("PID"))?;
        Ok(Payload::Observations { patient: Box::new(patient), observations })
    }

    /// Results of several people in one message are refused: one message is one command.
    fn check_same_person(
        &self,
        first: Option<&(super::PatientIdentity, Segment<'_>)>,
        next: &super::PatientIdentity,
        position: Position,
    ) -> Result<(), Hl7Error> {
        let Some((first, _)) = first else { return Ok(()) };
        if first.key == next.key {
            return Ok(());
        }
        let reason = "results of more than one patient in one message";
        Err(Hl7Error::data_type(position, reason))
    }

    fn observation(
        &self,
        obx: &Segment<'m>,
        scope: &mut Scope<'m>,
    ) -> Result<Vec<Observation>, Hl7Error> {
        let at = obx.position();
        let codes = triplets(&obx.field(3).repetition(1));
        let code = code_of(obx, &codes, scope.request.as_ref())?;
        let measure = measure_of(&codes);
        let effective_at = self.effective_at(obx, scope)?;
        let (status, values) = status_of(&obx.field(11), self.values(obx)?, at)?;
        let units = unit::candidates(&obx.field(6));
        let device = self.device(&obx.field(18));
        let category = category_of(measure, scope);
        let mut observations = Vec::with_capacity(values.len());
        for value in values {
            let mut issues = Vec::new();
            let measured = measure.and_then(|measure| {
                let result = measured(measure, &codes, &value, &units);
                let number = result.unwrap_or_else(|issue| {
                    issues.push(issue);
                    None
                });
                number.map(|number| (measure, number))
            });
            observations.push(Observation {
                id: self.observation_id(obx, &code, effective_at, scope),
                code: code.clone(),
                category: category.to_owned(),
                value,
                measured,
                effective_at,
                status,
                device: device.clone(),
                encounter: scope.encounter.clone(),
                provenance: self.provenance(at),
                issues,
            });
        }
        Ok(observations)
    }

    /// OBX-14, else OBR-7, else OBR-22, else MSH-7.
    fn effective_at(&self, obx: &Segment<'_>, scope: &Scope<'_>) -> Result<Timestamp, Hl7Error> {
        if let Some(at) = self.past(obx, 14)? {
            return Ok(at);
        }
        if let Some(obr) = &scope.request {
            for field in [7, 22] {
                if let Some(at) = self.past(obr, field)? {
                    return Ok(at);
                }
            }
        }
        let missing = || Hl7Error::field_missing(obx.position().with_field(14));
        self.sent_past()?.ok_or_else(missing)
    }

    /// Where the order has a filler number (OBR-3), the same result in a later message (final
    /// after preliminary, corrected, withdrawn) gets the same id; else the id is the place in the
    /// message. The parts are hashed, so that the id is short, safe in a URL and shows nothing.
    fn observation_id(
        &self,
        obx: &Segment<'_>,
        code: &Code,
        effective_at: Timestamp,
        scope: &mut Scope<'_>,
    ) -> ObservationId {
        let source = self.header.source.as_str();
        let filler = scope.request.map(|obr| obr.field(3).value()).unwrap_or_default();
        let place = if filler.is_empty() {
            let control = &self.header.control_id;
            format!("{source}\n{control}\n{}\n{}", scope.request_index, obx.sequence())
        } else {
            let sub = obx.field(4).value();
            let at = effective_at.unix_micros();
            let display = if code.code.is_empty() { code.display.as_str() } else { "" };
            let name = format!("{}\n{}\n{display}\n{sub}", code.system, code.code);
            format!("{source}\n{filler}\n{name}\n{at}")
        };
        let used = scope.used.entry(place.clone()).and_modify(|count| *count += 1).or_insert(1);
        let digest = MessageDigest::of(format!("{place}\n{used}").as_bytes()).to_hex();
        ObservationId::new(format!("hl7-{}", &digest[..32]))
    }

    /// An EI field as a device.
    fn device(&self, field: &Part<'_>) -> Option<EntityId> {
        field.repetitions().find_map(|device| {
            let id = device.component(1).value();
            if id.is_empty() {
                return None;
            }
            let [namespace, universal] = [2, 3].map(|number| device.component(number).value());
            let assigner = if namespace.is_empty() { universal } else { namespace };
            let key = if assigner.is_empty() { id } else { format!("{assigner}.{id}") };
            Some(EntityId::new(self.context.tenant.clone(), EntityKind::Device, &key))
        })
    }

    /// PRT-10: the device that took part in the observations before it.
    fn add_participant(&self, prt: &Segment<'_>, observations: Option<&mut [Observation]>) {
        let Some(device) = self.device(&prt.field(10)) else { return };
        for observation in observations.into_iter().flatten() {
            observation.device.get_or_insert_with(|| device.clone());
        }
    }
}

impl<'m> Scope<'m> {
    fn begin_request(&mut self, obr: Segment<'m>) {
        self.request_index += 1;
        let codes = triplets(&obr.field(4).repetition(1));
        self.is_vital_signs_panel = codes.iter().any(|code| code.code == VITAL_SIGNS_PANEL);
        self.request = Some(obr);
    }
}

/// What was observed. Text and documents without a code of their own are the result of the order
/// (OBR-4); anything that could be scored must say what it is.
fn code_of(
    obx: &Segment<'_>,
    codes: &[Code],
    request: Option<&Segment<'_>>,
) -> Result<Code, Hl7Error> {
    let named = |element: Part<'_>, codes: &[Code]| {
        let text = || Code { display: text_of(&element), ..Code::default() };
        let code = preferred(codes).cloned().unwrap_or_else(text);
        (!code.code.is_empty() || !code.display.is_empty()).then_some(code)
    };
    if let Some(code) = named(obx.field(3).repetition(1), codes) {
        return Ok(code);
    }
    let is_text = matches!(obx.field(2).value().as_str(), "TX" | "FT" | "ST" | "ED" | "RP");
    let ordered = request.filter(|_| is_text).map(|obr| obr.field(4).repetition(1));
    let ordered = ordered.and_then(|element| named(element, &triplets(&element)));
    ordered.ok_or_else(|| Hl7Error::field_missing(obx.position().with_field(3)))
}

/// HL7 table 0085. A status that says that there is no value replaces what stands in OBX-5.
fn status_of(
    field: &Part<'_>,
    values: Vec<ObservationValue>,
    at: Position,
) -> Result<(ObservationStatus, Vec<ObservationValue>), Hl7Error> {
    let absent = |reason: &str| vec![ObservationValue::Absent(reason.to_owned())];
    let found = match field.component(1).value().as_str() {
        "" | "F" | "U" | "V" => (ObservationStatus::Final, values),
        "C" | "A" | "B" => (ObservationStatus::Corrected, values),
        "P" | "R" | "S" => (ObservationStatus::Preliminary, values),
        "I" => (ObservationStatus::Preliminary, absent("result pending")),
        "O" => (ObservationStatus::Preliminary, absent("ordered only")),
        "N" => (ObservationStatus::Final, absent("not asked")),
        "X" => (ObservationStatus::Final, absent("result cannot be obtained")),
        "D" | "W" => (ObservationStatus::Withdrawn, values),
        _ => {
            let reason = "the status is not in HL7 table 0085";
            return Err(Hl7Error::data_type(at.with_field(11), reason));
        }
    };
    Ok(found)
}

fn category_of(measure: Option<Measure>, scope: &Scope<'_>) -> &'static str {
    let is_vital = scope.is_vital_signs_panel || measure.is_some_and(is_vital_sign);
    if is_vital { VITAL_SIGNS } else { LABORATORY }
}

const fn is_vital_sign(measure: Measure) -> bool {
    match measure {
        Measure::RespiratoryRate
        | Measure::OxygenSaturation
        | Measure::OxygenFlow
        | Measure::InspiredOxygen
        | Measure::SystolicPressure
        | Measure::DiastolicPressure
        | Measure::MeanPressure
        | Measure::HeartRate
        | Measure::BodyTemperature
        | Measure::Consciousness
        | Measure::GlasgowComaScale
        | Measure::OxygenScale
        | Measure::BodyWeight
        | Measure::BodyHeight
        | Measure::UrineOutput => true,
        Measure::Creatinine
        | Measure::WhiteCells
        | Measure::Bands
        | Measure::ArterialCarbonDioxide
        | Measure::ArterialOxygen
        | Measure::Platelets
        | Measure::Bilirubin
        | Measure::Inr
        | Measure::Sodium
        | Measure::Potassium
        | Measure::Haemoglobin
        | Measure::UreaNitrogen
        | Measure::Lactate
        | Measure::Albumin
        | Measure::Glucose => false,
    }
}
