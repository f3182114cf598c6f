//! A crate from outside that a manifest names has a row in the decision about dependencies. The
//! whole graph, licences and sources are cargo-deny's.

use std::collections::BTreeSet;

use super::{Finding, table_cells};
use crate::repository::Repository;

const DECISION: &str = "deploy/decisions/001-dependencies.md";

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let text = repository.text(DECISION).unwrap_or_default();
    let rows: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| table_cells(line).first().copied())
        .flat_map(|cell| cell.split(',').map(|name| name.trim().trim_matches('`')))
        .collect();
    let members: BTreeSet<&str> =
        repository.packages.iter().map(|package| package.name.as_str()).collect();
    let mut findings = Vec::new();
    for package in &repository.packages {
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            if !members.contains(name) && !rows.contains(name) {
                let manifest = format!("{}/Cargo.toml", package.folder);
                findings.push(Finding::new(
                    &manifest,
                    0,
                    format!("{name} has no row in {DECISION}"),
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::{Dependency, Package};

    #[test]
    fn canaries_are_caught() {
        let table = "| dependency | what for |\n|---|---|\n| hyper, `bytes` | sockets |\n";
        for (name, expected) in [("hyper", 0), ("bytes", 0), ("node-env", 0), ("libc", 1)] {
            let mut repository = Repository::in_memory(&[(DECISION, table)]);
            let dependencies =
                vec![Dependency { name: name.to_owned(), is_dev: false, features: Vec::new() }];
            let folder = "node/env".to_owned();
            repository.packages =
                vec![Package { name: "node-env".to_owned(), folder, dependencies }];
            assert_eq!(check(&repository).len(), expected, "{name}");
        }
    }
}
