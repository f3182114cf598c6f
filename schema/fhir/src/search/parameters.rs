//! Which search parameters each type supports; the one source for the parser and for the
//! CapabilityStatement.

use super::criteria::{
    DateCriterion, TextCriterion, TextMode, Token, alternatives, malformed, unescape,
};
use super::{Filter, refusal};
use crate::error::FhirError;
use crate::extract::FactPaths;
use crate::primitive::is_id;
use crate::reference::Reference;
use schema_types::phi::Phi;

/// The FHIR type of a search parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// A code or identifier.
    Token,
    /// A date or time.
    Date,
    /// A reference to another resource.
    Reference,
    /// Text.
    Text,
}

impl ParameterKind {
    /// The FHIR code of the type.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Date => "date",
            Self::Reference => "reference",
            Self::Text => "string",
        }
    }
}

/// One supported search parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchParameter {
    /// The name.
    pub name: &'static str,
    /// The type.
    pub kind: ParameterKind,
}

const fn parameter(name: &'static str, kind: ParameterKind) -> SearchParameter {
    SearchParameter { name, kind }
}

const ALL: &[SearchParameter] = &[
    parameter("_id", ParameterKind::Token),
    parameter("_lastUpdated", ParameterKind::Date),
    parameter("patient", ParameterKind::Reference),
    parameter("subject", ParameterKind::Reference),
    parameter("code", ParameterKind::Token),
    parameter("category", ParameterKind::Token),
    parameter("status", ParameterKind::Token),
    parameter("date", ParameterKind::Date),
    parameter("identifier", ParameterKind::Token),
    parameter("name", ParameterKind::Text),
    parameter("family", ParameterKind::Text),
    parameter("given", ParameterKind::Text),
    parameter("birthdate", ParameterKind::Date),
    parameter("gender", ParameterKind::Token),
];

/// The search parameters of a type, besides `_count`, `_offset`, `_summary`, `_sort`, `_format`.
#[must_use]
pub fn parameters(resource_type: &str) -> Vec<SearchParameter> {
    let paths = FactPaths::of(resource_type);
    let person = resource_type == "Patient";
    let applies = |name: &str| match name {
        "_id" | "_lastUpdated" => true,
        "patient" => paths.has_patient(),
        "subject" => paths.has_subject(),
        "code" => paths.has_code(),
        "category" => paths.has_category(),
        "status" => paths.has_status(),
        "date" => paths.has_date(),
        _ => person,
    };
    ALL.iter().copied().filter(|known| applies(known.name)).collect()
}

pub(super) fn filter(resource_type: &str, name: &str, value: &str) -> Result<Filter, FhirError> {
    let (plain, modifier) = match name.split_once(':') {
        Some((plain, modifier)) => (plain, Some(modifier)),
        None => (name, None),
    };
    let known = parameters(resource_type).into_iter().find(|known| known.name == plain);
    let Some(known) = known else {
        return Err(refusal(name, "the search parameter is not supported for this type"));
    };
    let mode = match (modifier, known.kind) {
        (None, _) => TextMode::Starts,
        (Some("exact"), ParameterKind::Text) => TextMode::Exact,
        (Some("contains"), ParameterKind::Text) => TextMode::Contains,
        (Some("Patient"), ParameterKind::Reference) => TextMode::Starts,
        (Some(_), _) => return Err(refusal(name, "the modifier is not supported")),
    };
    let values = alternatives(name, value)?;
    match known.kind {
        ParameterKind::Token if plain == "_id" => {
            let sound = values.iter().all(|id| is_id(id));
            if sound { Ok(Filter::Id(Phi::new(values))) } else { Err(malformed(name)) }
        }
        ParameterKind::Token => {
            let tokens: Result<Vec<Token>, FhirError> =
                values.iter().map(|value| Token::parse(name, value)).collect();
            Ok(token_filter(plain, tokens?))
        }
        ParameterKind::Date => {
            let dates: Result<Vec<DateCriterion>, FhirError> =
                values.iter().map(|value| DateCriterion::parse(name, value)).collect();
            Ok(date_filter(plain, dates?))
        }
        ParameterKind::Reference => {
            let references: Result<Vec<Reference>, FhirError> =
                values.iter().map(|value| patient_reference(name, value)).collect();
            Ok(Filter::Patient(references?))
        }
        ParameterKind::Text => {
            let texts = values
                .iter()
                .map(|value| TextCriterion { mode, text: Phi::new(unescape(value)) })
                .collect();
            Ok(text_filter(plain, texts))
        }
    }
}

fn token_filter(name: &str, tokens: Vec<Token>) -> Filter {
    match name {
        "code" => Filter::Code(tokens),
        "category" => Filter::Category(tokens),
        "status" => Filter::Status(tokens),
        "gender" => Filter::Gender(tokens),
        _ => Filter::Identifier(tokens),
    }
}

fn date_filter(name: &str, dates: Vec<DateCriterion>) -> Filter {
    match name {
        "_lastUpdated" => Filter::LastUpdated(dates),
        "birthdate" => Filter::BirthDate(dates),
        _ => Filter::Date(dates),
    }
}

fn text_filter(name: &str, texts: Vec<TextCriterion>) -> Filter {
    match name {
        "family" => Filter::Family(texts),
        "given" => Filter::Given(texts),
        _ => Filter::Name(texts),
    }
}

/// `Patient/1`, `http://server/fhir/Patient/1` or `1`.
fn patient_reference(name: &str, value: &str) -> Result<Reference, FhirError> {
    if is_id(value) {
        return Ok(Reference::Local { resource_type: "Patient", id: value.to_owned() });
    }
    let reference = Reference::from_text(value);
    match reference.resource_type() {
        Some("Patient") if reference.id().is_some() => Ok(reference),
        Some(_) => Err(refusal(name, "only references to a Patient are supported")),
        None => Err(malformed(name)),
    }
}
