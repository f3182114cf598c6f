//! From an observation as a client states it to the command that records it, and the receipt.
//! The digest over its canonical bytes tells a repeat from a reused command id (ONCE-1).

use crate::access::Access;
use crate::failure::Failure;
use crate::limits::{TEXT_BYTES_MAX, VALUE_TEXT_BYTES_MAX};
use crate::service::Service;
use crate::show;
use actors_patient::Patient;
use actors_patient::command::{Changes, Command, ObservationReport, Reply};
use actors_runtime::{Attachments, Outcome, Urgency};
use capnp::message::{Builder, HeapAllocator};
use node_ingest::gateway::Origin;
use schema_types::Decimal;
use schema_types::audit::AuditAction;
use schema_types::clinical::{Code, Observation, ObservationStatus, ObservationValue, Provenance};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{CommandId, EncounterId, EntityId, MessageDigest, ObservationId};
use schema_types::measure::{Acvpu, LOINC_SYSTEM, Measure, MeasureError};
use schema_types::phi::Phi;
use schema_types::quantity::Quantity;
use schema_types::time::Timestamp;
use schema_wire::rpc_capnp as wire;

/// The operation for the audit log.
const OPERATION: &str = "rpc-observe";
/// Longest id of an observation (the FHIR id alphabet, at most 64).
const ID_BYTES_MAX: usize = 64;
/// Words that one observation usually takes.
const FIRST_SEGMENT_WORDS: u32 = 64;

/// An observation on its way to its patient.
#[derive(Clone)]
pub(crate) struct Taken {
    patient: EntityId,
    origin: Origin,
    observation: Observation,
    /// Whether the command is remembered.
    once: bool,
}

/// What became of an observation.
pub(crate) struct Done {
    sequence: u64,
    repeated: bool,
    changes: Changes,
    issues: Vec<ErrorCode>,
}

/// Reads an observation. Nothing is recorded yet.
pub(crate) fn take(
    service: &Service,
    access: &Access,
    patient: &EntityId,
    (stated, command_id): (wire::new_observation::Reader<'_>, &str),
) -> Result<Taken, Failure> {
    let content = digest(stated)?;
    let once = !command_id.is_empty();
    let origin = Origin {
        source: access.source.clone(),
        command_id: if once { CommandId::new(command_id) } else { service.question().command_id },
        content,
        message: None,
    };
    let observation = observation(service, &origin, stated)?;
    Ok(Taken { patient: patient.clone(), origin, observation, once })
}

fn digest(stated: wire::new_observation::Reader<'_>) -> Result<MessageDigest, Failure> {
    let allocator = HeapAllocator::new().first_segment_words(FIRST_SEGMENT_WORDS);
    let mut canonical = Builder::new(allocator);
    canonical.set_root_canonical(stated)?;
    match &canonical.get_segments_for_output()[..] {
        [segment] => Ok(MessageDigest::of(segment)),
        _ => Err(Failure::bad_request("the observation is too large")),
    }
}

fn short<'a>(
    text: capnp::Result<capnp::text::Reader<'a>>,
    bytes_max: usize,
) -> Result<&'a str, Failure> {
    let text = text?.to_str()?;
    if text.len() > bytes_max {
        return Err(Failure::bad_request("a text is too long"));
    }
    Ok(text)
}

fn code(coded: wire::coded::Reader<'_>) -> Result<Code, Failure> {
    let system = short(coded.get_system(), TEXT_BYTES_MAX)?;
    Ok(Code {
        code: short(coded.get_code(), TEXT_BYTES_MAX)?.to_owned(),
        system: if system.is_empty() { LOINC_SYSTEM } else { system }.to_owned(),
        display: short(coded.get_display(), TEXT_BYTES_MAX)?.to_owned(),
    })
}

fn observation(
    service: &Service,
    origin: &Origin,
    stated: wire::new_observation::Reader<'_>,
) -> Result<Observation, Failure> {
    let code = code(stated.get_code()?)?;
    if code.code.is_empty() {
        return Err(Failure::bad_request("an observation has a code"));
    }
    let measure = Measure::from_code(&code.system, &code.code);
    let mut issues = Vec::new();
    let (value, measured) = value(stated, measure, &mut issues)?;
    let device = short(stated.get_device(), TEXT_BYTES_MAX)?;
    let encounter = short(stated.get_encounter(), TEXT_BYTES_MAX)?;
    Ok(Observation {
        id: id(short(stated.get_id(), TEXT_BYTES_MAX)?, origin)?,
        code,
        category: short(stated.get_category(), TEXT_BYTES_MAX)?.to_owned(),
        value,
        measured,
        effective_at: Timestamp::from_unix_micros(stated.get_effective_at_unix_micros()),
        status: ObservationStatus::Final,
        device: (!device.is_empty()).then(|| service.gateway.device(device)),
        encounter: (!encounter.is_empty()).then(|| EncounterId::new(encounter)),
        provenance: Provenance {
            source: origin.source.clone(),
            message: origin.content,
            position: String::new(),
        },
        issues,
    })
}

/// The id as stated, or one made from the name of the command, so that a repeat has the same.
fn id(stated: &str, origin: &Origin) -> Result<ObservationId, Failure> {
    if stated.is_empty() {
        let name = format!("{}\n{}", origin.source, origin.command_id);
        let digest = MessageDigest::of(name.as_bytes()).to_hex();
        return Ok(ObservationId::new(&digest[..20]));
    }
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    if stated.len() > ID_BYTES_MAX || !stated.bytes().all(is_safe) {
        return Err(Failure::bad_request("an id has up to 64 letters, digits, dots and hyphens"));
    }
    Ok(ObservationId::new(stated))
}

