//! Stable error codes: the registry in `schema-types`, a page for operators for each code, a code
//! for each page, and a use for each code outside the registry.

use std::collections::BTreeMap;

use super::Finding;
use crate::repository::{Line, Repository};

const REGISTRY: &str = "schema/types/src/error_code.rs";
const PAGES: &str = "deploy/runbooks/errors/";
const SECTIONS: [&str; 3] = ["What happened", "What it means", "What to do"];
const SECTION_CHARACTERS_MIN: usize = 20;

/// A code with the name of its variant and its line.
struct Code {
    variant: String,
    line: usize,
}

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(lines) = repository.rust.get(REGISTRY) else {
        return vec![Finding::new(REGISTRY, 0, "the registry of error codes is missing")];
    };
    let codes = registry(lines, &mut findings);
    if codes.is_empty() {
        findings.push(Finding::new(REGISTRY, 0, "holds no code such as \"MED-HL7-003\""));
    }
    for (code, entry) in &codes {
        let page = format!("{PAGES}{code}.md");
        match repository.text(&page) {
            None => findings.push(Finding::new(REGISTRY, entry.line, format!("no page {page}"))),
            Some(text) => findings.extend(page_problems(&page, code, text)),
        }
        if !is_used(repository, code, &entry.variant) {
            let message = format!("{code} ({}) is used nowhere", entry.variant);
            findings.push(Finding::new(REGISTRY, entry.line, message));
        }
    }
    for path in repository.files.keys().filter(|path| path.starts_with(PAGES)) {
        let name = path.strip_prefix(PAGES).and_then(|name| name.strip_suffix(".md"));
        let Some(name) = name else {
            findings.push(Finding::new(path, 0, "only pages of codes belong here"));
            continue;
        };
        if name != "README" && !codes.contains_key(name) {
            findings.push(Finding::new(path, 0, "a page of a code that is not registered"));
        }
    }
    findings
}

fn registry(lines: &[Line], findings: &mut Vec<Finding>) -> BTreeMap<String, Code> {
    let mut codes: BTreeMap<String, Code> = BTreeMap::new();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_test) {
        for code in line.strings.iter().filter(|text| is_code(text)) {
            let before = index.checked_sub(1).and_then(|previous| lines.get(previous));
            let variant = variant_in(&line.code)
                .or_else(|| before.and_then(|previous| variant_in(&previous.code)));
            let Some(variant) = variant else {
                let message = format!("{code} stands beside no variant");
                findings.push(Finding::new(REGISTRY, index + 1, message));
                continue;
            };
            let entry = Code { variant, line: index + 1 };
            if let Some(other) = codes.insert(code.clone(), entry) {
                let message = format!("{code} belongs to {} too", other.variant);
                findings.push(Finding::new(REGISTRY, index + 1, message));
            }
        }
    }
    codes
}

/// `MED-`, an area in capitals and digits, and three digits.
fn is_code(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_area = |part: &str| {
        let capital = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit();
        !part.is_empty() && part.chars().all(capital)
    };
    let is_number =
        |part: &str| part.len() == 3 && part.chars().all(|digit| digit.is_ascii_digit());
    parts.next() == Some("MED")
        && parts.next().is_some_and(is_area)
        && parts.next().is_some_and(is_number)
        && parts.next().is_none()
}

/// The last name in camel case before the literal.
fn variant_in(code: &str) -> Option<String> {
    let before = code.split("\"\"").next().unwrap_or_default();
    before
        .split(|character: char| !(character.is_alphanumeric() || character == '_'))
        .rfind(|word| word.starts_with(|first: char| first.is_ascii_uppercase()) && *word != "Self")
        .filter(|word| *word != "ErrorCode")
        .map(str::to_owned)
}

fn is_used(repository: &Repository, code: &str, variant: &str) -> bool {
    let path = format!("ErrorCode::{variant}");
    let sources = repository
        .rust
        .iter()
        .filter(|(file, _)| file.as_str() != REGISTRY && !file.starts_with("deploy/xtask/"));
    sources.flat_map(|(_, lines)| lines).filter(|line| !line.is_test).any(|line| {
        line.strings.iter().any(|literal| literal == code)
            || line.code.match_indices(&path).any(|(at, _)| {
                let rest = &line.code[at + path.len()..];
                !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_')
            })
    })
}

fn page_problems(page: &str, code: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !text.lines().next().is_some_and(|title| title.contains(code)) {
        findings.push(Finding::new(page, 1, format!("the title does not name {code}")));
    }
    for section in SECTIONS {
        let mut inside = false;
        let mut characters = 0;
        for line in text.lines() {
            if let Some(title) = line.strip_prefix('#') {
                inside = title.trim_start_matches('#').trim() == section;
            } else if inside {
                characters += line.trim().chars().count();
            }
        }
        if characters < SECTION_CHARACTERS_MIN {
            let message = format!("section \"{section}\" is missing or empty");
            findings.push(Finding::new(page, 0, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "deploy/runbooks/errors/MED-HL7-003.md";
    const TEXT: &str = "# MED-HL7-003: cut frame\n## What happened\nThe frame was cut short.\n\
        ## What it means\nNothing of it was stored at all.\n## What to do\nAsk the sender again.\n";
    const MATCH: &str = "match self { Self::Frame => \"MED-HL7-003\" }";
    const USE: &str = "fail(ErrorCode::Frame)";

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        check(&Repository::in_memory(files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn canaries_are_caught() {
        let user = "node/a/src/lib.rs";
        let short = TEXT.replace("Ask the sender again.", "");
        let two = format!("{MATCH}\nOther = \"MED-HL7-003\";");
        let table = "Frame = \"MED-HL7-003\";";
        let cases: [(&[(&str, &str)], &str); 10] = [
            (&[(REGISTRY, MATCH), (PAGE, TEXT), (user, USE)], ""),
            (&[(REGISTRY, table), (PAGE, TEXT), (user, USE)], ""),
            (&[(REGISTRY, MATCH), (user, USE)], "no page"),
            (&[(REGISTRY, MATCH), (PAGE, &short), (user, USE)], "\"What to do\" is missing"),
            (&[(REGISTRY, MATCH), (PAGE, TEXT)], "used nowhere"),
            (&[(REGISTRY, MATCH), (PAGE, TEXT), (user, "x(ErrorCode::Framed)")], "used nowhere"),
            (&[(REGISTRY, MATCH), (PAGE, TEXT), (user, "x(Failure::Frame)")], "used nowhere"),
            (&[(REGISTRY, "enum ErrorCode {}"), (PAGE, TEXT)], "not registered"),
            (&[(REGISTRY, &two), (PAGE, TEXT), (user, USE)], "belongs to Frame too"),
            (&[], "the registry of error codes is missing"),
        ];
        for (files, expected) in cases {
            let found = findings(files).join("; ");
            assert_eq!(found.is_empty(), expected.is_empty(), "{found}");
            assert!(found.contains(expected), "{expected} not in {found}");
        }
    }

    #[test]
    fn only_whole_codes_are_codes() {
        for (text, expected) in [
            ("MED-HL7-003", true),
            ("MED-HL7-3", false),
            ("MED-HL7-003-A", false),
            ("MED--003", false),
            ("XED-HL7-003", false),
        ] {
            assert_eq!(is_code(text), expected, "{text}");
        }
    }
}
