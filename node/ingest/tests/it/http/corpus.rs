//! Every FHIR file of the public corpus through the router: all of it is taken or refused with a
//! code, nothing fails, and sending it again stores no second copy.

use super::world::{Node, TREATS, bundle};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Resources in one batch, as a loader would send them.
const BATCH_ENTRIES: usize = 200;

#[expect(clippy::disallowed_methods, reason = "tests find the corpus by environment")]
fn corpus() -> Option<PathBuf> {
    let found = std::env::var("MEDULLA_CORPUS").ok().map(PathBuf::from);
    if found.is_none() {
        println!("skipped: MEDULLA_CORPUS is not set");
    }
    found
}

fn gunzip(path: &Path) -> Vec<u8> {
    let packed = std::fs::File::open(path).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

/// The JSON texts of a file: one, one per line, or the members of an archive.
fn texts(path: &Path) -> Vec<Vec<u8>> {
    let name = path.display().to_string();
    if name.ends_with(".tar.gz") {
        let bytes = gunzip(path);
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let is_json = entry.path().unwrap().extension().is_some_and(|end| end == "json");
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            found.extend(is_json.then_some(bytes));
        }
        return found;
    }
    if name.ends_with(".ndjson.gz") {
        let bytes = gunzip(path);
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        return lines.map(<[u8]>::to_vec).collect();
    }
    if name.ends_with(".json.gz") { vec![gunzip(path)] } else { vec![std::fs::read(path).unwrap()] }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.display().to_string();
        let wanted = [".json", ".json.gz", ".ndjson.gz", ".tar.gz"];
        if path.is_dir() {
            files(&path, found);
        } else if wanted.iter().any(|end| name.ends_with(end)) {
            found.push(path);
        }
    }
}

type Table = BTreeMap<String, usize>;

fn count(table: &mut Table, status: &str, outcome: &Value) {
    let diagnostics = outcome.pointer("/issue/0/diagnostics").and_then(Value::as_str);
    let row = match diagnostics {
        Some(text) => {
            // Without indexes, so that equal reasons are counted together.
            let plain: String = text.chars().filter(|c| !c.is_ascii_digit()).take(110).collect();
            let code = text.split([' ', ':']).next().unwrap_or_default();
            format!("{} {code} {plain}", &status[..3])
        }
        None => status[..3].to_owned(),
    };
    *table.entry(row).or_default() += 1;
}

/// Sends a text as a client would: bundles to the base, resources by id, else by type.
async fn send(node: &Node, text: &[u8], table: &mut Table) {
    let plain = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let parsed: Value = serde_json::from_slice(plain).unwrap_or(Value::Null);
    let part = |name: &str| parsed[name].as_str().unwrap_or_default().to_owned();
    let (resource_type, id, kind) = (part("resourceType"), part("id"), part("type"));
    let is_processed = ["transaction", "batch", "collection"].contains(&kind.as_str());
    let (method, path) = match (resource_type.as_str(), id.as_str()) {
        ("Bundle", _) if is_processed => ("POST", "/fhir".to_owned()),
        ("", _) => ("POST", "/fhir".to_owned()),
        (_, "") => ("POST", format!("/fhir/{resource_type}")),
        (_, _) => ("PUT", format!("/fhir/{resource_type}/{id}")),
    };
    let Ok(_) = path.parse::<axum::http::Uri>() else {
        return count(table, "not sent", &Value::Null);
    };
    let answer = node.send(method, &path, TREATS, text.to_vec()).await;
    let entries = answer.list("/entry");
    if path != "/fhir" || entries.is_empty() {
        // Without an id it is new each time.
        let is_nameless = method == "POST" && answer.status == 201;
        let status = if is_nameless { "new" } else { answer.status.as_str() };
        return count(table, status, &answer.json);
    }
    for entry in entries {
        let status = entry.pointer("/response/status").and_then(Value::as_str).unwrap();
        count(table, status, &entry["response"]["outcome"]);
    }
}

async fn send_file(node: &Node, path: &Path, table: &mut Table) {
    let texts = texts(path);
    let is_loose = path.display().to_string().ends_with(".ndjson.gz")
        && !texts.first().is_some_and(|text| text.windows(8).any(|part| part == b"\"Bundle\""));
    if !is_loose {
        for text in texts {
            send(node, &text, table).await;
        }
        return;
    }
    for chunk in texts.chunks(BATCH_ENTRIES) {
        let entries: Vec<Value> = chunk
            .iter()
            .map(|text| {
                let resource: Value = serde_json::from_slice(text).unwrap();
                let part = |name: &str| resource[name].as_str().unwrap().to_owned();
                let url = format!("{}/{}", part("resourceType"), part("id"));
                json!({ "resource": resource, "request": { "method": "PUT", "url": url } })
            })
            .collect();
        let body = bundle("batch", &entries).to_string();
        send(node, body.as_bytes(), table).await;
    }
}

async fn load(node: &Node, files: &[PathBuf], shows: bool) -> Table {
    let mut all = Table::new();
    for path in files {
        let mut table = Table::new();
        send_file(node, path, &mut table).await;
        if shows {
            println!("{}", path.file_name().unwrap().display());
        }
        for (row, number) in table {
            if shows {
                println!("  {number:6} {row}");
            }
            *all.entry(row).or_default() += number;
        }
    }
    all
}

async fn twice(folders: &[&str]) {
    let Some(corpus) = corpus() else { return };
    for folder in folders {
        let node = Node::new().await;
        let mut found = Vec::new();
        files(&corpus.join(folder), &mut found);
        // Directories first, as every loader has it: references to them are by identifier.
        found.sort_by_key(|path| !path.display().to_string().contains("Information"));
        let first = load(&node, &found, true).await;
        println!("{folder}: {first:#?}");
        assert!(first.keys().all(|row| !row.starts_with('5')), "nothing fails");
        let second = load(&node, &found, false).await;
        println!("{folder} again: {second:#?}");
        // Its bundles create what has neither id nor uuid.
        let is_named = *folder != "fhir-negative";
        assert!(!is_named || !second.contains_key("201"), "no second copy");
        let verified = node.get("/api/v1/audit/verify").await.expect(200);
        assert_eq!(verified.at("/ok"), true);
    }
}

#[tokio::test]
async fn synthea_and_examples_load_once() {
    twice(&["fhir-synthea", "fhir-r4-examples", "fhir-bulk", "devices-fhir"]).await;
}

#[tokio::test]
async fn mimic_loads_once() {
    twice(&["fhir-mimic-demo"]).await;
}

#[tokio::test]
async fn broken_resources_are_refused_with_codes() {
    twice(&["fhir-negative", "fhir-eob", "fhir-measure-patients"]).await;
}
