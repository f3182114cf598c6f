//! Invariant ids live once: the twelve in `deploy/invariants.md`, an entity's own in its README.
//! An id that is cited must exist; one that is enforced must be cited where it is enforced and in
//! a test. Whether the citation is true is for review.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, table_cells};
use crate::repository::{Line, Repository};

const REGISTRY: &str = "deploy/invariants.md";
const FAMILIES: [&str; 11] =
    ["OWN", "ACK", "AUD", "ONCE", "ORD", "DET", "TIME", "PHI", "LIM", "LIVE", "KEY"];
/// Family of ids and the README that defines them.
const ENTITIES: [(&str, &str); 3] = [
    ("PAT", "actors/patient/README.md"),
    ("DEV", "actors/device/README.md"),
    ("FAC", "actors/facility/README.md"),
];
const PLANNED: &str = "planned";

/// Where an id is defined and whether it must be enforced today.
struct Definition {
    path: String,
    line: usize,
    enforced: bool,
}

/// Where an id is cited.
#[derive(Default)]
struct Cited {
    in_source: BTreeSet<String>,
    in_tests: BTreeSet<String>,
}

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    let defined = definitions(repository, &mut findings);
    let mut cited: BTreeMap<String, Cited> = BTreeMap::new();
    for (path, lines) in &repository.rust {
        if path.starts_with("deploy/xtask/") {
            continue;
        }
        for (index, line) in lines.iter().enumerate() {
            for id in ids_of_line(line) {
                if !defined.contains_key(&id) {
                    let message = format!("{id} is in no registry of invariants");
                    findings.push(Finding::new(path, index + 1, message));
                }
                let entry = cited.entry(id).or_default();
                let place = if line.is_test { &mut entry.in_tests } else { &mut entry.in_source };
                place.insert(path.clone());
            }
        }
    }
    for (id, definition) in defined.iter().filter(|(_, definition)| definition.enforced) {
        let places = cited.remove(id).unwrap_or_default();
        let missing = [
            (places.in_source.is_empty(), "source that enforces it"),
            (places.in_tests.is_empty(), "test"),
        ];
        for (_, what) in missing.iter().filter(|(is_missing, _)| *is_missing) {
            let message = format!("{id} is cited in no {what}");
            findings.push(Finding::new(&definition.path, definition.line, message));
        }
    }
    findings
}

fn definitions(
    repository: &Repository,
    findings: &mut Vec<Finding>,
) -> BTreeMap<String, Definition> {
    let mut defined: BTreeMap<String, Definition> = BTreeMap::new();
    let general = FAMILIES.iter().map(|family| (*family, REGISTRY));
    for (family, path) in general.chain(ENTITIES) {
        let Some(text) = repository.text(path) else {
            findings.push(Finding::new(path, 0, format!("the registry of {family}- is missing")));
            continue;
        };
        let before = defined.len();
        for (index, line) in text.lines().enumerate() {
            let cells = table_cells(line);
            let Some(first) = cells.first() else { continue };
            let id = first.trim_matches(['`', '*']);
            if ids_in(id, &[family]).first().is_none_or(|found| found != id) {
                continue;
            }
            let enforced = !cells.contains(&PLANNED);
            let definition = Definition { path: path.to_owned(), line: index + 1, enforced };
            if defined.insert(id.to_owned(), definition).is_some() {
                findings.push(Finding::new(path, index + 1, format!("{id} is defined twice")));
            }
        }
        if defined.len() == before {
            findings.push(Finding::new(path, 0, format!("defines no {family}- invariant")));
        }
    }
    defined
}

/// Ids in comments count as they stand. In a string an entity's id must be followed by a colon,
/// because test data name patients and devices alike; a test's name may carry `pat_3`.
fn ids_of_line(line: &Line) -> Vec<String> {
    let entities = ENTITIES.map(|(family, _)| family);
    let mut found = ids_in(&line.comment, &FAMILIES);
    found.extend(ids_in(&line.comment, &entities));
    for literal in &line.strings {
        found.extend(ids_in(literal, &FAMILIES));
        for id in ids_in(literal, &entities) {
            if literal.contains(&format!("{id}:")) {
                found.push(id);
            }
        }
    }
    if let Some((_, name)) = line.code.split_once("fn ").filter(|_| line.is_test) {
        let name = name.split(['(', '<']).next().unwrap_or_default().to_uppercase();
        let words: Vec<&str> = name.split('_').collect();
        for pair in words.windows(2) {
            let id = pair.join("-");
            found.extend(ids_in(&id, &FAMILIES));
            found.extend(ids_in(&id, &entities));
        }
    }
    found
}

/// Every `FAMILY-digits` that is a word of its own; `MED-PAT-001` and `PAT-1-B` are none.
fn ids_in(text: &str, families: &[&str]) -> Vec<String> {
    let joins = |character: char| character.is_alphanumeric() || matches!(character, '-' | '_');
    text.split(|character: char| !joins(character))
        .filter_map(|word| {
            let (family, number) = word.split_once('-')?;
            let is_number = (1..=2).contains(&number.len())
                && number.chars().all(|digit| digit.is_ascii_digit())
                && !number.starts_with('0');
            (families.contains(&family) && is_number).then(|| word.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(source: &str, test: &str) -> Vec<String> {
        let mut registry = String::from("| id | statement | status |\n|---|---|---|\n");
        for family in FAMILIES {
            let status = if family == "ACK" { "enforced" } else { PLANNED };
            registry.push_str(&format!("| {family}-1 | x | {status} |\n"));
        }
        let repository = Repository::in_memory(&[
            (REGISTRY, &registry),
            ("actors/patient/README.md", "| `PAT-1` | x | planned |\n"),
            ("actors/device/README.md", "| DEV-1 | x | planned |\n"),
            ("actors/facility/README.md", "| FAC-1 | x | planned |\n"),
            ("node/a/src/lib.rs", source),
            ("node/a/tests/it/main.rs", test),
        ]);
        check(&repository).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn canaries_are_caught() {
        let cases = [
            ("// ACK-1 holds here", "fn ack_1_output_waits() {}", ""),
            ("// ACK-1", "/// Tests ACK-1.\nfn output_waits() {}", ""),
            ("// ACK-1", "fn output_waits() {}", "ACK-1 is cited in no test"),
            ("", "fn ack_1_holds() {}", "ACK-1 is cited in no source"),
            ("// ACK-1, ACK-2", "// ACK-1", "ACK-2 is in no registry"),
            ("// ACK-1 PAT-7", "// ACK-1", "PAT-7 is in no registry"),
            ("// ACK-1\nlet x = \"PAT-7: no\";", "// ACK-1", "PAT-7 is in no registry"),
            ("// ACK-1\nlet x = \"PAT-7\";", "// ACK-1", ""),
            ("// ACK-1 MED-PAT-007 DEV-1234", "// ACK-1", ""),
        ];
        for (source, test, expected) in cases {
            let found = findings(source, test).join("; ");
            assert_eq!(found.is_empty(), expected.is_empty(), "{source} {test}: {found}");
            assert!(found.contains(expected), "{source} {test}: {found}");
        }
    }

    #[test]
    fn a_missing_registry_is_a_finding() {
        let found = check(&Repository::in_memory(&[]));
        assert_eq!(found.len(), FAMILIES.len() + ENTITIES.len());
    }
}
