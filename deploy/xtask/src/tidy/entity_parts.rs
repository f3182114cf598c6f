//! An entity crate always has the same parts, so that who knows one knows all three. What is in
//! the parts is for review.

use super::Finding;
use crate::repository::Repository;

const ENTITIES: [&str; 3] = ["actors/patient", "actors/device", "actors/facility"];
/// Each part with the places where it may be: a file, or a folder when it ends with `/`.
const PARTS: [&[&str]; 7] = [
    &["src/command.rs"],
    &["src/event.rs"],
    &["src/state.rs", "src/state/"],
    &["src/decide*.rs", "src/decide/"],
    &["src/evolve.rs", "src/evolve/"],
    &["src/limits.rs"],
    &["README.md"],
];

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for entity in ENTITIES {
        for places in PARTS {
            if !places.iter().any(|place| exists(repository, &format!("{entity}/{place}"))) {
                let message = format!("the part {} is missing", places.join(" or "));
                findings.push(Finding::new(entity, 0, message));
            }
        }
    }
    findings
}

fn exists(repository: &Repository, place: &str) -> bool {
    if let Some(folder) = place.strip_suffix('/') {
        return repository.has_folder(folder);
    }
    match place.split_once('*') {
        None => repository.files.contains_key(place),
        Some((start, end)) => repository.files.keys().any(|path| {
            path.strip_prefix(start)
                .and_then(|rest| rest.strip_suffix(end))
                .is_some_and(|middle| !middle.contains('/'))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canaries_are_caught() {
        let mut files = Vec::new();
        for entity in ENTITIES {
            for part in ["command.rs", "event.rs", "state.rs", "evolve.rs", "limits.rs"] {
                files.push(format!("{entity}/src/{part}"));
            }
            files.push(format!("{entity}/README.md"));
        }
        files.push("actors/patient/src/decide/alert.rs".to_owned());
        files.push("actors/device/src/decide_sample.rs".to_owned());
        files.push("actors/facility/src/decide.rs".to_owned());
        let all: Vec<(&str, &str)> = files.iter().map(|path| (path.as_str(), "")).collect();
        assert_eq!(check(&Repository::in_memory(&all)), []);
        for missing in 0..all.len() {
            let mut some = all.clone();
            let (path, _) = some.remove(missing);
            assert_eq!(check(&Repository::in_memory(&some)).len(), 1, "{path} was not missed");
        }
    }
}
