//! The planted bugs, read from `mutations/`, which is compiled in.

use serde::Deserialize;

/// One planted bug.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Mutation {
    pub(crate) id: String,
    pub(crate) area: String,
    pub(crate) invariant: String,
    pub(crate) held_out: bool,
    #[serde(default)]
    pub(crate) maybe_equivalent: Option<String>,
}

#[derive(Deserialize)]
struct File {
    mutation: Vec<Mutation>,
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        const FILES: &[&str] = &[$(include_str!(concat!("../mutations/", $name, ".toml"))),*];
    };
}

files!(
    "01-fencing",
    "02-log",
    "03-fsync",
    "04-once",
    "05-outbox",
    "06-timers",
    "07-hand-off",
    "08-audit",
    "09-merge",
    "10-scores",
    "11-alerts",
    "12-raft",
    "13-routing",
    "14-passivation",
    "15-order-limits-time",
);

/// All of them, in the order of the files.
///
/// # Errors
/// When a file is not of the form that its README says.
pub(crate) fn all() -> anyhow::Result<Vec<Mutation>> {
    let mut all = Vec::new();
    for file in FILES {
        all.extend(toml::from_str::<File>(file)?.mutation);
    }
    Ok(all)
}

/// The bugs of these names, or all of them.
///
/// # Errors
/// When a name is not in the catalogue: a bug that nobody planted is found by nobody.
pub(crate) fn named(ids: &[String]) -> anyhow::Result<Vec<Mutation>> {
    let all = all()?;
    if let Some(unknown) = ids.iter().find(|id| all.iter().all(|one| one.id != **id)) {
        anyhow::bail!("the catalogue has no bug named {unknown}");
    }
    Ok(all.into_iter().filter(|one| ids.is_empty() || ids.contains(&one.id)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_there_is_an_error() {
        let named = |id: &str| named(&[id.to_owned()]);
        assert_eq!(named("fence-not-compared").unwrap().len(), 1);
        assert!(named("no-such-bug").is_err());
    }

    #[test]
    fn the_catalogue_is_large_and_a_third_of_it_is_held_out() {
        let all = all().unwrap();
        let held_out = all.iter().filter(|mutation| mutation.held_out).count();
        assert!(all.len() >= 60);
        assert!(held_out * 4 > all.len(), "{held_out} of {}", all.len());
    }
}
