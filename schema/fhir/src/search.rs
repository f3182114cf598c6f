//! FHIR search: the parameters that each type supports, parsed strictly and matched in memory.
//!
//! Unknown parameters and modifiers are refused, never ignored. Which patient a query names is left
//! to the caller to route by; everything else is matched here.

mod criteria;
mod page;
mod parameters;

pub use criteria::{Comparison, DateCriterion, TextCriterion, TextMode, Token};
pub use page::{SearchPage, searchset_bundle};
pub use parameters::{ParameterKind, SearchParameter, parameters};

use crate::error::FhirError;
use crate::extract::Facts;
use crate::limits::{
    PAGE_COUNT_DEFAULT, PAGE_COUNT_MAX, SEARCH_PARAMETERS_MAX, SEARCH_VALUE_BYTES_MAX,
};
use crate::reference::Reference;
use crate::tables::resource_type;
use crate::time::Interval;
use schema_types::clinical::{Code, ResourceMeta};
use schema_types::error_code::ErrorCode;
use schema_types::patient::{AdministrativeSex, Demographics};
use schema_types::phi::Phi;
use schema_types::time::Timestamp;
use std::cmp::Ordering;

/// What to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// The clinical date; resources without one come last.
    Date,
    /// When the version was stored.
    LastUpdated,
    /// The logical id.
    Id,
}

/// One sort criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// What to sort by.
    pub key: SortKey,
    /// Newest or greatest first.
    pub descending: bool,
}

/// One condition; alternatives within it are joined by OR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// `_id`.
    Id(Phi<Vec<String>>),
    /// `_lastUpdated`.
    LastUpdated(Vec<DateCriterion>),
    /// `patient` or `subject`: not matched here, see [`SearchQuery::patients`].
    Patient(Vec<Reference>),
    /// `code`.
    Code(Vec<Token>),
    /// `category`.
    Category(Vec<Token>),
    /// `status`.
    Status(Vec<Token>),
    /// `date`.
    Date(Vec<DateCriterion>),
    /// `identifier` of a Patient.
    Identifier(Vec<Token>),
    /// `name`: any part of the name.
    Name(Vec<TextCriterion>),
    /// `family`.
    Family(Vec<TextCriterion>),
    /// `given`.
    Given(Vec<TextCriterion>),
    /// `birthdate`.
    BirthDate(Vec<DateCriterion>),
    /// `gender`.
    Gender(Vec<Token>),
}

/// A parsed search. All filters must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchQuery {
    /// The FHIR type searched.
    pub resource_type: &'static str,
    /// Conditions, joined by AND.
    pub filters: Vec<Filter>,
    /// Page size, 1 to [`PAGE_COUNT_MAX`].
    pub count: u64,
    /// How many matches to pass over.
    pub offset: u64,
    /// Only the total is wanted (`_summary=count` or `_count=0`).
    pub count_only: bool,
    /// Sort criteria, the first counts most.
    pub sort: Vec<Sort>,
}

/// What a search knows of the person behind a Patient resource.
pub type Person = Demographics;

/// A resource as search sees it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The logical id.
    pub id: &'a str,
    /// When the version was stored.
    pub updated_at: Timestamp,
    /// What the clinical date covers.
    pub date: Option<Interval>,
    /// Codes.
    pub codes: &'a [Code],
    /// Categories.
    pub categories: &'a [Code],
    /// Status.
    pub status: &'a str,
    /// The person, for Patient resources.
    pub person: Option<&'a Person>,
}

impl<'a> Candidate<'a> {
    /// A stored resource. Its date is taken as an instant, since only the begin is stored.
    #[must_use]
    pub fn of_meta(meta: &'a ResourceMeta) -> Self {
        Self {
            id: &meta.key.id,
            updated_at: meta.updated_at,
            date: meta.date.map(Interval::at),
            codes: &meta.codes,
            categories: &meta.categories,
            status: &meta.status,
            person: None,
        }
    }

    /// A resource just read.
    #[must_use]
    pub fn of_facts(facts: &'a Facts, updated_at: Timestamp) -> Self {
        Self {
            id: facts.id.as_deref().unwrap_or_default(),
            updated_at,
            date: facts.date,
            codes: &facts.codes,
            categories: &facts.categories,
            status: &facts.status,
            person: None,
        }
    }

