//! The values of search parameters: tokens, dates with prefixes, text.

use super::refusal;
use crate::error::FhirError;
use crate::limits::SEARCH_ALTERNATIVES_MAX;
use crate::time::{Interval, interval, parse_date_time};
use schema_types::phi::Phi;

/// A token: what code, in what system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// `None`: any system; empty: none (`|code`).
    pub system: Option<String>,
    /// `None`: any code of the system (`system|`).
    pub code: Option<Phi<String>>,
}

impl Token {
    /// Whether a code of a system is meant.
    #[must_use]
    pub fn matches(&self, system: &str, code: &str) -> bool {
        self.system.as_ref().is_none_or(|wanted| wanted == system) && self.matches_code(code)
    }

    /// Whether a code is meant whose system is implied by the element.
    #[must_use]
    pub fn matches_code(&self, code: &str) -> bool {
        self.code.as_ref().is_none_or(|wanted| wanted.expose() == code)
    }

    pub(super) fn parse(name: &str, text: &str) -> Result<Self, FhirError> {
        let parts = split_escaped(text, '|');
        let token = match parts.as_slice() {
            [code] => Self { system: None, code: Some(Phi::new(unescape(code))) },
            [system, code] => Self {
                system: Some(unescape(system)),
                code: (!code.is_empty()).then(|| Phi::new(unescape(code))),
            },
            _ => return Err(malformed(name)),
        };
        let says_nothing = token.system.as_deref().is_none_or(str::is_empty)
            && token.code.as_ref().is_none_or(|code| code.expose().is_empty());
        if says_nothing { Err(malformed(name)) } else { Ok(token) }
    }
}

/// How a date is compared with what a resource covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `eq`: the stated time contains the resource's.
    Equal,
    /// `ne`.
    NotEqual,
    /// `gt`: some of the resource's time is after.
    Greater,
    /// `lt`: some is before.
    Less,
    /// `ge`.
    GreaterOrEqual,
    /// `le`.
    LessOrEqual,
    /// `sa`: all of it is after.
    StartsAfter,
    /// `eb`: all of it is before.
    EndsBefore,
}

/// A date with its comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateCriterion {
    /// How to compare.
    pub comparison: Comparison,
    /// What the date covers, by its precision.
    pub covered: Interval,
}

impl DateCriterion {
    /// Whether a resource that covers `target` is meant.
    #[must_use]
    pub fn matches(&self, target: Interval) -> bool {
        let stated = self.covered;
        let within = stated.begin <= target.begin && target.end <= stated.end;
        match self.comparison {
            Comparison::Equal => within,
            Comparison::NotEqual => !within,
            Comparison::Greater => target.end > stated.end,
            Comparison::Less => target.begin < stated.begin,
            Comparison::GreaterOrEqual => within || target.end > stated.end,
            Comparison::LessOrEqual => within || target.begin < stated.begin,
            Comparison::StartsAfter => target.begin >= stated.end,
            Comparison::EndsBefore => target.end <= stated.begin,
        }
    }

    pub(super) fn parse(name: &str, text: &str) -> Result<Self, FhirError> {
        const PREFIXES: [(&str, Comparison); 8] = [
            ("eq", Comparison::Equal),
            ("ne", Comparison::NotEqual),
            ("gt", Comparison::Greater),
            ("lt", Comparison::Less),
            ("ge", Comparison::GreaterOrEqual),
            ("le", Comparison::LessOrEqual),
            ("sa", Comparison::StartsAfter),
            ("eb", Comparison::EndsBefore),
        ];
        let (comparison, date) = PREFIXES
            .iter()
            .find_map(|(prefix, comparison)| Some((*comparison, text.strip_prefix(prefix)?)))
            .unwrap_or((Comparison::Equal, text));
        let covered = covered_date(date).ok_or_else(|| malformed(name))?;
        Ok(Self { comparison, covered })
    }
}

/// What a date in a query or of a birth covers. Queries may leave out seconds and offset.
pub(super) fn covered_date(text: &str) -> Option<Interval> {
    if let Some(stated) = parse_date_time(text) {
        return Some(interval(stated));
    }
    let (day, clock) = text.split_once('T')?;
    // A `+` of an offset arrives as a space when the client did not encode it.
    let clock = clock.replace(' ', "+");
    let zone = clock.find(['Z', '+', '-']).unwrap_or(clock.len());
    let (clock, zone) = clock.split_at(zone);
    let zone = if zone.is_empty() { "Z" } else { zone };
    if clock.len() == 5 {
        let minute = parse_date_time(&format!("{day}T{clock}:00{zone}"))?;
        let precision = schema_types::time::Precision::Minute;
        return Some(interval(schema_types::time::StatedTime { precision, ..minute }));
    }
    parse_date_time(&format!("{day}T{clock}{zone}")).map(interval)
}

/// How text is compared; case never counts but for `Exact`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextMode {
    /// Begins with.
    Starts,
    /// `:contains`.
    Contains,
    /// `:exact`.
    Exact,
}

/// A text with its comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextCriterion {
    /// How to compare.
    pub mode: TextMode,
    /// What to look for.
    pub text: Phi<String>,
}

impl TextCriterion {
    /// Whether `value` is meant.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        let wanted = self.text.expose();
        match self.mode {
            TextMode::Exact => value == wanted,
            TextMode::Starts => value.to_lowercase().starts_with(&wanted.to_lowercase()),
            TextMode::Contains => value.to_lowercase().contains(&wanted.to_lowercase()),
        }
    }
}

/// The alternatives of a value: separated by commas that are not escaped.
pub(super) fn alternatives(name: &str, value: &str) -> Result<Vec<String>, FhirError> {
    let parts = split_escaped(value, ',');
    if parts.len() > SEARCH_ALTERNATIVES_MAX {
        return Err(refusal(name, "too many alternatives").with_issue_type("too-costly"));
    }
    if parts.iter().any(String::is_empty) {
        return Err(malformed(name));
    }
    Ok(parts)
}

pub(super) fn malformed(name: &str) -> FhirError {
    refusal(name, "the value is malformed").with_issue_type("value")
}

/// Splits at `separator`; a backslash keeps the next character from separating.
fn split_escaped(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for character in text.chars() {
        if character == separator && !escaped {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(character);
        }
        escaped = character == '\\' && !escaped;
    }
    parts
}

pub(super) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            _ => plain.push(character),
        }
    }
    plain
}
