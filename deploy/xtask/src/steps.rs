//! `verify` and `fix`: which commands they run, in which order, and how long each took.
//! What each step means is cargo's business, `codegen`'s or `tidy`'s.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{codegen, repository, tidy};

/// One step of `verify`; cheap ones first, so that a small mistake is told early.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    Format,
    Tidy,
    Generated,
    Clippy,
    Test,
    Documentation,
}

const STEPS: [(&str, Step); 6] = [
    ("fmt", Step::Format),
    ("tidy", Step::Tidy),
    ("gen", Step::Generated),
    ("clippy", Step::Clippy),
    ("test", Step::Test),
    ("doc", Step::Documentation),
];

/// The steps with these names, in the order of `verify`; all of them when no name is given.
///
/// # Errors
/// A name that is no step.
pub(crate) fn select(names: &[&str]) -> Result<Vec<(&'static str, Step)>> {
    for name in names {
        if !STEPS.iter().any(|(known, _)| known == name) {
            let known = STEPS.map(|(known, _)| known).join(", ");
            bail!("`{name}` is not a step of verify; the steps are {known}");
        }
    }
    Ok(STEPS.into_iter().filter(|(known, _)| names.is_empty() || names.contains(known)).collect())
}

/// Runs the steps and stops at none of them: all failures are told at the end.
///
/// # Errors
/// When at least one step failed.
pub(crate) fn verify(selected: &[(&'static str, Step)]) -> Result<()> {
    let mut table = Vec::new();
    let mut failed = Vec::new();
    for (name, step) in selected {
        println!("== verify {name}");
        let (outcome, elapsed) = timed(|| run(*step));
        if let Err(error) = &outcome {
            println!("verify {name} failed: {error:#}");
            failed.push(*name);
        }
        table.push((*name, outcome.is_ok(), elapsed));
    }
    println!("\nstep      result   seconds");
    for (name, passed, elapsed) in table {
        let word = if passed { "passed" } else { "FAILED" };
        println!("{name:<9} {word:<8} {:>7.1}", elapsed.as_secs_f64());
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("failed: {}; again with `cargo xtask verify {}`", failed.join(", "), failed.join(" "))
}

/// Everything that a machine can repair, formatting last.
///
/// # Errors
/// The first command that failed.
pub(crate) fn fix() -> Result<()> {
    codegen::write(&repository::root())?;
    cargo(
        "clippy --fix --workspace --all-targets --allow-dirty --allow-staged -- -D warnings",
        &[],
    )?;
    cargo("fmt --all", &[])
}

fn run(step: Step) -> Result<()> {
    let root = repository::root();
    match step {
        Step::Format => cargo("fmt --all -- --check", &[]),
        Step::Tidy => tidy::run(&root),
        Step::Generated => codegen::check(&root),
        Step::Clippy => cargo("clippy --workspace --all-targets --locked -- -D warnings", &[]),
        Step::Test => cargo("test --workspace --locked", &[]),
        Step::Documentation => {
            cargo("doc --workspace --no-deps --locked", &[("RUSTDOCFLAGS", "-D warnings")])
        }
    }
}

fn cargo(arguments: &str, environment: &[(&str, &str)]) -> Result<()> {
    println!("$ cargo {arguments}");
    let status = Command::new("cargo")
        .args(arguments.split_whitespace())
        .envs(environment.iter().copied())
        .current_dir(repository::root())
        .status()
        .context("cargo could not be started")?;
    if !status.success() {
        bail!("`cargo {arguments}` ended with {status}");
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a build tool measures its own steps")]
fn timed(work: impl FnOnce() -> Result<()>) -> (Result<()>, Duration) {
    let started = Instant::now();
    let outcome = work();
    (outcome, started.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_select_steps_in_the_order_of_verify() {
        let all = select(&[]).unwrap();
        assert_eq!(all.len(), STEPS.len());
        let some = select(&["clippy", "fmt"]).unwrap();
        assert_eq!(some, vec![("fmt", Step::Format), ("clippy", Step::Clippy)]);
        let wrong = select(&["fmt", "lint"]).unwrap_err().to_string();
        assert!(wrong.contains("`lint`") && wrong.contains("clippy"), "{wrong}");
    }
}
