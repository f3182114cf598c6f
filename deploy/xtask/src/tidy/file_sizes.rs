//! Files that a person can read: at most 500 lines and 100 columns. Prose and data are excepted,
//! and so is generated code.

use super::Finding;
use crate::repository::{Repository, is_generated};

const LINES_MAX: usize = 500;
const COLUMNS_MAX: usize = 100;
const EXTENSIONS: [&str; 4] = [".rs", ".capnp", ".sh", ".py"];
const SCRIPTS: [&str; 1] = [".ci/run"];

/// Files that may be longer, each with its reason.
const EXCEPTIONS: [(&str, &str); 0] = [];

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, reason) in EXCEPTIONS {
        if reason.is_empty() || !repository.files.contains_key(path) {
            findings.push(Finding::new(path, 0, "an exception needs a file and a reason"));
        }
    }
    for (path, text) in repository.texts().filter(|(path, _)| is_ours(path)) {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            let message = format!("{lines} lines, at most {LINES_MAX}");
            findings.push(Finding::new(path, 0, message));
        }
        for (index, line) in text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > COLUMNS_MAX {
                let message = format!("{columns} columns, at most {COLUMNS_MAX}");
                findings.push(Finding::new(path, index + 1, message));
            }
        }
    }
    findings
}

fn is_ours(path: &str) -> bool {
    let written = EXTENSIONS.iter().any(|end| path.ends_with(end)) || SCRIPTS.contains(&path);
    written && !is_generated(path) && !EXCEPTIONS.iter().any(|(excepted, _)| *excepted == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canaries_are_caught() {
        let long = "x\n".repeat(LINES_MAX + 1);
        let full = "x\n".repeat(LINES_MAX);
        let wide = "é".repeat(COLUMNS_MAX + 1);
        let filled = "é".repeat(COLUMNS_MAX);
        let cases = [
            ("a/src/b.rs", long.as_str(), 1),
            ("a/src/b.rs", full.as_str(), 0),
            ("a/schema/b.capnp", wide.as_str(), 1),
            (".ci/run", wide.as_str(), 1),
            ("a/src/b.rs", filled.as_str(), 0),
            ("a/src/gen/b_capnp.rs", wide.as_str(), 0),
            ("README.md", wide.as_str(), 0),
        ];
        for (path, text, expected) in cases {
            assert_eq!(check(&Repository::in_memory(&[(path, text)])).len(), expected, "{path}");
        }
    }
}
