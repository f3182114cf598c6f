//! The command line: every documented command is there, each help has an example, and wrong usage
//! is refused with exit code 2.

use super::*;
use clap::CommandFactory;

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(std::iter::once("medulla").chain(line.split_whitespace()))
}

#[test]
fn documented_command_lines_are_taken() {
    let lines = [
        "demo --hospital-hours 2 --patients 40 --nodes 1 --seed 7 --serve --data d --json",
        "serve --config f --data d --mllp 127.0.0.1:0 --http 127.0.0.1:0 --insecure-dev",
        "serve --dump-config --log debug",
        "ingest a b --to mllp://h:1 --to http://h:2/fhir --format hl7 --concurrency 8 --limit 9",
        "patient show P --as-of 2026-01-01T00:00:00Z --known-at T --to http://h:1 --purpose TREAT",
        "patient timeline P --purpose TREAT --principal me",
        "patient explain P --model news2 --purpose TREAT",
        "patient merge P --retired Q --purpose HOPERAT",
        "patient unmerge P --retired Q --purpose HOPERAT",
        "alert list --to http://h:1",
        "alert ack P A",
        "alert resolve P A",
        "alert watch --limit 3",
        "quarantine list --all",
        "quarantine show 1 --raw",
        "quarantine replay 1 --repaired f",
        "query news2>=7 --to http://h:1 --purpose HOPERAT --json",
        "facility list",
        "facility census F --at T",
        "facility beds F",
        "device show D",
        "device associate D P",
        "shard list",
        "node list --json",
        "audit verify --data d",
        "audit verify --to http://h:1",
        "audit prove 3 --shard 1",
        "audit patient P",
        "audit disclosures P --from 2026-01-01 --to 2026-02-01 --to http://h:1",
        "audit export --format fhir",
        "doctor --data d --json",
    ];
    for line in lines {
        assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
    }
}

#[test]
fn wrong_usage_ends_with_two() {
    let lines = [
        "nonsense",
        "patient show P",
        "ingest a",
        "ingest --to mllp://h:1",
        "ingest a --to mllp://h:1 --concurrency 0",
        "audit verify --data d --to http://h:1",
        "audit export --format xml",
        "doctor",
        "query",
        "demo --hospital-hours 0",
        "demo --patients 0",
        "demo --patients many",
    ];
    for line in lines {
        let error = parse(line).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn every_help_has_an_example() {
    fn check(command: &clap::Command, path: &str) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains("Example"), "{path} has no example");
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            check(sub, &format!("{path} {}", sub.get_name()));
        }
    }
    let command = Arguments::command();
    command.clone().debug_assert();
    check(&command, "medulla");
}
