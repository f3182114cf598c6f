//! The binary as its users meet it: exit codes, error lines, JSON as the last line of standard
//! output, and one whole way from a file to a node to an answer.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn medulla(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_medulla"));
    command.args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn last_json(output: &Output) -> Value {
    let stdout = text(&output.stdout);
    serde_json::from_str(stdout.lines().last().unwrap_or_default())
        .unwrap_or_else(|_| panic!("no JSON: {stdout}\n{}", text(&output.stderr)))
}

/// A node on free ports, stopped when dropped.
struct Served {
    child: Child,
    mllp: String,
    http: String,
}

impl Served {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_medulla"))
            .args(["serve", "--insecure-dev", "--mllp", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .args(["--log", "warn", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = |name: &str| {
            let mut words = line.split_whitespace();
            words.find_map(|word| word.strip_prefix(name)).unwrap().to_owned()
        };
        assert!(line.starts_with("listening "), "{line}");
        Self { mllp: address("mllp="), http: format!("http://{}", address("http=")), child }
    }

    /// Asks the node to stop; its exit code.
    fn stop(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It ended already when the test stopped it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_small_demo_is_exact_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let output =
        medulla(&["demo", "--hospital-hours", "2", "--patients", "15", "--data", data, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let result = last_json(&output);
    assert_eq!((&result["census_exact"], &result["audit_verified"]), (&json!(true), &json!(true)));
    assert!(result["observations"].as_u64().unwrap() > 50, "{result}");
    assert!(text(&output.stderr).contains("census exact"), "people see it too");
    let again = medulla(&["demo", "--data", data]);
    assert_eq!(again.status.code(), Some(2), "a used directory is refused");

    let verified = medulla(&["audit", "verify", "--data", data, "--json"]);
    assert_eq!(verified.status.code(), Some(0));
    assert_eq!(last_json(&verified)["records"], result["audit_records"]);
    let doctor = medulla(&["doctor", "--data", data, "--json"]);
    assert_eq!((doctor.status.code(), &last_json(&doctor)["ok"]), (Some(0), &json!(true)));
}

#[test]
fn wrong_usage_says_why_and_ends_with_two() {
    let alone = ["serve", "--insecure-dev", "--form", "--peer", "[::1]:71", "--raft", "[::1]:72"];
    let cases: [(&[&str], &str); 9] = [
        (&["serve"], "MED-NODE-009"),
        (&["serve", "--insecure-dev", "--http", "0.0.0.0:0"], "MED-NODE-009"),
        (&["serve", "--config", "/nowhere/medulla.toml"], "not found"),
        (&["serve", "--insecure-dev", "--form"], "need --peer and --raft"),
        (&alone, "nodes of a cluster share a store"),
        (&["demo", "--nodes", "10"], "10 is not in 1..=9"),
        (&["audit", "verify", "--data", "/nowhere/data"], "no data directory"),
        (&["ingest", "/nowhere", "--to", "mllp://127.0.0.1:1"], "not found"),
        (&["backup"], "unrecognized subcommand"),
    ];
    for (arguments, expected) in cases {
        let output = medulla(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    let unreachable = medulla(&["alert", "list", "--to", "http://127.0.0.1:1"]);
    assert_eq!(unreachable.status.code(), Some(1));
    let dumped = medulla(&["serve", "--dump-config", "--data", "d"]);
    assert!(text(&dumped.stdout).contains("data = \"d\""));
}

const ADMISSION: &str = "MSH|^~\\&|A|F1|||20260102030405+0000||ADT^A01|1|P|2.5.1\r\
    EVN|A01|20260102030405+0000\rPID|1||77^^^F1^MR||Fontaine^Clara||19500101|F\r\
    PV1|1|I|W1^R1^B1^F1\r";

#[test]
fn a_file_goes_in_and_answers_come_out() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    std::fs::create_dir(&files).unwrap();
    std::fs::write(files.join("a.hl7"), ADMISSION).unwrap();
    std::fs::write(files.join("b.hl7"), "PID|1||78\r").unwrap();
    std::fs::write(files.join("readme.txt"), "Nothing to send").unwrap();
    let lines = "{\"resourceType\":\"Patient\",\"id\":\"p1\"}\n{\"resourceType\":\"Patient\"\n";
    std::fs::write(files.join("c.ndjson"), lines).unwrap();
    let node = Served::start(&folder.path().join("data"));
    let (mllp, fhir) = (format!("mllp://{}", node.mllp), format!("{}/fhir", node.http));
    let files = files.to_str().unwrap();

    let first = medulla(&["ingest", files, "--to", &mllp, "--to", &fhir, "--json"]);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    let counts = last_json(&first);
    let expected = [
        ("files", 3),
        ("messages", 4),
        ("accepted", 2),
        ("duplicate", 0),
        ("quarantined", 2),
        ("failed", 0),
        ("skipped", 1),
    ];
    for (key, value) in expected {
        assert_eq!(counts[key], json!(value), "{key}: {counts}");
    }
    let again = last_json(&medulla(&["ingest", files, "--to", &mllp, "--to", &fhir, "--json"]));
    assert_eq!((&again["accepted"], &again["duplicate"]), (&json!(0), &json!(2)), "{again}");

    let ask = |arguments: &[&str]| {
        let output = medulla(&[arguments, &["--to", &node.http, "--json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
        last_json(&output)
    };
    let patient = ask(&["patient", "show", "77", "--purpose", "TREAT"]);
    assert_eq!(patient["patient"], json!("F1.77"));
    assert_eq!(patient["demographics"]["name"]["family"], json!("Fontaine"));
    let census = ask(&["facility", "census", "F1"]);
    assert_eq!(census["wards"]["W1"], json!(1));
    let quarantine = ask(&["quarantine", "list"]);
    assert!(quarantine["items"].as_array().unwrap().len() >= 2);
    assert_eq!(ask(&["audit", "verify"])["ok"], json!(true));
    assert_eq!(ask(&["audit", "prove", "0", "--shard", &shard_of(&ask)])["ok"], json!(true));

    let second = medulla(
        &["serve", "--insecure-dev", "--mllp", "127.0.0.1:0", "--http"]
            .iter()
            .chain(&["127.0.0.1:0", "--data", folder.path().join("data").to_str().unwrap()])
            .copied()
            .collect::<Vec<_>>(),
    );
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("MED-NODE-005: data directory"));
    assert_eq!(node.stop(), Some(0), "a graceful stop is a success");
}

/// A shard with records.
fn shard_of(ask: &impl Fn(&[&str]) -> Value) -> String {
    let shards = ask(&["shard", "list"]);
    let shards = shards["shards"].as_array().unwrap();
    let used = shards.iter().find(|shard| shard["audit_records"].as_u64() > Some(0));
    used.unwrap()["shard"].to_string()
}

#[test]
fn files_that_nobody_takes_fail_the_command() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("c.ndjson.gz"), b"not compressed").unwrap();
    let folder = folder.path().to_str().unwrap();
    let output = medulla(&["ingest", folder, "--to", "http://127.0.0.1:1/fhir", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(last_json(&output)["failed"], json!(1));
}
