//! The root manifest is the code map: every member stands there with its reason, lies one level
//! below a known top folder and is named after its path.

use super::Finding;
use crate::repository::Repository;

const MANIFEST: &str = "Cargo.toml";
const TOP_FOLDERS: [&str; 7] = ["node", "actors", "consensus", "schema", "sim", "chaos", "deploy"];
const REASON_CHARACTERS_MIN: usize = 10;

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let text = repository.text(MANIFEST).unwrap_or_default();
    let listed = members(text);
    let mut findings = Vec::new();
    for (line, folder, reason) in &listed {
        if reason.chars().count() < REASON_CHARACTERS_MIN {
            let message = format!("member {folder} has no one-line reason");
            findings.push(Finding::new(MANIFEST, *line, message));
        }
    }
    for package in &repository.packages {
        let folder = package.folder.as_str();
        if !listed.iter().any(|(_, known, _)| known == folder) {
            findings.push(Finding::new(folder, 0, "is not on a line of its own in `members`"));
        }
        let parts: Vec<&str> = folder.split('/').collect();
        if parts.len() != 2 || !TOP_FOLDERS.contains(&parts[0]) {
            findings.push(Finding::new(folder, 0, "a crate lies one level below a top folder"));
        }
        if package.name != folder.replace('/', "-") {
            let message = format!("package {} is not named after its path", package.name);
            findings.push(Finding::new(folder, 0, message));
        }
    }
    findings
}

/// Line number, folder and reason of each member.
fn members(manifest: &str) -> Vec<(usize, String, String)> {
    let mut found = Vec::new();
    let mut inside = false;
    for (index, line) in manifest.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.starts_with("members = [") {
            inside = true;
        } else if inside && trimmed.starts_with(']') {
            return found;
        } else if let Some((folder, rest)) =
            trimmed.strip_prefix('"').filter(|_| inside).and_then(|rest| rest.split_once('"'))
        {
            let reason = rest.split_once('#').map_or("", |(_, reason)| reason.trim());
            found.push((index + 1, folder.to_owned(), reason.to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::Package;

    fn findings(manifest: &str, name: &str, folder: &str) -> Vec<Finding> {
        let mut repository = Repository::in_memory(&[(MANIFEST, manifest)]);
        let (name, folder) = (name.to_owned(), folder.to_owned());
        repository.packages = vec![Package { name, folder, dependencies: Vec::new() }];
        check(&repository)
    }

    #[test]
    fn canaries_are_caught() {
        let good = "members = [\n  \"node/env\", # the seams to the world\n]\n";
        assert_eq!(findings(good, "node-env", "node/env"), []);
        let bare = "members = [\n  \"node/env\",\n]\n";
        assert_eq!(findings(bare, "node-env", "node/env").len(), 1, "no reason");
        assert_eq!(findings(good, "node-app", "node/app").len(), 1, "not listed");
        let deep = good.replace("node/env", "node/a/b");
        assert_eq!(findings(&deep, "node-a-b", "node/a/b").len(), 1, "too deep");
        assert_eq!(findings(good, "environment", "node/env").len(), 1, "other name");
    }
}
