//! PID and MRG: identifiers, the entity key and what is said about the person.

use super::{Decoder, PatientIdentity};
use crate::error::Hl7Error;
use crate::message::{Part, Presence, Segment};
use crate::time::iso_date;
use schema_types::patient::{
    AdministrativeSex, DemographicsPatch, FieldUpdate, Identifier, PersonName,
};
use schema_types::phi::Phi;
use schema_types::time::Timestamp;

impl Decoder<'_> {
    /// The person in a PID segment.
    pub(super) fn identity(
        &self,
        pid: &Segment<'_>,
        stated_at: Timestamp,
    ) -> Result<PatientIdentity, Hl7Error> {
        let list = identifiers_of(&pid.field(3), "");
        let external = identifiers_of(&pid.field(2), "");
        let alternate = identifiers_of(&pid.field(4), "");
        let best = [&list, &external, &alternate].into_iter().find_map(|some| self.best(some));
        let best = best.ok_or_else(|| Hl7Error::field_missing(pid.position().with_field(3)))?;
        let key = self.key(best);
        let security = identifiers_of(&pid.field(19), "SS");
        let mut identifiers: Vec<Identifier> = Vec::new();
        for identifier in [list, external, alternate, security].into_iter().flatten() {
            let known = identifiers
                .iter()
                .any(|other| other.value == identifier.value && other.system == identifier.system);
            if !known {
                identifiers.push(identifier);
            }
        }
        let patch = self.patch(pid, &identifiers)?;
        Ok(PatientIdentity { key, identifiers, patch, stated_at })
    }

    /// Key and identifiers of the record that an MRG segment retires.
    pub(super) fn retired(
        &self,
        mrg: &Segment<'_>,
    ) -> Result<(Phi<String>, Vec<Identifier>), Hl7Error> {
        let mut identifiers = identifiers_of(&mrg.field(1), "");
        identifiers.extend(identifiers_of(&mrg.field(4), ""));
        let best = self.best(&identifiers);
        let best = best.ok_or_else(|| Hl7Error::field_missing(mrg.position().with_field(1)))?;
        Ok((self.key(best), identifiers))
    }

    /// Type `MR` of the sending facility, else the first `MR`, else the first.
    fn best<'i>(&self, identifiers: &'i [Identifier]) -> Option<&'i Identifier> {
        let record = |identifier: &&Identifier| identifier.type_code == "MR";
        let own = |identifier: &&Identifier| identifier.system == self.header.sending_facility;
        identifiers
            .iter()
            .find(|identifier| record(identifier) && own(identifier))
            .or_else(|| identifiers.iter().find(record))
            .or_else(|| identifiers.first())
    }

    fn key(&self, identifier: &Identifier) -> Phi<String> {
        Phi::new(self.qualified(&identifier.system, identifier.value.expose()))
    }

    /// `{assigner}.{id}`; without an assigner the sending facility stands in.
    pub(super) fn qualified(&self, assigner: &str, id: &str) -> String {
        let assigner = if assigner.is_empty() { &self.header.sending_facility } else { assigner };
        if assigner.is_empty() { id.to_owned() } else { format!("{assigner}.{id}") }
    }

    fn patch(
        &self,
        pid: &Segment<'_>,
        identifiers: &[Identifier],
    ) -> Result<DemographicsPatch, Hl7Error> {
        Ok(DemographicsPatch {
            identifiers: identifiers.to_vec(),
            name: name_of(&pid.field(5)),
            birth_date: self.birth_date(pid)?,
            sex: sex_of(&pid.field(8)),
            address: address_of(&pid.field(11)),
            phone: phone_of(&pid.field(13)),
            deceased_at: self.deceased_at(pid)?,
        })
    }

    fn birth_date(&self, pid: &Segment<'_>) -> Result<FieldUpdate<Phi<String>>, Hl7Error> {
        let part = pid.field(7).repetition(1).component(1);
        match self.time(pid, 7)? {
            None if part.is_null() => Ok(FieldUpdate::Clear),
            None => Ok(FieldUpdate::Keep),
            Some(time) => {
                self.check_past(time.at, pid.position().with_field(7))?;
                Ok(FieldUpdate::Set(Phi::new(iso_date(&part.value(), time.precision))))
            }
        }
    }

    /// PID-29; `""` there or `N` in PID-30 takes a death back.
    fn deceased_at(&self, pid: &Segment<'_>) -> Result<FieldUpdate<Timestamp>, Hl7Error> {
        if let Some(at) = self.past(pid, 29)? {
            return Ok(FieldUpdate::Set(at));
        }
        let alive = pid.field(30).value() == "N";
        let clear = alive || pid.field(29).is_null();
        Ok(if clear { FieldUpdate::Clear } else { FieldUpdate::Keep })
    }
}

