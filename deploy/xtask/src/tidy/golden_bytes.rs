//! Golden encoded bytes only grow: what an earlier commit published stays, byte for byte. A text
//! file may get more lines; any other file is new or unchanged.

use super::Finding;
use crate::repository::{GOLDEN_FOLDER, Repository};

const TEXT_ENDINGS: [&str; 5] = [".hex", ".txt", ".tsv", ".md", ".json"];

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !repository.has_folder(GOLDEN_FOLDER) {
        findings.push(Finding::new(GOLDEN_FOLDER, 0, "holds no golden bytes"));
    }
    for (path, before) in repository.golden_before.iter().flatten() {
        let may_grow = TEXT_ENDINGS.iter().any(|end| path.ends_with(end));
        let problem = match repository.files.get(path) {
            None => "golden bytes were removed",
            Some(now) if now == before => continue,
            Some(now) if may_grow && now.starts_with(before) => continue,
            Some(_) => "golden bytes were changed",
        };
        findings.push(Finding::new(path, 0, format!("{problem}; what is published must decode")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canaries_are_caught() {
        let cases = [
            ("a.bin", "one", Some("one"), 0),
            ("a.bin", "one", Some("one two"), 1),
            ("a.bin", "one", Some("two"), 1),
            ("a.bin", "one", None, 1),
            ("a.hex", "one\n", Some("one\ntwo\n"), 0),
            ("a.hex", "one\n", Some("two\none\n"), 1),
        ];
        for (name, before, now, expected) in cases {
            let path = format!("{GOLDEN_FOLDER}/{name}");
            let other = format!("{GOLDEN_FOLDER}/other.bin");
            let mut files = vec![(other.as_str(), "new")];
            files.extend(now.map(|text| (path.as_str(), text)));
            let mut repository = Repository::in_memory(&files);
            let earlier = [(path.clone(), before.as_bytes().to_vec())];
            repository.golden_before = Some(earlier.into_iter().collect());
            assert_eq!(check(&repository).len(), expected, "{name} {now:?}");
        }
        assert_eq!(check(&Repository::default()).len(), 1, "an empty folder went through");
    }
}
