//! Conversions that every owner needs: texts, digests, decimals, ids, provenance, lists, enums.

pub(crate) mod clinical;

use crate::common_capnp as wire;
use crate::error::WireError;
use capnp::traits::{IntoInternalStructReader, OwnedStruct};
use capnp::{struct_list, text, text_list};
use schema_types::Decimal;
use schema_types::clinical::{Code, Provenance};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityId, EntityKind, MessageDigest, SourceId, TenantId};
use schema_types::measure::Measure;
use std::collections::BTreeMap;

/// Two functions between an enum and its mirror in the schema. With `strict`, the mirror's
/// `unknown` is an error; without, it is a variant like the others.
macro_rules! mirrored_enum {
    (strict $to:ident, $from:ident, $domain:ty, $mirror:ty, $what:literal,
        [$($name:ident),* $(,)?]) => {
        pub(crate) const fn $to(value: $domain) -> $mirror {
            match value { $(<$domain>::$name => <$mirror>::$name),* }
        }

        pub(crate) fn $from(
            value: Result<$mirror, capnp::NotInSchema>,
        ) -> Result<$domain, crate::error::WireError> {
            match value.map_err(crate::error::WireError::not_in_schema($what))? {
                <$mirror>::Unknown => Err(crate::error::WireError::Unset($what)),
                $(<$mirror>::$name => Ok(<$domain>::$name)),*
            }
        }
    };
    (open $to:ident, $from:ident, $domain:ty, $mirror:ty, $what:literal,
        [$($name:ident),* $(,)?]) => {
        pub(crate) const fn $to(value: $domain) -> $mirror {
            match value { $(<$domain>::$name => <$mirror>::$name),* }
        }

        pub(crate) fn $from(
            value: Result<$mirror, capnp::NotInSchema>,
        ) -> Result<$domain, crate::error::WireError> {
            match value.map_err(crate::error::WireError::not_in_schema($what))? {
                $(<$mirror>::$name => Ok(<$domain>::$name)),*
            }
        }
    };
}
pub(crate) use mirrored_enum;

/// Sets a text or bytes unless empty: null stands for empty.
macro_rules! put_text {
    ($builder:ident.$set:ident, $text:expr) => {
        if !$text.is_empty() {
            $builder.$set($text);
        }
    };
}
pub(crate) use put_text;

/// Sets a digest unless all its bytes are zero: null stands for that.
macro_rules! put_digest {
    ($builder:ident.$set:ident, $digest:expr) => {
        if *$digest != schema_types::ids::MessageDigest::default() {
            $builder.$set(&$digest.0);
        }
    };
}
pub(crate) use put_digest;

/// Fills a list with `write(element, item)` unless it is empty: null stands for empty.
macro_rules! put_list {
    ($builder:ident.$init:ident, $items:expr, $write:expr) => {
        if !$items.is_empty() {
            let count = crate::common::list_length($items.len());
            let mut list = $builder.reborrow().$init(count);
            for (index, item) in (0..count).zip($items) {
                $write(list.reborrow().get(index), item);
            }
        }
    };
}
pub(crate) use put_list;

/// Sets an optional instant in a union whose other arm is `unset`.
macro_rules! put_instant {
    ($builder:ident.$init:ident, $instant:expr) => {
        if let Some(instant) = $instant {
            $builder.reborrow().$init().set_unix_micros(instant.unix_micros());
        }
    };
}
pub(crate) use put_instant;

/// Reads an optional instant from a union whose other arm is `unset`.
macro_rules! optional_instant {
    ($union:path, $reader:expr, $what:literal) => {{
        use $union as union;
        match $reader.which().map_err(crate::error::WireError::not_in_schema($what))? {
            union::Unset(()) => None,
            union::UnixMicros(micros) => {
                Some(schema_types::time::Timestamp::from_unix_micros(micros))
            }
        }
    }};
}
pub(crate) use optional_instant;

/// The length of a list as the wire counts it.
pub(crate) fn list_length(length: usize) -> u32 {
    u32::try_from(length).expect("a list of a record that fits RECORD_BYTES_MAX fits 32 bits")
}

pub(crate) fn read_str(reader: capnp::Result<text::Reader<'_>>) -> Result<&str, WireError> {
    Ok(reader?.to_str()?)
}

pub(crate) fn read_text(reader: capnp::Result<text::Reader<'_>>) -> Result<String, WireError> {
    Ok(reader?.to_str()?.to_owned())
}

pub(crate) fn write_texts(mut list: text_list::Builder<'_>, texts: &[String]) {
    for (index, text) in (0..list.len()).zip(texts) {
        list.set(index, text.as_str());
    }
}

pub(crate) fn read_texts(list: text_list::Reader<'_>) -> Result<Vec<String>, WireError> {
    list.iter().map(read_text).collect()
}

pub(crate) fn read_list<'a, T, V>(
    list: capnp::Result<struct_list::Reader<'a, T>>,
    read: impl Fn(T::Reader<'a>) -> Result<V, WireError>,
) -> Result<Vec<V>, WireError>
where
    T: OwnedStruct,
    T::Reader<'a>: IntoInternalStructReader<'a>,
{
    list?.iter().map(read).collect()
}

