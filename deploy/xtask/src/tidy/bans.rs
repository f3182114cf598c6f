//! Words that must not appear: what hides work undone, what waits by sleeping, what grows without
//! a limit (LIM-1), what ties the code to one machine. Each ban is a row of a table with its scope
//! and its named exceptions.

use super::Finding;
use crate::repository::{Line, Repository};

/// Which part of a line a ban looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Code,
    Comment,
    Everything,
}

/// In which code a ban holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Everywhere,
    Tests,
    Sources,
    /// Sources of the crates under these folders.
    SourcesIn(&'static [&'static str]),
    /// Sources of crates without a `main.rs`.
    Libraries,
}

struct Ban {
    word: &'static str,
    look: Look,
    scope: Scope,
    reason: &'static str,
    /// Files, or folders that end with `/`, where the word may stand, each with its reason.
    exceptions: &'static [(&'static str, &'static str)],
}

const fn ban(word: &'static str, look: Look, scope: Scope, reason: &'static str) -> Ban {
    Ban { word, look, scope, reason, exceptions: &[] }
}

const BOUNDED: &str = "every queue has a named limit (LIM-1)";
const UNDONE: &str = "work undone is an issue, not a mark in the code";
const SLEEP: &str = "tests wait for what happens, they do not sleep";
const UNSAFE: &str = "only node/store-fdb and the interposition of sim/runner may";
const PRINT: &str = "only binaries print";
const SEAM: &str = "time, randomness and threads come through node/env";
/// The parts of the code where bounds are checked by word.
const BOUNDED_FOLDERS: &[&str] = &["actors/", "consensus/", "node/"];

const BANS: &[Ban] = &[
    ban("#[ignore", Look::Code, Scope::Everywhere, "a test runs or does not exist"),
    ban("todo!", Look::Code, Scope::Everywhere, UNDONE),
    ban("unimplemented!", Look::Code, Scope::Everywhere, UNDONE),
    ban("TODO", Look::Comment, Scope::Everywhere, UNDONE),
    ban("FIXME", Look::Comment, Scope::Everywhere, UNDONE),
    ban("thread::sleep", Look::Code, Scope::Tests, SLEEP),
    Ban {
        word: "time::sleep",
        look: Look::Code,
        scope: Scope::Tests,
        reason: SLEEP,
        exceptions: &[("sim/world/", "time is simulated there: nobody waits")],
    },
    ban("thread::sleep", Look::Code, Scope::SourcesIn(&["actors/", "schema/"]), SEAM),
    ban("tokio::spawn", Look::Code, Scope::SourcesIn(&["schema/", "consensus/"]), SEAM),
    ban("unbounded", Look::Code, Scope::SourcesIn(BOUNDED_FOLDERS), BOUNDED),
    ban("unbounded_channel", Look::Code, Scope::Sources, BOUNDED),
    ban("println!", Look::Code, Scope::Libraries, PRINT),
    ban("print!", Look::Code, Scope::Libraries, PRINT),
    ban("eprintln!", Look::Code, Scope::Libraries, PRINT),
    ban("eprint!", Look::Code, Scope::Libraries, PRINT),
    ban("dbg!", Look::Code, Scope::Everywhere, PRINT),
    Ban {
        word: "expect(unsafe_code",
        look: Look::Code,
        scope: Scope::Everywhere,
        reason: UNSAFE,
        exceptions: &[
            (
                "node/store-fdb/src/network.rs",
                "the binding has no safe way to start the client's network thread",
            ),
            (
                "sim/runner/src/interpose.rs",
                "functions of the C library are defined in place of its own, and fork is called",
            ),
        ],
    },
    ban("allow(unsafe_code", Look::Code, Scope::Everywhere, UNSAFE),
    Ban {
        word: "disallowed_methods",
        look: Look::Code,
        scope: Scope::Sources,
        reason: SEAM,
        exceptions: &[
            ("node/env/", "the seams and the real world behind them"),
            ("node/medulla/", "the binary that supplies the real world"),
            ("sim/world/", "the faked world is built from the real one"),
            ("chaos/runner/", "hurts real processes in real time"),
            ("deploy/xtask/", "a build tool, no part of a node"),
        ],
    },
    ban(concat!("/wo", "rk/"), Look::Everything, Scope::Everywhere, "a path of one machine"),
    ban(concat!("/ro", "ot/"), Look::Everything, Scope::Everywhere, "a path of one machine"),
];
/// Paths of one machine are looked for in these files too.
const TEXT_ENDINGS: [&str; 8] =
    [".md", ".toml", ".sh", ".py", ".capnp", ".yaml", ".json", ".service"];
