//! Planted bugs: the catalogue and the code name the same ones, each once, in the file that the
//! catalogue says, and every third of a file is held out. What a bug is worth is for review.

use std::collections::BTreeMap;

use super::Finding;
use crate::repository::Repository;

const CATALOGUE: &str = "sim/runner/mutations/";
const MACRO: &str = "planted!(";
/// One entry of a file in how many is held out.
const HELD_OUT_EVERY: usize = 3;
const WORDS: [&str; 7] = ["id", "area", "invariant", "file", "bug", "reveals", "source"];

/// One entry of the catalogue: where it stands, and its keys with their values as written.
struct Entry<'a> {
    path: &'a str,
    line: usize,
    values: BTreeMap<&'a str, &'a str>,
}

impl Entry<'_> {
    /// The text of a key, without its quotes; empty when it is missing.
    fn word(&self, key: &str) -> &str {
        self.values.get(key).map_or("", |value| value.trim_matches('"'))
    }

    fn finding(&self, message: impl Into<String>) -> Finding {
        Finding::new(self.path, self.line, message)
    }
}

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut planted = planted(repository);
    let mut findings = Vec::new();
    let mut ids: BTreeMap<&str, usize> = BTreeMap::new();
    for (path, text) in repository.texts().filter(|(path, _)| is_catalogue(path)) {
        let entries = entries(path, text);
        for (place, entry) in entries.iter().enumerate() {
            findings.extend(form_faults(entry, place));
        }
        for entry in entries {
            let id = entry.values.get("id").map_or("", |id| id.trim_matches('"'));
            let places = planted.remove(id).unwrap_or_default();
            if places.len() != 1 && !ids.contains_key(id) {
                findings.push(entry.finding(format!("{id} is planted {} times", places.len())));
            }
            if places.iter().any(|(file, _)| *file != entry.word("file")) {
                findings.push(entry.finding(format!("{id} is planted in another file")));
            }
            *ids.entry(id).or_default() += 1;
        }
    }
    for (id, _) in ids.iter().filter(|(_, count)| **count > 1) {
        findings.push(Finding::new(CATALOGUE, 0, format!("{id} has more than one entry")));
    }
    for (id, places) in planted {
        let message = format!("planted bug {id} is not in {CATALOGUE}");
        let unknown = places.iter().map(|(path, line)| Finding::new(path, *line, message.clone()));
        findings.extend(unknown);
    }
    findings
}

fn is_catalogue(path: &str) -> bool {
    path.starts_with(CATALOGUE) && path.ends_with(".toml")
}

fn entries<'a>(path: &'a str, text: &'a str) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim() == "[[mutation]]" {
            entries.push(Entry { path, line: index + 1, values: BTreeMap::new() });
        } else if let (Some((key, value)), Some(entry)) = (line.split_once('='), entries.last_mut())
        {
            entry.values.insert(key.trim(), value.trim());
        }
    }
    entries
}

fn form_faults(entry: &Entry<'_>, place: usize) -> Vec<Finding> {
    let mut faults = Vec::new();
    for word in WORDS.iter().filter(|word| entry.word(word).is_empty()) {
        faults.push(entry.finding(format!("the entry has no `{word}`")));
    }
    let is_third = place % HELD_OUT_EVERY == HELD_OUT_EVERY - 1;
    let wanted = if is_third { "true" } else { "false" };
    if entry.word("held_out") != wanted {
        faults.push(entry.finding(format!("`held_out` is {wanted} for an entry at this place")));
    }
    let name = entry.path.trim_start_matches(CATALOGUE).trim_end_matches(".toml");
    if name.split_once('-').is_none_or(|(_, area)| area != entry.word("area")) {
        faults.push(entry.finding("`area` is not the name of the file"));
    }
    faults
}

/// The ids in the code, each with the places where it stands.
fn planted(repository: &Repository) -> BTreeMap<&str, Vec<(&str, usize)>> {
    let mut found: BTreeMap<&str, Vec<(&str, usize)>> = BTreeMap::new();
    for (path, lines) in &repository.rust {
        for (index, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_test) {
            for (at, _) in line.code.match_indices(MACRO) {
                // Literals are empty in the code and stand apart in order.
                let before = line.code[..at].matches("\"\"").count();
                let id = line.strings.get(before).map_or("without a literal", String::as_str);
                found.entry(id).or_default().push((path, index + 1));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "fn f() -> bool { g(\"x\") && node_env::planted!(\"one\") }\n";

    fn entry(id: &str, held_out: bool) -> String {
        format!(
            "[[mutation]]\nid = \"{id}\"\narea = \"log\"\ninvariant = \"ACK-1\"\n\
             file = \"a/src/b.rs\"\nbug = \"a = b\"\nreveals = \"x\"\n\
             source = \"y\"\nheld_out = {held_out}\n"
        )
    }

    fn count(code: &str, catalogue: &str) -> usize {
        let files = [("a/src/b.rs", code), ("sim/runner/mutations/02-log.toml", catalogue)];
        check(&Repository::in_memory(&files)).len()
    }

    #[test]
    fn canaries_are_caught() {
        let one = entry("one", false);
        assert_eq!(count(CODE, &one), 0);
        assert_eq!(count(CODE, ""), 1, "a bug without an entry");
        assert_eq!(count("", &one), 1, "an entry without a bug");
        assert_eq!(count(&CODE.repeat(2), &one), 1, "planted twice");
        assert_eq!(count(CODE, &one.repeat(2)), 1, "two entries");
        assert_eq!(count(CODE, &entry("one", true)), 1, "held out at the wrong place");
        assert_eq!(count(CODE, &one.replace("\"log\"", "\"raft\"")), 1, "another area");
        assert_eq!(count(CODE, &one.replace("a/src/b.rs", "a/src/c.rs")), 1, "another file");
        assert_eq!(count(CODE, &one.replace("source = \"y\"\n", "")), 1, "no source");
        let test = format!("#[cfg(test)]\nmod tests {{\n{CODE}}}\n");
        assert_eq!(count(&test, ""), 0, "tests name what they like");
    }

    #[test]
    fn the_third_is_held_out() {
        let code = CODE.to_owned() + &CODE.replace("one", "two") + &CODE.replace("one", "three");
        let catalogue = entry("one", false) + &entry("two", false) + &entry("three", true);
        assert_eq!(count(&code, &catalogue), 0);
    }
}
