//! The rules of the house as checks over files and packages. Each check is one function in one
//! file with a canary that proves that it can fail; all run in `cargo test` and `cargo xtask tidy`.
//! What clippy or rustc can check is left to them.

mod arrows;
mod bans;
mod dependencies;
mod entity_parts;
mod error_codes;
mod file_sizes;
mod fuzz_targets;
mod golden_bytes;
mod invariants;
mod members;
mod module_docs;
mod mutations;
mod readme;

use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};

use crate::repository::Repository;

/// One broken rule at one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Relative to the root; a file or a folder.
    pub(crate) path: String,
    /// Counted from 1; 0 when the finding is about the whole file.
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, message } = self;
        match line {
            0 => write!(formatter, "{path}: {message}"),
            line => write!(formatter, "{path}:{line}: {message}"),
        }
    }
}

type Check = fn(&Repository) -> Vec<Finding>;

const CHECKS: [(&str, Check); 13] = [
    ("arrows", arrows::check),
    ("members", members::check),
    ("dependencies", dependencies::check),
    ("module docs", module_docs::check),
    ("file sizes", file_sizes::check),
    ("invariants", invariants::check),
    ("error codes", error_codes::check),
    ("entity parts", entity_parts::check),
    ("bans", bans::check),
    ("readme", readme::check),
    ("fuzz targets", fuzz_targets::check),
    ("golden bytes", golden_bytes::check),
    ("mutations", mutations::check),
];

/// Runs all checks and prints what they find.
///
/// # Errors
/// When at least one rule is broken, or the repository cannot be read.
pub(crate) fn run(root: &Path) -> Result<()> {
    let repository = Repository::read(root)?;
    let mut total = 0;
    for (name, check) in CHECKS {
        let mut findings = check(&repository);
        findings.sort();
        findings.dedup();
        total += findings.len();
        println!("tidy {name}: {}", count(findings.len()));
        for finding in findings {
            println!("  {finding}");
        }
    }
    if repository.golden_before.is_none() {
        println!("tidy golden bytes: nothing compared, git has no earlier commit here");
    }
    if total > 0 {
        bail!("tidy: {}", count(total));
    }
    Ok(())
}

fn count(findings: usize) -> String {
    match findings {
        0 => "clean".to_owned(),
        1 => "1 finding".to_owned(),
        more => format!("{more} findings"),
    }
}

/// The cells of a table row of a Markdown text, or nothing when the line is no row.
fn table_cells(line: &str) -> Vec<&str> {
    let Some(inner) = line.trim().strip_prefix('|') else { return Vec::new() };
    inner.trim_end_matches('|').split('|').map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let repository = Repository::read(&crate::repository::root()).unwrap();
        let mut told = Vec::new();
        for (name, check) in CHECKS {
            told.extend(check(&repository).into_iter().map(|finding| format!("{name}: {finding}")));
        }
        assert!(told.is_empty(), "{} findings\n{}", told.len(), told.join("\n"));
    }

    #[test]
    fn a_finding_names_its_place() {
        assert_eq!(Finding::new("a.rs", 3, "bad").to_string(), "a.rs:3: bad");
        assert_eq!(Finding::new("a.rs", 0, "bad").to_string(), "a.rs: bad");
    }

    #[test]
    fn table_rows_split_into_cells() {
        assert_eq!(table_cells("| `PAT-1` | text |"), ["`PAT-1`", "text"]);
        assert!(table_cells("no row").is_empty());
    }
}
