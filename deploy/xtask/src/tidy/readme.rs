//! The README opens with the two commands that a newcomer runs, alone in their blocks, and every
//! top folder has its chapter. Whether the commands work is for `.ci/run`, which runs them.

use std::collections::BTreeSet;

use super::Finding;
use crate::repository::Repository;

const README: &str = "README.md";
const COMMANDS: [&str; 2] = ["cargo run --release -- demo", "cargo test --workspace"];

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    let blocks = fenced_blocks(repository.text(README).unwrap_or_default());
    for (index, command) in COMMANDS.iter().enumerate() {
        if blocks.get(index).is_none_or(|block| block != command) {
            let message = format!("fenced block {} is not `{command}` alone", index + 1);
            findings.push(Finding::new(README, 0, message));
        }
    }
    let tops: BTreeSet<&str> = repository
        .files
        .keys()
        .filter_map(|path| path.split_once('/').map(|(top, _)| top))
        .filter(|top| !top.starts_with('.'))
        .collect();
    for top in tops {
        if !repository.files.contains_key(&format!("{top}/README.md")) {
            findings.push(Finding::new(top, 0, "a top folder has a README.md, its chapter"));
        }
    }
    findings
}

fn fenced_blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<Vec<&str>> = None;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            match open.take() {
                None => open = Some(Vec::new()),
                Some(lines) => blocks.push(lines.join("\n").trim().to_owned()),
            }
        } else if let Some(lines) = &mut open {
            lines.push(line);
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(readme: &str) -> usize {
        check(&Repository::in_memory(&[(README, readme)])).len()
    }

    #[test]
    fn canaries_are_caught() {
        let [run, test] = COMMANDS;
        assert_eq!(findings(&format!("# M\n```sh\n{run}\n```\ntext\n```\n{test}\n```\n")), 0);
        assert_eq!(findings(&format!("```\n{test}\n```\n```\n{run}\n```\n")), 2, "other order");
        assert_eq!(findings(&format!("```\ncd x\n{run}\n```\n```\n{test}\n```\n")), 1, "two lines");
        assert_eq!(findings(""), 2);
        let [run, test] = COMMANDS.map(|command| format!("```\n{command}\n```\n"));
        let readme = format!("{run}{test}");
        let files = [(README, readme.as_str()), ("node/a/src/lib.rs", ""), (".ci/run", "")];
        assert_eq!(check(&Repository::in_memory(&files)).len(), 1, "no chapter");
    }
}