    /// The same with the person of a Patient.
    #[must_use]
    pub const fn with_person(mut self, person: &'a Person) -> Self {
        self.person = Some(person);
        self
    }
}

impl SearchQuery {
    /// Parses decoded name-value pairs.
    ///
    /// # Errors
    /// `MED-FHIR-003` unknown type, `MED-FHIR-004` unknown parameter or modifier, or a malformed
    /// value; the path names the parameter.
    pub fn parse(name: &str, pairs: &[(String, String)]) -> Result<Self, FhirError> {
        let Some(resource_type) = resource_type(name) else {
            let reason = "not a type of FHIR R4";
            return Err(FhirError::new(ErrorCode::FhirResourceType, "", reason));
        };
        if pairs.len() > SEARCH_PARAMETERS_MAX {
            return Err(refusal("", "too many parameters").with_issue_type("too-costly"));
        }
        let mut query = Self {
            resource_type,
            filters: Vec::new(),
            count: PAGE_COUNT_DEFAULT,
            offset: 0,
            count_only: false,
            sort: Vec::new(),
        };
        for (name, value) in pairs {
            if value.len() > SEARCH_VALUE_BYTES_MAX {
                return Err(refusal(name, "the value is too long").with_issue_type("too-long"));
            }
            if !query.control(name, value)? {
                query.filters.push(parameters::filter(resource_type, name, value)?);
            }
        }
        Ok(query)
    }

    /// The patients that the query names, by logical id, those that all `patient` and `subject`
    /// parameters agree on; `None` when it names none. References by other means than an id or a
    /// URL of a Patient were refused by the parser.
    #[must_use]
    pub fn patients(&self) -> Option<Vec<String>> {
        let mut agreed: Option<Vec<String>> = None;
        for filter in &self.filters {
            let Filter::Patient(references) = filter else { continue };
            let keys: Vec<String> =
                references.iter().filter_map(Reference::id).map(str::to_owned).collect();
            agreed = Some(match agreed {
                None => keys,
                Some(before) => before.into_iter().filter(|key| keys.contains(key)).collect(),
            });
        }
        agreed
    }

    /// Whether a resource matches every filter but the patient's.
    #[must_use]
    pub fn matches(&self, candidate: &Candidate<'_>) -> bool {
        self.filters.iter().all(|filter| holds(filter, candidate))
    }

    /// The order of two matches; ties are broken by id, so that pages never overlap (DET-1).
    #[must_use]
    pub fn compare(&self, one: &Candidate<'_>, other: &Candidate<'_>) -> Ordering {
        let by_sort = self.sort.iter().map(|sort| {
            let order = match sort.key {
                SortKey::Date => match (one.date, other.date) {
                    (Some(one), Some(other)) => one.begin.cmp(&other.begin),
                    // Without a date last, in both directions.
                    (None, Some(_)) => return Ordering::Greater,
                    (Some(_), None) => return Ordering::Less,
                    (None, None) => Ordering::Equal,
                },
                SortKey::LastUpdated => one.updated_at.cmp(&other.updated_at),
                SortKey::Id => one.id.cmp(other.id),
            };
            if sort.descending { order.reverse() } else { order }
        });
        by_sort
            .into_iter()
            .find(|order| *order != Ordering::Equal)
            .unwrap_or_else(|| one.id.cmp(other.id))
    }

