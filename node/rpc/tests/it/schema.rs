//! The schema only grows: everything that the first version says is still said, word for word, in
//! the same place. Comments may change; names, ordinals and types may not.

use std::collections::BTreeSet;
use std::fs;

const NEWEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schema/wire/schema/rpc.capnp");
const FIRST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schema/wire/golden/rpc-v1.capnp");

/// Statements with the path of the blocks that they stand in.
fn statements(text: &str) -> BTreeSet<String> {
    let bare: String = text.lines().map(|line| line.split('#').next().unwrap_or("")).fold(
        String::new(),
        |mut all, line| {
            all.push_str(line);
            all.push(' ');
            all
        },
    );
    let (mut path, mut found, mut current) = (Vec::new(), BTreeSet::new(), String::new());
    for character in bare.chars() {
        match character {
            '{' | ';' => {
                let words = current.split_whitespace().collect::<Vec<_>>().join(" ");
                found.insert(format!("{} / {words}", path.join(" / ")));
                if character == '{' {
                    path.push(words);
                }
                current.clear();
            }
            '}' => {
                path.pop();
                current.clear();
            }
            other => current.push(other),
        }
    }
    found
}

/// What the first version says and the newest does not.
fn lost(first: &str, newest: &str) -> Vec<String> {
    statements(first).difference(&statements(newest)).cloned().collect()
}

#[test]
fn the_newest_schema_says_everything_that_the_first_one_said() {
    let (first, newest) = (fs::read_to_string(FIRST).unwrap(), fs::read_to_string(NEWEST).unwrap());
    assert!(statements(&first).len() > 200, "the first schema was not read");
    assert_eq!(lost(&first, &newest), Vec::<String>::new());
}

#[test]
fn canaries_are_caught() {
    let first = "struct A { x @0 :Text; u :union { y @1 :Bool; } } interface I { m @0 () -> (); }";
    let grown = first.replace("y @1 :Bool;", "y @1 :Bool; z @2 :Text;");
    assert!(lost(first, &grown).is_empty(), "growth is no loss");
    let changes =
        [("x @0", "x @1"), ("x @0", "w @0"), (":Bool", ":Int8"), ("-> ()", "-> (a :Text)")];
    for (from, to) in changes {
        assert!(!lost(first, &first.replace(from, to)).is_empty(), "{from} -> {to} went through");
    }
}