const SCRIPTS: [&str; 1] = [".ci/run"];

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ban in BANS {
        for (path, lines) in &repository.rust {
            if is_excepted(ban, path) {
                continue;
            }
            for (index, line) in lines.iter().enumerate() {
                if holds(repository, ban.scope, path, line) && has(ban, line) {
                    let message = format!("`{}` is banned: {}", ban.word, ban.reason);
                    findings.push(Finding::new(path, index + 1, message));
                }
            }
        }
    }
    let readable =
        |path: &str| SCRIPTS.contains(&path) || TEXT_ENDINGS.iter().any(|end| path.ends_with(end));
    for (path, text) in repository.texts().filter(|(path, _)| readable(path)) {
        for ban in BANS.iter().filter(|ban| ban.look == Look::Everything) {
            for (index, _) in text.lines().enumerate().filter(|(_, line)| line.contains(ban.word)) {
                let message = format!("`{}` is banned: {}", ban.word, ban.reason);
                findings.push(Finding::new(path, index + 1, message));
            }
        }
    }
    findings
}

fn is_excepted(ban: &Ban, path: &str) -> bool {
    ban.exceptions.iter().any(|(place, _)| {
        if place.ends_with('/') { path.starts_with(place) } else { path == *place }
    })
}

fn holds(repository: &Repository, scope: Scope, path: &str, line: &Line) -> bool {
    // An example is a small program beside a library: it measures and prints, no node runs it.
    if path.contains("/examples/") && matches!(scope, Scope::Sources | Scope::Libraries) {
        return false;
    }
    match scope {
        Scope::Everywhere => true,
        Scope::Tests => line.is_test,
        Scope::Sources => !line.is_test,
        Scope::SourcesIn(folders) => {
            !line.is_test && folders.iter().any(|folder| path.starts_with(folder))
        }
        Scope::Libraries => {
            let member = path.split_once("/src/").map(|(member, _)| member);
            let is_binary = member.is_some_and(|member| {
                repository.files.contains_key(&format!("{member}/src/main.rs"))
            });
            !line.is_test && !is_binary && !path.ends_with("/build.rs")
        }
    }
}

fn has(ban: &Ban, line: &Line) -> bool {
    match ban.look {
        Look::Code => has_word(&line.code, ban.word),
        Look::Comment => has_word(&line.comment, ban.word),
        Look::Everything => {
            line.code.contains(ban.word)
                || line.comment.contains(ban.word)
                || line.strings.iter().any(|literal| literal.contains(ban.word))
        }
    }
}

/// True when the word stands in the text and no letter goes before it.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || before == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canaries_are_caught() {
        let machine = format!("let path = \"{}shared\";", concat!("/wo", "rk/"));
        let cases = [
            ("node/a/src/lib.rs", "#[ignore = \"slow\"]", 1),
            ("node/a/src/lib.rs", "todo!()", 1),
            ("node/a/src/lib.rs", "// TODO later", 1),
            ("node/a/src/lib.rs", "let a = \"todo!() TODO\";", 0),
            ("node/a/src/lib.rs", "let (a, b) = mpsc::unbounded_channel();", 2),
            ("actors/a/src/lib.rs", "let a = channel::unbounded();", 1),
            ("actors/a/src/lib.rs", "// an unbounded queue would be wrong", 0),
            ("node/a/tests/it/main.rs", "thread::sleep(second)", 1),
            ("node/a/tests/it/main.rs", "tokio::time::sleep(second).await", 1),
            ("node/a/src/lib.rs", "println!(\"x\")", 1),
            ("node/a/src/lib.rs", "#[cfg(test)]\nmod tests {\n println!(\"x\");\n}", 0),
            ("node/a/src/main.rs", "println!(\"x\")", 0),
            ("node/a/examples/rate.rs", "println!(\"x\")", 0),
            ("node/a/src/lib.rs", "dbg!(x)", 1),
            ("node/a/src/lib.rs", "#[expect(unsafe_code, reason = \"x\")]", 1),
            ("node/store-fdb/src/lib.rs", "#[expect(unsafe_code, reason = \"x\")]", 1),
            ("node/store-fdb/src/network.rs", "#[expect(unsafe_code, reason = \"x\")]", 0),
            ("node/a/src/lib.rs", machine.as_str(), 1),
            ("node/app/src/lib.rs", "#[expect(clippy::disallowed_methods, reason = \"x\")]", 1),
            ("node/env/src/real.rs", "#[expect(clippy::disallowed_methods, reason = \"x\")]", 0),
            ("node/README.md", machine.as_str(), 1),
        ];
        for (path, text, expected) in cases {
            let found = check(&Repository::in_memory(&[(path, text)]));
            assert_eq!(found.len(), expected, "{text}: {found:?}");
        }
    }

    #[test]
    fn every_exception_has_a_reason() {
        for ban in BANS {
            assert!(!ban.reason.is_empty(), "{}", ban.word);
            for (path, reason) in ban.exceptions {
                assert!(!reason.is_empty(), "{path}");
            }
        }
    }
}
