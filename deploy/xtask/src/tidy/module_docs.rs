//! Every Rust file starts with `//!` that says what is here. Length and sense are for review;
//! only the presence, and that it is no placeholder, can be checked.

use super::Finding;
use crate::repository::Repository;

const CHARACTERS_MIN: usize = 15;

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, lines) in &repository.rust {
        let first = lines.first().map_or("", |line| line.comment.as_str());
        let problem = match first.strip_prefix("//!") {
            None => "does not start with a module doc (`//!`)",
            Some(text) if text.trim().starts_with("Placeholder") => "is still a placeholder",
            Some(text) if text.trim().len() < CHARACTERS_MIN => "has a module doc without content",
            Some(_) => continue,
        };
        findings.push(Finding::new(path, 1, problem));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canaries_are_caught() {
        let cases = [
            ("a/b/src/c.rs", "use std::fmt;\n", 1),
            ("a/b/src/c.rs", "// An ordinary comment about it\nuse std::fmt;\n", 1),
            ("a/b/src/c.rs", "//! Short.\n", 1),
            ("a/b/src/c.rs", "//! Placeholder while the crate is being built.\n", 1),
            ("a/b/tests/it/main.rs", "", 1),
            ("a/b/src/c.rs", "//! What is here and what is deliberately not.\n", 0),
            ("a/b/src/gen/c_capnp.rs", "// generated\n", 0),
        ];
        for (path, text, expected) in cases {
            assert_eq!(check(&Repository::in_memory(&[(path, text)])).len(), expected, "{text}");
        }
    }
}
