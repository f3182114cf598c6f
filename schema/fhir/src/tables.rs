//! The structure of the supported R4 types as data: element, type, cardinality, required codes.
//!
//! The text files beside this module state facts of HL7 FHIR R4 (4.0.1, CC0). One line per element:
//! `name type min..max [code set]`; `name[x]` with types joined by `|` is a choice. The heading
//! says the shape: `domain` and `plain` resources, `backbone` elements, `type` for data types.

use crate::primitive::Primitive;
use std::collections::BTreeMap;
use std::sync::OnceLock;

const RESOURCES: &str = include_str!("tables/resources.txt");
const DATA_TYPES: &str = include_str!("tables/data-types.txt");
const CODES: &str = include_str!("tables/codes.txt");
const RESOURCE_TYPES: &str = include_str!("tables/resource-types.txt");

const ELEMENT: &str = "id string 0..1\nextension Extension 0..*";
const BACKBONE: &str = "id string 0..1\nextension Extension 0..*\nmodifierExtension Extension 0..*";
const PLAIN: &str = "id id 0..1\nmeta Meta 0..1\nimplicitRules uri 0..1\nlanguage code 0..1";
const DOMAIN: &str = "id id 0..1\nmeta Meta 0..1\nimplicitRules uri 0..1\nlanguage code 0..1
text Narrative 0..1\ncontained Resource 0..*\nextension Extension 0..*
modifierExtension Extension 0..*";

/// What an element holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Primitive(Primitive),
    /// Index into [`Tables::types`].
    Complex(usize),
    Resource,
}

/// One JSON property of a type.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    pub(crate) kind: Kind,
    pub(crate) many: bool,
    /// Index into [`TypeDefinition::groups`].
    pub(crate) group: usize,
    pub(crate) codes: Option<&'static str>,
}

/// An element, or the variants of a choice.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// The name without `[x]`.
    pub(crate) name: &'static str,
    pub(crate) required: bool,
}

/// One data type, backbone element or resource.
#[derive(Debug, Clone)]
pub(crate) struct TypeDefinition {
    pub(crate) name: &'static str,
    pub(crate) elements: BTreeMap<String, Element>,
    pub(crate) groups: Vec<Group>,
}

/// All types, and where to find each.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) types: Vec<TypeDefinition>,
    by_name: BTreeMap<&'static str, usize>,
    codes: BTreeMap<&'static str, Vec<&'static str>>,
    /// Lines that could not be understood; empty, as a test proves.
    faults: Vec<&'static str>,
}

impl Tables {
    /// The tables, read once.
    pub(crate) fn get() -> &'static Self {
        static TABLES: OnceLock<Tables> = OnceLock::new();
        TABLES.get_or_init(Self::read)
    }

    /// The index of a type, if its structure is known.
    pub(crate) fn index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Whether `code` belongs to the code set.
    pub(crate) fn has_code(&self, set: &str, code: &str) -> bool {
        self.codes.get(set).is_some_and(|codes| codes.contains(&code))
    }

    fn read() -> Self {
        let blocks: Vec<(&str, &str, Vec<&str>)> = blocks(RESOURCES)
            .chain(blocks(DATA_TYPES))
            .filter_map(|(head, lines)| {
                let (shape, name) = head.split_once(' ')?;
                Some((shape, name, lines))
            })
            .collect();
        let by_name =
            blocks.iter().enumerate().map(|(index, (_, name, _))| (*name, index)).collect();
        let codes = CODES
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, codes)| (name, codes.split(' ').collect()))
            .collect();
        let mut tables = Self { types: Vec::new(), by_name, codes, faults: Vec::new() };
        for (shape, name, lines) in blocks {
            let inherited = match shape {
                "domain" => DOMAIN,
                "plain" => PLAIN,
                "backbone" => BACKBONE,
                _ => ELEMENT,
            };
            let mut definition =
                TypeDefinition { name, elements: BTreeMap::new(), groups: Vec::new() };
            for line in inherited.lines().chain(lines) {
                if tables.add(&mut definition, line).is_none() {
                    tables.faults.push(line);
                }
            }
            tables.types.push(definition);
        }
        tables
    }

    fn add(&self, definition: &mut TypeDefinition, line: &'static str) -> Option<()> {
        let mut words = line.split(' ');
        let (name, types, cardinality) = (words.next()?, words.next()?, words.next()?);
        let codes = words.next();
        if codes.is_some_and(|set| !self.codes.contains_key(set)) {
            return None;
        }
        let (low, high) = cardinality.split_once("..")?;
        let group = definition.groups.len();
        let base = name.trim_end_matches("[x]");
        definition.groups.push(Group { name: base, required: low == "1" });
        for type_name in types.split('|') {
            let kind = match Primitive::from_name(type_name) {
                Some(primitive) => Kind::Primitive(primitive),
                None if type_name == "Resource" => Kind::Resource,
                None => Kind::Complex(self.index(type_name)?),
            };
            let property =
                if name == base { name.to_owned() } else { choice_name(base, type_name) };
            let element = Element { kind, many: high == "*", group, codes };
            definition.elements.insert(property, element);
        }
        Some(())
    }
}

/// `value` and `dateTime` make `valueDateTime`.
fn choice_name(base: &str, type_name: &str) -> String {
    let mut letters = type_name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    base.chars().chain(first).chain(letters).collect()
}

fn blocks(text: &'static str) -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    text.split("\n\n").filter_map(|block| {
        let mut lines = block.lines();
        Some((lines.next()?, lines.map(str::trim).collect()))
    })
}

/// Every resource type of FHIR R4, sorted by name.
pub fn resource_types() -> impl Iterator<Item = &'static str> {
    RESOURCE_TYPES.lines()
}

/// The static name of a resource type of FHIR R4.
#[must_use]
pub fn resource_type(name: &str) -> Option<&'static str> {
    static NAMES: OnceLock<Vec<&'static str>> = OnceLock::new();
    let names = NAMES.get_or_init(|| RESOURCE_TYPES.lines().collect());
    names.binary_search(&name).ok().map(|index| names[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_complete() {
        let tables = Tables::get();
        assert!(tables.faults.is_empty(), "{:?}", tables.faults);
        let patient = &tables.types[tables.index("Patient").unwrap()];
        assert!(patient.elements.contains_key("deceasedDateTime"));
        assert!(patient.elements["name"].many);
        let extension = &tables.types[tables.index("Extension").unwrap()];
        assert!(extension.elements.contains_key("valueBase64Binary"));
        assert!(tables.has_code("observation-status", "final"));
        assert!(!tables.has_code("observation-status", "Final"));
    }

    #[test]
    fn resource_types_are_sorted_and_counted() {
        let types: Vec<&str> = resource_types().collect();
        assert_eq!(types.len(), 146);
        assert!(types.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(resource_type("Patient"), Some("Patient"));
        assert_eq!(resource_type("DomainResource"), None);
        assert_eq!(resource_type("patient"), None);
    }
}
