//! Small made-up values that the samples share.

use schema_types::Decimal;
use schema_types::clinical::{Code, Provenance};
use schema_types::ids::{EntityId, EntityKind, MessageDigest, SourceId, TenantId};
use schema_types::time::Timestamp;

/// A named value.
pub(crate) type Named<T> = (&'static str, T);

/// 2026-03-01 08:00:00 UTC plus some seconds and an odd fraction.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_772_352_000 + seconds).plus_micros(250_001)
}

/// A decimal as a source writes it.
pub(crate) fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// A digest of a made-up message.
pub(crate) fn digest(text: &str) -> MessageDigest {
    MessageDigest::of(text.as_bytes())
}

/// A patient of the sample hospital.
pub(crate) fn patient(key: &str) -> EntityId {
    EntityId::new(TenantId::new("north"), EntityKind::Patient, key)
}

/// A device of the sample hospital.
pub(crate) fn device(key: &str) -> EntityId {
    EntityId::new(TenantId::new("north"), EntityKind::Device, key)
}

/// The sample hospital.
pub(crate) fn hospital() -> EntityId {
    EntityId::new(TenantId::new("north"), EntityKind::Facility, "NGH")
}

/// A place in a made-up message.
pub(crate) fn provenance(position: &str) -> Provenance {
    Provenance {
        source: SourceId::new("LAB|NGH"),
        message: digest("a made-up message"),
        position: position.to_owned(),
    }
}

/// A code of the given system.
pub(crate) fn code(system: &str, code: &str, display: &str) -> Code {
    Code { system: system.to_owned(), code: code.to_owned(), display: display.to_owned() }
}