type Valued = (ObservationValue, Option<(Measure, Decimal)>);

fn value(
    stated: wire::new_observation::Reader<'_>,
    measure: Option<Measure>,
    issues: &mut Vec<ErrorCode>,
) -> Result<Valued, Failure> {
    use wire::new_observation::value::Which;
    let level = |text: &str| {
        let is_level = measure == Some(Measure::Consciousness);
        let level = is_level.then(|| Acvpu::from_text(text)).flatten()?;
        Some((Measure::Consciousness, Decimal::from(level.number())))
    };
    match stated.get_value().which()? {
        Which::Unset(()) => Err(Failure::bad_request("an observation has a value")),
        Which::Quantity(quantity) => {
            let quantity = quantity?;
            let number = decimal(quantity.get_value()?)?;
            let unit = short(quantity.get_unit(), TEXT_BYTES_MAX)?.to_owned();
            let measured = measured(measure, number, &unit, issues)?;
            Ok((ObservationValue::Quantity(Quantity { value: number, unit }), measured))
        }
        Which::Coded(coded) => {
            let coded = code(coded?)?;
            let measured = level(&coded.code);
            Ok((ObservationValue::Coded(coded), measured))
        }
        Which::Text(text) => {
            let text = short(text, VALUE_TEXT_BYTES_MAX)?;
            Ok((ObservationValue::Text(Phi::new(text.to_owned())), level(text)))
        }
    }
}

/// A unit that does not convert is the caller's mistake and refused; a value that no living person
/// has is kept, marked, and never scored.
fn measured(
    measure: Option<Measure>,
    value: Decimal,
    unit: &str,
    issues: &mut Vec<ErrorCode>,
) -> Result<Option<(Measure, Decimal)>, Failure> {
    let Some(measure) = measure else { return Ok(None) };
    match measure.normalise(value, unit) {
        Ok(value) => Ok(Some((measure, value))),
        Err(MeasureError::Unit(_)) => {
            let reason = "the unit cannot be converted to that of the code";
            Err(Failure::new(ErrorCode::ClinicalUnit, reason))
        }
        Err(MeasureError::Implausible) => {
            issues.push(ErrorCode::ClinicalImplausible);
            Ok(None)
        }
    }
}

/// Reads a number.
pub(crate) fn decimal(reader: wire::decimal::Reader<'_>) -> Result<Decimal, Failure> {
    let out_of_range = || Failure::bad_request("a number has up to 96 bits and 28 digits");
    let magnitude = i128::from(reader.get_low()) | (i128::from(reader.get_high()) << 64);
    let scale = u32::from(reader.get_scale());
    let mut number =
        Decimal::try_from_i128_with_scale(magnitude, scale).map_err(|_| out_of_range())?;
    if !number.is_zero() {
        number.set_sign_negative(reader.get_is_negative());
    }
    Ok(number)
}

/// Records an observation and waits until that is durable (ACK-1).
pub(crate) async fn submit(
    service: &Service,
    access: &Access,
    taken: Taken,
) -> Result<Done, Failure> {
    let Taken { patient, origin, observation, once } = taken;
    let issues = observation.issues.clone();
    let report = ObservationReport {
        operation: OPERATION.to_owned(),
        patch: None,
        observations: vec![observation],
        provisional: true,
    };
    let command = Command::RecordObservations(Box::new(report));
    let envelope = service.gateway.envelope(&access.caller, &origin, patient, command);
    let attachments = Attachments { once, urgency: Urgency::Bulk, ..Attachments::default() };
    match service.gateway.runtime.submit::<Patient>(envelope, attachments).await? {
        Outcome::Done { reply: Reply::Done(changes), sequence } => {
            Ok(Done { sequence, repeated: false, changes, issues })
        }
        Outcome::Done { .. } => Err(Failure::unexpected()),
        Outcome::Repeated { .. } => {
            Ok(Done { sequence: 0, repeated: true, changes: Changes::default(), issues })
        }
    }
}

/// Takes and submits; what cannot be taken is refused and audited (AUD-1).
pub(crate) async fn observe(
    service: &Service,
    access: &Access,
    (patient, taken): (EntityId, Result<Taken, Failure>),
) -> Result<Done, Failure> {
    match taken {
        Ok(taken) => submit(service, access, taken).await,
        Err(failure) => {
            let what = (patient, AuditAction::Create, OPERATION);
            Err(service.refuse(&access.caller, what, failure).await)
        }
    }
}

impl Done {
    /// Whether an earlier command had the effect.
    pub(crate) const fn is_repeat(&self) -> bool {
        self.repeated
    }

    /// Fills the receipt.
    pub(crate) fn write(&self, mut receipt: wire::receipt::Builder<'_>) {
        receipt.set_sequence(self.sequence);
        receipt.set_repeated(self.repeated);
        receipt.set_recorded(self.changes.observations_recorded > 0);
        if !self.changes.scores.is_empty() {
            let mut scores = receipt.reborrow().init_scores(show::count(self.changes.scores.len()));
            for (place, score) in (0..).zip(&self.changes.scores) {
                show::score(scores.reborrow().get(place), score);
            }
        }
        if !self.changes.alerts.is_empty() {
            let mut alerts = receipt.reborrow().init_alerts(show::count(self.changes.alerts.len()));
            for (place, alert) in (0..).zip(&self.changes.alerts) {
                show::alert(alerts.reborrow().get(place), alert);
            }
        }
        if !self.issues.is_empty() {
            let mut issues = receipt.init_issues(show::count(self.issues.len()));
            for (place, issue) in (0..).zip(&self.issues) {
                issues.set(place, issue.as_str());
            }
        }
    }
}