    /// Takes parameters that steer the result; `false` when `name` is none of them.
    fn control(&mut self, name: &str, value: &str) -> Result<bool, FhirError> {
        match name {
            "_count" => {
                let count = number(name, value)?;
                self.count_only |= count == 0;
                self.count = count.clamp(1, PAGE_COUNT_MAX);
            }
            "_offset" => self.offset = number(name, value)?,
            "_summary" => match value {
                "count" => self.count_only = true,
                "false" => {}
                _ => return Err(refusal(name, "only count and false are supported")),
            },
            "_sort" => {
                for word in value.split(',') {
                    self.sort.push(self.sort_key(word)?);
                }
            }
            "_format" => {
                const JSON: [&str; 4] =
                    ["json", "application/json", "application/fhir+json", "text/json"];
                let plain = value.split(';').next().unwrap_or_default().replace(' ', "+");
                if !JSON.contains(&plain.as_str()) {
                    let reason = "only JSON is supported";
                    return Err(
                        FhirError::new(ErrorCode::FhirMediaType, name, reason).with_status(406)
                    );
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn sort_key(&self, word: &str) -> Result<Sort, FhirError> {
        let (descending, key) = match word.strip_prefix('-') {
            Some(key) => (true, key),
            None => (false, word),
        };
        let dated = parameters(self.resource_type).iter().any(|known| known.name == "date");
        let key = match key {
            "date" if dated => SortKey::Date,
            "_lastUpdated" => SortKey::LastUpdated,
            "_id" => SortKey::Id,
            _ => return Err(refusal("_sort", "only date, _lastUpdated and _id are supported")),
        };
        Ok(Sort { key, descending })
    }
}

fn number(name: &str, value: &str) -> Result<u64, FhirError> {
    let plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = if plain { value.parse().ok() } else { None };
    parsed.ok_or_else(|| refusal(name, "not a whole number").with_issue_type("value"))
}

/// A refusal that names the parameter, never its value.
pub(crate) fn refusal(name: &str, reason: &str) -> FhirError {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
    let shown = if name.len() <= 64 && name.chars().all(plain) { name } else { "?" };
    FhirError::new(ErrorCode::FhirSearchParameter, shown, reason)
}

fn holds(filter: &Filter, candidate: &Candidate<'_>) -> bool {
    let any_code = |tokens: &[Token], codes: &[Code]| {
        tokens.iter().any(|token| codes.iter().any(|c| token.matches(&c.system, &c.code)))
    };
    let person = candidate.person;
    let name = person.and_then(|person| person.name.value.as_ref()).map(Phi::expose);
    match filter {
        Filter::Patient(_) => true,
        Filter::Id(ids) => ids.expose().iter().any(|id| id == candidate.id),
        Filter::LastUpdated(dates) => {
            dates.iter().any(|date| date.matches(Interval::at(candidate.updated_at)))
        }
        Filter::Code(tokens) => any_code(tokens, candidate.codes),
        Filter::Category(tokens) => any_code(tokens, candidate.categories),
        Filter::Status(tokens) => tokens.iter().any(|token| token.matches_code(candidate.status)),
        Filter::Date(dates) => {
            candidate.date.is_some_and(|covered| dates.iter().any(|date| date.matches(covered)))
        }
        Filter::Identifier(tokens) => person.is_some_and(|person| {
            let identifiers = &person.identifiers;
            tokens.iter().any(|token| {
                identifiers.iter().any(|one| token.matches(&one.system, one.value.expose()))
            })
        }),
        Filter::Name(texts) => name.is_some_and(|name| {
            let parts = || name.given.iter().chain([&name.family]);
            texts.iter().any(|text| parts().any(|part| text.matches(part)))
        }),
        Filter::Family(texts) => {
            name.is_some_and(|name| texts.iter().any(|text| text.matches(&name.family)))
        }
        Filter::Given(texts) => name.is_some_and(|name| {
            texts.iter().any(|text| name.given.iter().any(|part| text.matches(part)))
        }),
        Filter::BirthDate(dates) => {
            let born = person.and_then(|person| person.birth_date.value.as_ref());
            let covered = born.and_then(|born| criteria::covered_date(born.expose()));
            covered.is_some_and(|covered| dates.iter().any(|date| date.matches(covered)))
        }
        Filter::Gender(tokens) => {
            let sex = person.and_then(|person| person.sex.value).map(gender_code);
            sex.is_some_and(|sex| tokens.iter().any(|token| token.matches_code(sex)))
        }
    }
}

/// The FHIR code of an administrative sex.
#[must_use]
pub const fn gender_code(sex: AdministrativeSex) -> &'static str {
    match sex {
        AdministrativeSex::Female => "female",
        AdministrativeSex::Male => "male",
        AdministrativeSex::Other => "other",
        AdministrativeSex::Unknown => "unknown",
    }
}