/// Every repetition of a CX field that has an id.
fn identifiers_of(field: &Part<'_>, default_type: &str) -> Vec<Identifier> {
    field
        .repetitions()
        .filter_map(|repetition| {
            let value = repetition.component(1).subcomponent(1).value();
            if value.is_empty() {
                return None;
            }
            let stated = repetition.component(5).value();
            let type_code = if stated.is_empty() { default_type.to_owned() } else { stated };
            let system = assigner_of(&repetition);
            Some(Identifier { system, value: Phi::new(value), type_code })
        })
        .collect()
}

/// CX.4: the namespace of the assigning authority, else its universal id.
pub(super) fn assigner_of(identifier: &Part<'_>) -> String {
    let authority = identifier.component(4);
    let namespace = authority.subcomponent(1).value();
    if namespace.is_empty() { authority.subcomponent(2).value() } else { namespace }
}

fn name_of(field: &Part<'_>) -> FieldUpdate<Phi<PersonName>> {
    let has_name = |name: &Part<'_>| !(family_of(name).is_empty() && name.component(2).is_empty());
    let is_legal = |name: &Part<'_>| matches!(name.component(7).value().as_str(), "" | "L");
    let legal = field.repetitions().find(|name| has_name(name) && is_legal(name));
    let Some(name) = legal.or_else(|| field.repetitions().find(|name| has_name(name))) else {
        return FieldUpdate::Keep;
    };
    let given: Vec<String> = [2, 3]
        .map(|number| name.component(number).value())
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    let family = family_of(&name).value();
    if family.is_empty() && given.is_empty() {
        return FieldUpdate::Clear;
    }
    FieldUpdate::Set(Phi::new(PersonName { family, given }))
}

fn family_of<'m>(name: &Part<'m>) -> Part<'m> {
    name.component(1).subcomponent(1)
}

fn sex_of(field: &Part<'_>) -> FieldUpdate<AdministrativeSex> {
    if field.is_null() {
        return FieldUpdate::Clear;
    }
    match field.component(1).value().to_ascii_uppercase().as_str() {
        "F" | "FEMALE" => FieldUpdate::Set(AdministrativeSex::Female),
        "M" | "MALE" => FieldUpdate::Set(AdministrativeSex::Male),
        "O" | "A" | "X" | "OTHER" => FieldUpdate::Set(AdministrativeSex::Other),
        "U" | "UNKNOWN" => FieldUpdate::Set(AdministrativeSex::Unknown),
        // Local codes mean nothing here and must not overwrite what is known.
        _ => FieldUpdate::Keep,
    }
}

fn address_of(field: &Part<'_>) -> FieldUpdate<Phi<String>> {
    let address = field.repetitions().find(|address| !address.is_empty());
    let Some(address) = address else { return FieldUpdate::Keep };
    if address.is_null() {
        return FieldUpdate::Clear;
    }
    let street = address.component(1).subcomponent(1).value();
    let others = [2, 3, 4, 5, 6].map(|number| address.component(number).value());
    let parts: Vec<String> =
        std::iter::once(street).chain(others).filter(|text| !text.is_empty()).collect();
    if parts.is_empty() { FieldUpdate::Keep } else { FieldUpdate::Set(Phi::new(parts.join(", "))) }
}

fn phone_of(field: &Part<'_>) -> FieldUpdate<Phi<String>> {
    for number in field.repetitions() {
        if matches!(number.component(3).value().as_str(), "Internet" | "X.400") {
            continue;
        }
        match number.component(1).presence() {
            Presence::Null => return FieldUpdate::Clear,
            Presence::Value => return FieldUpdate::Set(Phi::new(number.component(1).value())),
            Presence::Empty => {}
        }
        let pieces = [5, 6, 7].map(|component| number.component(component).value());
        let pieces: Vec<String> = pieces.into_iter().filter(|text| !text.is_empty()).collect();
        let unformatted = number.component(12).value();
        if !pieces.is_empty() {
            return FieldUpdate::Set(Phi::new(pieces.join(" ")));
        }
        if !unformatted.is_empty() {
            return FieldUpdate::Set(Phi::new(unformatted));
        }
    }
    FieldUpdate::Keep
}
