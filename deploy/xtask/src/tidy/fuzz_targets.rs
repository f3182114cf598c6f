//! Every codec crate is registered here, has a fuzz target, and runs it for a moment in its tests
//! (a function with `fuzz_smoke` in its name), so that stable Rust keeps the target alive.

use super::Finding;
use crate::repository::Repository;

const CODECS: [&str; 3] = ["schema/hl7", "schema/fhir", "schema/wire"];

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for codec in CODECS {
        let folder = format!("{codec}/fuzz/");
        if !repository.rust.keys().any(|path| path.starts_with(&folder)) {
            findings.push(Finding::new(codec, 0, "has no target in fuzz/"));
        }
        let inside = format!("{codec}/");
        let smoked = repository
            .rust
            .iter()
            .filter(|(path, _)| path.starts_with(&inside))
            .flat_map(|(_, lines)| lines)
            .any(|line| line.is_test && line.code.contains("fn ") && names_smoke(&line.code));
        if !smoked {
            findings.push(Finding::new(codec, 0, "has no test named fuzz_smoke"));
        }
    }
    findings
}

fn names_smoke(code: &str) -> bool {
    code.split_once("fn ").is_some_and(|(_, name)| {
        name.split('(').next().is_some_and(|name| name.contains("fuzz_smoke"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canaries_are_caught() {
        let mut files = Vec::new();
        for codec in CODECS {
            files.push((format!("{codec}/fuzz/fuzz_targets/decode.rs"), "fn main() {}"));
            files.push((format!("{codec}/tests/it/main.rs"), "fn fuzz_smoke() {}"));
        }
        let all: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        assert_eq!(check(&Repository::in_memory(&all)), []);
        for missing in 0..all.len() {
            let mut some = all.clone();
            let (path, _) = some.remove(missing);
            assert_eq!(check(&Repository::in_memory(&some)).len(), 1, "{path} was not missed");
        }
    }
}
