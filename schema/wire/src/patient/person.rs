//! Conversions of what is known and what is said about a person.

use crate::common::{
    list_length, mirrored_enum, put_list, put_text, read_list, read_text, read_texts, write_texts,
};
use crate::error::WireError;
use crate::patient_capnp as wire;
use schema_types::patient::{
    AdministrativeSex, Demographics, DemographicsPatch, FieldUpdate, Identifier, PersonName,
    Registration, Stated,
};
use schema_types::phi::Phi;
use schema_types::time::Timestamp;

mirrored_enum!(open registration, read_registration, Registration, wire::Registration,
    "registration", [Unknown, Provisional, Registered]);

const fn sex(value: AdministrativeSex) -> wire::AdministrativeSex {
    match value {
        AdministrativeSex::Female => wire::AdministrativeSex::Female,
        AdministrativeSex::Male => wire::AdministrativeSex::Male,
        AdministrativeSex::Other => wire::AdministrativeSex::Other,
        AdministrativeSex::Unknown => wire::AdministrativeSex::StatedUnknown,
    }
}

fn read_sex(
    value: Result<wire::AdministrativeSex, capnp::NotInSchema>,
) -> Result<Option<AdministrativeSex>, WireError> {
    Ok(match value.map_err(WireError::not_in_schema("administrative sex"))? {
        wire::AdministrativeSex::Unknown => None,
        wire::AdministrativeSex::Female => Some(AdministrativeSex::Female),
        wire::AdministrativeSex::Male => Some(AdministrativeSex::Male),
        wire::AdministrativeSex::Other => Some(AdministrativeSex::Other),
        wire::AdministrativeSex::StatedUnknown => Some(AdministrativeSex::Unknown),
    })
}

/// The value is set even when it is empty: an element of a list must take space.
fn write_identifier(mut builder: wire::identifier::Builder<'_>, identifier: &Identifier) {
    builder.set_value(identifier.value.expose().as_str());
    put_text!(builder.set_system, identifier.system.as_str());
    put_text!(builder.set_type_code, identifier.type_code.as_str());
}

fn read_identifier(reader: wire::identifier::Reader<'_>) -> Result<Identifier, WireError> {
    Ok(Identifier {
        system: read_text(reader.get_system())?,
        value: Phi::new(read_text(reader.get_value())?),
        type_code: read_text(reader.get_type_code())?,
    })
}

fn write_name(mut builder: wire::person_name::Builder<'_>, name: &PersonName) {
    put_text!(builder.set_family, name.family.as_str());
    if !name.given.is_empty() {
        write_texts(builder.init_given(list_length(name.given.len())), &name.given);
    }
}

fn read_name(reader: wire::person_name::Reader<'_>) -> Result<Phi<PersonName>, WireError> {
    let family = read_text(reader.get_family())?;
    Ok(Phi::new(PersonName { family, given: read_texts(reader.get_given()?)? }))
}

fn text(text: &Phi<String>) -> &str {
    text.expose().as_str()
}

/// Writes an update unless it says nothing: null stands for `Keep`.
macro_rules! put_update {
    ($builder:ident.$init:ident.$set:ident, $update:expr, |$value:ident| $wire_value:expr) => {
        match $update {
            FieldUpdate::Keep => {}
            FieldUpdate::Clear => $builder.reborrow().$init().set_clear(()),
            FieldUpdate::Set($value) => $builder.reborrow().$init().$set($wire_value),
        }
    };
}

pub(super) fn write_patch(
    mut builder: wire::demographics_patch::Builder<'_>,
    patch: &DemographicsPatch,
) {
    put_list!(builder.init_identifiers, &patch.identifiers, write_identifier);
    match &patch.name {
        FieldUpdate::Keep => {}
        FieldUpdate::Clear => builder.reborrow().init_name().set_clear(()),
        FieldUpdate::Set(name) => {
            write_name(builder.reborrow().init_name().init_set(), name.expose());
        }
    }
    put_update!(builder.init_birth_date.set_set, &patch.birth_date, |date| text(date));
    put_update!(builder.init_sex.set_set, patch.sex, |value| sex(value));
    put_update!(builder.init_address.set_set, &patch.address, |address| text(address));
    put_update!(builder.init_phone.set_set, &patch.phone, |phone| text(phone));
    put_update!(builder.init_deceased_at.set_set_unix_micros, patch.deceased_at, |at| {
        at.unix_micros()
    });
}

fn read_text_update(
    reader: capnp::Result<wire::text_update::Reader<'_>>,
) -> Result<FieldUpdate<Phi<String>>, WireError> {
    use wire::text_update::Which;
    Ok(match reader?.which().map_err(WireError::not_in_schema("text update"))? {
        Which::Unset(()) => FieldUpdate::Keep,
        Which::Clear(()) => FieldUpdate::Clear,
        Which::Set(text) => FieldUpdate::Set(Phi::new(read_text(text)?)),
    })
}

fn read_name_update(
    reader: wire::name_update::Reader<'_>,
) -> Result<FieldUpdate<Phi<PersonName>>, WireError> {
    use wire::name_update::Which;
    Ok(match reader.which().map_err(WireError::not_in_schema("name update"))? {
        Which::Unset(()) => FieldUpdate::Keep,
        Which::Clear(()) => FieldUpdate::Clear,
        Which::Set(name) => FieldUpdate::Set(read_name(name?)?),
    })
}