/// Reads the entries of a map; `what` names a key in the error about a repeat.
pub(crate) fn read_map<'a, T, K, V>(
    list: capnp::Result<struct_list::Reader<'a, T>>,
    read: impl Fn(T::Reader<'a>) -> Result<(K, V), WireError>,
    what: &'static str,
) -> Result<BTreeMap<K, V>, WireError>
where
    T: OwnedStruct,
    T::Reader<'a>: IntoInternalStructReader<'a>,
    K: Ord,
{
    let mut map = BTreeMap::new();
    for entry in list?.iter() {
        let (key, value) = read(entry)?;
        if map.insert(key, value).is_some() {
            return Err(WireError::Repeated(what));
        }
    }
    Ok(map)
}

/// A digest that always exists; null stands for the one with all bytes zero.
pub(crate) fn read_digest(bytes: capnp::Result<&[u8]>) -> Result<MessageDigest, WireError> {
    let bytes = bytes?;
    if bytes.is_empty() {
        return Ok(MessageDigest::default());
    }
    let array = <[u8; 32]>::try_from(bytes).map_err(|_| WireError::Digest(bytes.len()))?;
    Ok(MessageDigest(array))
}

pub(crate) fn read_error_code(
    reader: capnp::Result<text::Reader<'_>>,
) -> Result<ErrorCode, WireError> {
    ErrorCode::from_text(reader?.to_str()?).ok_or(WireError::ErrorCode)
}

pub(crate) fn read_measure(number: u16) -> Result<Measure, WireError> {
    let unknown = WireError::Unknown { what: "measure", number: u32::from(number) };
    Measure::from_number(number).ok_or(unknown)
}

pub(crate) fn write_decimal(mut builder: wire::decimal::Builder<'_>, value: &Decimal) {
    let bytes = value.mantissa().unsigned_abs().to_le_bytes();
    let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = bytes;
    builder.set_low(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    builder.set_high(u32::from_le_bytes([i, j, k, l]));
    builder.set_scale(u8::try_from(value.scale()).expect("a scale is at most 28"));
    builder.set_is_negative(value.is_sign_negative() && !value.is_zero());
}

pub(crate) fn read_decimal(
    reader: capnp::Result<wire::decimal::Reader<'_>>,
) -> Result<Decimal, WireError> {
    let reader = reader?;
    let scale = reader.get_scale();
    let magnitude = (i128::from(reader.get_high()) << 64) | i128::from(reader.get_low());
    let mantissa = if reader.get_is_negative() { -magnitude } else { magnitude };
    Decimal::try_from_i128_with_scale(mantissa, u32::from(scale))
        .map_err(|_| WireError::Scale(scale))
}

mirrored_enum!(strict entity_kind, read_entity_kind, EntityKind, wire::EntityKind, "entity kind",
    [Patient, Device, Facility]);

pub(crate) fn write_entity(mut builder: wire::entity_id::Builder<'_>, entity: &EntityId) {
    put_text!(builder.set_tenant, entity.tenant().as_str());
    builder.set_kind(entity_kind(entity.kind()));
    builder.set_key(entity.key());
}

pub(crate) fn read_entity(
    reader: capnp::Result<wire::entity_id::Reader<'_>>,
) -> Result<EntityId, WireError> {
    let reader = reader?;
    let tenant = TenantId::new(read_str(reader.get_tenant())?);
    let kind = read_entity_kind(reader.get_kind())?;
    let key = reader.get_key()?.to_str()?;
    let entity = EntityId::new(tenant, kind, key);
    if entity.key() == key { Ok(entity) } else { Err(WireError::EntityKey) }
}

pub(crate) fn write_provenance(
    mut builder: wire::provenance::Builder<'_>,
    provenance: &Provenance,
) {
    put_text!(builder.set_source, provenance.source.as_str());
    put_text!(builder.set_position, provenance.position.as_str());
    put_digest!(builder.set_message, &provenance.message);
}

pub(crate) fn read_provenance(
    reader: capnp::Result<wire::provenance::Reader<'_>>,
) -> Result<Provenance, WireError> {
    let reader = reader?;
    Ok(Provenance {
        source: SourceId::new(read_str(reader.get_source())?),
        message: read_digest(reader.get_message())?,
        position: read_text(reader.get_position())?,
    })
}

/// The code itself is set even when it is empty: an element of a list must take space.
pub(crate) fn write_code(mut builder: wire::code::Builder<'_>, code: &Code) {
    builder.set_code(code.code.as_str());
    put_text!(builder.set_system, code.system.as_str());
    put_text!(builder.set_display, code.display.as_str());
}

pub(crate) fn read_code(reader: wire::code::Reader<'_>) -> Result<Code, WireError> {
    Ok(Code {
        system: read_text(reader.get_system())?,
        code: read_text(reader.get_code())?,
        display: read_text(reader.get_display())?,
    })
}
