//! The workspace's own tool: `verify` (never writes), `fix`, `gen` and `tidy`.
//! It holds no rule of the product; the rules about the code's shape are in `tidy`, and they also
//! run as tests of this crate, so `cargo test --workspace` is enough to meet them.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool talks on its standard streams"
)]

mod codegen;
mod repository;
mod steps;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "\
usage: cargo xtask <command>

  verify [STEP...]   everything CI checks; writes nothing tracked
                     steps: fmt tidy gen clippy test doc
  fix                everything that can be fixed: generated code, clippy suggestions, formatting
  gen [--check]      regenerate the Cap'n Proto Rust; with --check only compare (needs `capnp`)
  tidy               the rules of the house alone

example: cargo xtask verify fmt clippy";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["verify", names @ ..] => match steps::select(names) {
            Ok(selected) => steps::verify(&selected),
            Err(error) => return usage(&format!("{error:#}")),
        },
        ["fix"] => steps::fix(),
        ["gen"] => codegen::write(&repository::root()),
        ["gen", "--check"] => codegen::check(&repository::root()),
        ["tidy"] => tidy::run(&repository::root()),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        [] => return usage("a command is missing"),
        [other, ..] => return usage(&format!("`{other}` with these arguments is not a command")),
    };
    report(outcome)
}

fn report(outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn usage(problem: &str) -> ExitCode {
    eprintln!("error: {problem}\n\n{USAGE}");
    ExitCode::from(2)
}