fn read_sex_update(
    reader: wire::sex_update::Reader<'_>,
) -> Result<FieldUpdate<AdministrativeSex>, WireError> {
    use wire::sex_update::Which;
    Ok(match reader.which().map_err(WireError::not_in_schema("sex update"))? {
        Which::Unset(()) => FieldUpdate::Keep,
        Which::Clear(()) => FieldUpdate::Clear,
        Which::Set(value) => {
            FieldUpdate::Set(read_sex(value)?.ok_or(WireError::Unset("administrative sex"))?)
        }
    })
}

fn read_time_update(
    reader: wire::time_update::Reader<'_>,
) -> Result<FieldUpdate<Timestamp>, WireError> {
    use wire::time_update::Which;
    Ok(match reader.which().map_err(WireError::not_in_schema("time update"))? {
        Which::Unset(()) => FieldUpdate::Keep,
        Which::Clear(()) => FieldUpdate::Clear,
        Which::SetUnixMicros(micros) => FieldUpdate::Set(Timestamp::from_unix_micros(micros)),
    })
}

pub(super) fn read_patch(
    reader: wire::demographics_patch::Reader<'_>,
) -> Result<DemographicsPatch, WireError> {
    Ok(DemographicsPatch {
        identifiers: read_list(reader.get_identifiers(), read_identifier)?,
        name: read_name_update(reader.get_name()?)?,
        birth_date: read_text_update(reader.get_birth_date())?,
        sex: read_sex_update(reader.get_sex()?)?,
        address: read_text_update(reader.get_address())?,
        phone: read_text_update(reader.get_phone())?,
        deceased_at: read_time_update(reader.get_deceased_at()?)?,
    })
}

/// Begins a stated field unless it was never stated: null stands for that.
macro_rules! put_stated {
    ($builder:ident.$init:ident, $stated:expr, |$target:ident, $value:ident| $set:expr) => {
        if $stated != Stated::default() {
            let mut $target = $builder.reborrow().$init();
            $target.set_stated_at_unix_micros($stated.stated_at.unix_micros());
            if let Some($value) = &$stated.value {
                $set;
            }
        }
    };
}

pub(super) fn write_demographics(
    mut builder: wire::demographics::Builder<'_>,
    person: &Demographics,
) {
    put_list!(builder.init_identifiers, &person.identifiers, write_identifier);
    put_stated!(builder.init_name, person.name, |stated, name| {
        write_name(stated.init_name(), name.expose())
    });
    put_stated!(builder.init_birth_date, person.birth_date, |stated, date| {
        stated.set_text(date.expose().as_str())
    });
    put_stated!(builder.init_sex, person.sex, |stated, value| stated.set_sex(sex(*value)));
    put_stated!(builder.init_address, person.address, |stated, address| {
        stated.set_text(address.expose().as_str())
    });
    put_stated!(builder.init_phone, person.phone, |stated, phone| {
        stated.set_text(phone.expose().as_str())
    });
    put_stated!(builder.init_deceased_at, person.deceased_at, |stated, at| {
        stated.set_unix_micros(at.unix_micros())
    });
}

fn read_stated_text(
    reader: wire::stated_text::Reader<'_>,
) -> Result<Stated<Phi<String>>, WireError> {
    use wire::stated_text::Which;
    let value = match reader.which().map_err(WireError::not_in_schema("stated text"))? {
        Which::Unset(()) => None,
        Which::Text(text) => Some(Phi::new(read_text(text)?)),
    };
    let stated_at = Timestamp::from_unix_micros(reader.get_stated_at_unix_micros());
    Ok(Stated { value, stated_at })
}

fn read_stated_name(
    reader: wire::stated_name::Reader<'_>,
) -> Result<Stated<Phi<PersonName>>, WireError> {
    use wire::stated_name::Which;
    let value = match reader.which().map_err(WireError::not_in_schema("stated name"))? {
        Which::Unset(()) => None,
        Which::Name(name) => Some(read_name(name?)?),
    };
    let stated_at = Timestamp::from_unix_micros(reader.get_stated_at_unix_micros());
    Ok(Stated { value, stated_at })
}

fn read_stated_sex(
    reader: wire::stated_sex::Reader<'_>,
) -> Result<Stated<AdministrativeSex>, WireError> {
    let stated_at = Timestamp::from_unix_micros(reader.get_stated_at_unix_micros());
    Ok(Stated { value: read_sex(reader.get_sex())?, stated_at })
}

fn read_stated_time(reader: wire::stated_time::Reader<'_>) -> Result<Stated<Timestamp>, WireError> {
    use wire::stated_time::Which;
    let value = match reader.which().map_err(WireError::not_in_schema("stated time"))? {
        Which::Unset(()) => None,
        Which::UnixMicros(micros) => Some(Timestamp::from_unix_micros(micros)),
    };
    let stated_at = Timestamp::from_unix_micros(reader.get_stated_at_unix_micros());
    Ok(Stated { value, stated_at })
}

/// Reads a stated field; null stands for one that was never stated.
macro_rules! stated {
    ($reader:ident, $has:ident, $get:ident, $read:ident) => {
        if $reader.$has() { $read($reader.$get()?)? } else { Stated::default() }
    };
}

pub(super) fn read_demographics(
    reader: wire::demographics::Reader<'_>,
) -> Result<Demographics, WireError> {
    Ok(Demographics {
        identifiers: read_list(reader.get_identifiers(), read_identifier)?,
        name: stated!(reader, has_name, get_name, read_stated_name),
        birth_date: stated!(reader, has_birth_date, get_birth_date, read_stated_text),
        sex: stated!(reader, has_sex, get_sex, read_stated_sex),
        address: stated!(reader, has_address, get_address, read_stated_text),
        phone: stated!(reader, has_phone, get_phone, read_stated_text),
        deceased_at: stated!(reader, has_deceased_at, get_deceased_at, read_stated_time),
    })
}
