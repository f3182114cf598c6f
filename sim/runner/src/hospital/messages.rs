//! Messages of a hospital, made from random numbers, and what they mean.

use schema_hl7::typed::Adt;
use schema_hl7::{DecodeContext, Message, Payload, decode};
use schema_types::ids::{EntityId, EntityKind, MessageDigest, TenantId};
use schema_types::time::Timestamp;
use sim_checks::{Observed, OperationKind};
use sim_world::fake::SeededRng;
use sim_world::time::WORLD_BEGINS_UNIX_MICROS;

use super::CANARY;

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Vital signs of a patient.
    Vitals,
    /// Vital signs of a patient who is very ill.
    Critical,
    /// A patient comes (A01).
    Admit,
    /// A patient changes bed (A02).
    Transfer,
    /// A patient goes (A03).
    Discharge,
    /// New data of a patient (A08).
    Update,
}

/// A message with what the hospital knows of it.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) control_id: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) patient: EntityId,
    pub(crate) kind: OperationKind,
}

/// Who a message is from and about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) system: &'a str,
    pub(crate) number: u64,
    pub(crate) patient: u64,
    pub(crate) now_micros: u64,
}

const SECOND_MICROS: i64 = 1_000_000;

/// `yyyymmddhhmmss+0000` of a wall time.
fn stamp(wall_micros: i64) -> String {
    let seconds = wall_micros.div_euclid(SECOND_MICROS);
    let begun = WORLD_BEGINS_UNIX_MICROS / SECOND_MICROS;
    // Runs are shorter than a day: messages are about the last day of 2025 or the first of 2026.
    let since = seconds - begun;
    let (day, rest) = if since < 0 { ("20251231", since + 86_400) } else { ("20260101", since) };
    format!("{day}{:02}{:02}{:02}+0000", rest / 3_600, rest / 60 % 60, rest % 60)
}

fn vitals(rng: &SeededRng, at: &str, is_critical: bool) -> String {
    let values: [(&str, &str, u64, &str); 6] = if is_critical {
        [
            ("9279-1", "Respiratory rate", 26 + rng.below(10), "/min"),
            ("59408-5", "SpO2", 80 + rng.below(10), "%"),
            ("8480-6", "Systolic blood pressure", 75 + rng.below(14), "mm[Hg]"),
            ("8867-4", "Heart rate", 132 + rng.below(20), "/min"),
            ("8310-5", "Body temperature", 34, "Cel"),
            ("8462-4", "Diastolic blood pressure", 45 + rng.below(5), "mm[Hg]"),
        ]
    } else {
        [
            ("9279-1", "Respiratory rate", 8 + rng.below(18), "/min"),
            ("59408-5", "SpO2", 90 + rng.below(11), "%"),
            ("8480-6", "Systolic blood pressure", 88 + rng.below(60), "mm[Hg]"),
            ("8867-4", "Heart rate", 40 + rng.below(92), "/min"),
            ("8310-5", "Body temperature", 35 + rng.below(5), "Cel"),
            ("8462-4", "Diastolic blood pressure", 50 + rng.below(40), "mm[Hg]"),
        ]
    };
    let count = if is_critical { 6 } else { 1 + rng.below(6) };
    let first = if is_critical { 0 } else { rng.below(6) };
    let mut lines = format!("OBR|1|||85353-1^Vital signs^LN|||{at}\r");
    for index in 0..count {
        let at_value = usize::try_from((first + index) % 6).unwrap_or(0);
        let (code, name, value, unit) = values[at_value];
        lines.push_str(&format!(
            "OBX|{}|NM|{code}^{name}^LN||{value}|{unit}^^UCUM|||||F|||{at}\r",
            index + 1
        ));
    }
    lines
}

