//! Names of kinds and columns, and the nearest one to a name that does not exist.

use schema_types::ids::EntityKind;
use schema_types::live::{Column, columns};

const KINDS: [(&str, EntityKind); 3] = [
    ("patients", EntityKind::Patient),
    ("devices", EntityKind::Device),
    ("facilities", EntityKind::Facility),
];
/// How many letters may differ for a name to be meant.
const DISTANCE_MAX: usize = 4;

/// The kind that a `from` names.
pub(crate) fn kind(name: &str) -> Option<EntityKind> {
    let name = name.to_ascii_lowercase();
    KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// The column of a name or alias, in any case.
pub(crate) fn column(kind: EntityKind, name: &str) -> Option<&'static Column> {
    let name = name.to_ascii_lowercase();
    let is_it = |column: &&Column| column.name == name || column.aliases.contains(&name.as_str());
    columns(kind).iter().find(is_it)
}

/// Whether a word is a name that queries know, of any kind.
pub(crate) fn is_known(name: &str) -> bool {
    KINDS.iter().any(|(known, kind)| *known == name || column(*kind, name).is_some())
}

/// The column whose name is nearest to a name that does not exist.
pub(crate) fn nearest_column(kind: EntityKind, name: &str) -> Option<&'static str> {
    let names = columns(kind).iter().flat_map(|one| one.aliases.iter().chain([&one.name]));
    nearest(name, names.copied())
}

/// The nearest of some words, if one is near.
pub(crate) fn nearest(
    name: &str,
    words: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    words
        .map(|word| (distance(&name, word), !word.starts_with(&name), word))
        .filter(|(distance, _, word)| *distance <= DISTANCE_MAX.min(word.len() / 2))
        .min()
        .map(|(_, _, word)| word)
}

/// How many letters must be changed, added or left out to get from one word to the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (place, candidate) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *candidate);
            diagonal = row[place + 1];
            row[place + 1] = replaced.min(row[place] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(column(EntityKind::Patient, "SPO2").unwrap().name, "oxygen_saturation");
        assert_eq!(kind("Patients"), Some(EntityKind::Patient));
        assert_eq!(column(EntityKind::Device, "heart_rate"), None);
    }

    #[test]
    fn the_nearest_name_is_found() {
        let cases = [
            ("hart_rate", Some("heart_rate")),
            ("news", Some("news2")),
            ("lactat", Some("lactate")),
            ("wardd", Some("ward")),
            ("completely_different", None),
        ];
        for (name, expected) in cases {
            assert_eq!(nearest_column(EntityKind::Patient, name), expected, "{name}");
        }
    }
}