/// Makes a message.
pub(crate) fn make(rng: &SeededRng, about: About<'_>, kind: Kind) -> Option<Told> {
    let About { system, number, patient, now_micros } = about;
    // Each message of a system has a second of its own, up to some hours in the past.
    let now = WORLD_BEGINS_UNIX_MICROS + i64::try_from(now_micros).unwrap_or(0);
    let late = i64::try_from(rng.below(1_800)).unwrap_or(0) * SECOND_MICROS;
    let late = if rng.chance_permille(200) { late } else { 0 };
    let at = stamp(now - SECOND_MICROS - late);
    let control_id = format!("{system}-{number}");
    let name = format!("{CANARY}{patient}^Pat");
    let bed = rng.below(6);
    let ward = rng.below(3);
    let (event, body) = match kind {
        Kind::Vitals | Kind::Critical => {
            ("ORU^R01^ORU_R01", vitals(rng, &at, kind == Kind::Critical))
        }
        Kind::Admit | Kind::Transfer | Kind::Discharge | Kind::Update => {
            let event = match kind {
                Kind::Admit => "ADT^A01^ADT_A01",
                Kind::Transfer => "ADT^A02^ADT_A02",
                Kind::Discharge => "ADT^A03^ADT_A03",
                Kind::Update | Kind::Vitals | Kind::Critical => "ADT^A08^ADT_A01",
            };
            let stay = format!("V{patient}");
            let body = format!(
                "PV1|1|I|W{ward}^R1^B{bed}^H||||||||||||||||{stay}|||||||||||||||||||||||||{at}\r"
            );
            (event, body)
        }
    };
    let event_segment = if event.starts_with("ADT") {
        format!("EVN|{}|{at}\r", event.get(4..7).unwrap_or_default())
    } else {
        String::new()
    };
    let text = format!(
        "MSH|^~\\&|{system}|H|MEDULLA|H|{at}||{event}|{control_id}|P|2.5.1\r{event_segment}\
         PID|1||{patient}^^^H^MR||{name}||19600101|F\r{body}"
    );
    told(text.into_bytes(), control_id, now)
}

/// What a message means, by the hospital's own reading of it.
fn told(bytes: Vec<u8>, control_id: String, now: i64) -> Option<Told> {
    let message = Message::parse(&bytes).ok()?;
    let tenant = TenantId::new("default");
    let context = DecodeContext {
        tenant: tenant.clone(),
        digest: MessageDigest::of(&bytes),
        received_at: Timestamp::from_unix_micros(now),
        default_utc_offset_minutes: 0,
    };
    let incoming = decode(&message, &context).ok()?;
    let entity = |key: &str| EntityId::new(tenant.clone(), EntityKind::Patient, key);
    let (patient, kind) = match incoming.payload {
        Payload::Observations { patient, observations } => {
            let observed = observations.into_iter().filter_map(|observation| {
                let (measure, value) = observation.measured?;
                let (observation, effective_at) = (observation.id, observation.effective_at);
                Some(Observed { observation, measure, value, effective_at })
            });
            (entity(patient.key.expose()), OperationKind::Observe(observed.collect()))
        }
        Payload::Adt(adt) => {
            let Adt { patient, movement, .. } = *adt;
            let kind = match movement {
                Some((encounter, movement)) => {
                    OperationKind::Move { encounter, movement: Box::new(movement) }
                }
                None => OperationKind::Change,
            };
            (entity(patient.key.expose()), kind)
        }
        Payload::Merge { .. } | Payload::Unlink { .. } => return None,
    };
    Some(Told { control_id, bytes, patient, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_makes_a_message_that_is_understood() {
        let kinds = [
            Kind::Vitals,
            Kind::Critical,
            Kind::Admit,
            Kind::Transfer,
            Kind::Discharge,
            Kind::Update,
        ];
        let rng = SeededRng::new(1);
        for kind in kinds {
            let about = About { system: "LAB", number: 1, patient: 7, now_micros: 5_000_000 };
            let told = make(&rng, about, kind).unwrap();
            match told.kind {
                OperationKind::Observe(observed) => assert!(!observed.is_empty()),
                OperationKind::Move { .. } => assert_ne!(kind, Kind::Vitals),
                OperationKind::Change => assert_eq!(kind, Kind::Update),
                OperationKind::Read => panic!("no message is a read"),
            }
        }
    }
}
