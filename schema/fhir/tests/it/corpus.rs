//! The public corpus, where `MEDULLA_CORPUS` names it: who is accepted, who is refused and why.

use crate::context;
use flate2::read::GzDecoder;
use schema_fhir::bundle::Resolution;
use schema_fhir::{BundlePlan, Limits, Resource, extract};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Sets of which every JSON resource must be accepted.
const ACCEPTED: [&str; 7] = [
    "fhir-r4-examples",
    "fhir-synthea",
    "fhir-mimic-demo",
    "fhir-measure-patients",
    "devices-fhir",
    "fhir-bulk",
    "fhir-eob",
];

#[expect(clippy::disallowed_methods, reason = "tests find the corpus by environment")]
fn corpus() -> Option<PathBuf> {
    let found = std::env::var("MEDULLA_CORPUS").ok().map(PathBuf::from);
    if found.is_none() {
        println!("skipped: MEDULLA_CORPUS is not set");
    }
    found
}

/// The JSON documents below a folder, each with a name: files, lines and archive members.
fn documents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let raw = fs::read(&path).unwrap();
            if name.ends_with(".tar.gz") {
                members(&raw, &mut found);
                continue;
            }
            let (name, bytes) = match name.strip_suffix(".gz") {
                Some(plain) => (plain.to_owned(), gunzip(&raw)),
                None => (name, raw),
            };
            if name.ends_with(".json") {
                found.push((name, bytes));
            } else if name.ends_with(".ndjson") {
                let lines = bytes.split(|byte| *byte == b'\n').enumerate();
                let lines = lines.filter(|(_, line)| !line.is_empty());
                found.extend(lines.map(|(n, line)| (format!("{name}:{}", n + 1), line.to_vec())));
            }
        }
    }
    found
}

fn gunzip(raw: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(raw).read_to_end(&mut bytes).unwrap();
    bytes
}

fn members(raw: &[u8], found: &mut Vec<(String, Vec<u8>)>) {
    let mut archive = tar::Archive::new(GzDecoder::new(raw));
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".json") {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            found.push((name, bytes));
        }
    }
}

#[derive(Default)]
struct Tally {
    resources: usize,
    observations: usize,
    measured: usize,
    patients: usize,
}

/// The verdict on one document, as `POST` would give it.
fn verdict(bytes: &[u8], tally: &mut Tally) -> Result<(), String> {
    let limits = Limits::default();
    let resource = Resource::parse(bytes, &limits).map_err(|error| error.to_string())?;
    let kind = resource.value()["type"].as_str().unwrap_or_default();
    let processed = matches!(kind, "transaction" | "batch" | "collection");
    if resource.resource_type() != "Bundle" || !processed {
        if let Some(first) = resource.validate().first() {
            return Err(first.to_string());
        }
        count(&resource, tally);
        return Ok(());
    }
    let mut plan = BundlePlan::parse(resource, &limits).map_err(|list| list[0].to_string())?;
    if let Some((_, problem)) = plan.refused.first() {
        return Err(problem.to_string());
    }
    let mut next = 0_u32;
    plan.assign_ids(&mut |_| {
        next += 1;
        Ok(format!("new-{next}"))
    })
    .map_err(|list| list[0].to_string())?;
    plan.rewrite_references(&mut |_, _| Resolution::Keep).map_err(|list| list[0].to_string())?;
    for entry in &plan.entries {
        if let Some(resource) = &entry.resource {
            count(resource, tally);
        }
    }
    Ok(())
}

fn count(resource: &Resource, tally: &mut Tally) {
    let facts = extract(resource, &context());
    tally.resources += 1;
    tally.observations += facts.observations.len();
    tally.measured += facts.observations.iter().filter(|one| one.measured.is_some()).count();
    tally.patients += usize::from(facts.patient_reference.is_some());
}

#[test]
fn accepts_the_public_sets() {
    let Some(corpus) = corpus() else { return };
    let mut refused_total = 0;
    println!(
        "{:24}{:>9}{:>9}{:>11}{:>13}{:>10}{:>10}",
        "set", "documents", "refused", "resources", "observations", "measured", "patients"
    );
    for set in ACCEPTED {
        let mut tally = Tally::default();
        let mut reasons: BTreeMap<String, (usize, String)> = BTreeMap::new();
        let documents = documents(&corpus.join(set));
        assert!(!documents.is_empty(), "{set} is empty");
        for (name, bytes) in &documents {
            if let Err(reason) = verdict(bytes, &mut tally) {
                let found = reasons.entry(reason).or_insert((0, name.clone()));
                found.0 += 1;
            }
        }
        let refused: usize = reasons.values().map(|(count, _)| count).sum();
        refused_total += refused;
        println!(
            "{set:24}{:>9}{refused:>9}{:>11}{:>13}{:>10}{:>10}",
            documents.len(),
            tally.resources,
            tally.observations,
            tally.measured,
            tally.patients
        );
        for (reason, (count, example)) in reasons.iter().take(40) {
            println!("    {count} x {reason} ({example})");
        }
    }
    assert_eq!(refused_total, 0);
}

/// The verdicts of the HL7 Java validator beside ours. It also checks terminology and profiles, so
/// only this much is asserted: what it finds free of errors is accepted.
#[test]
fn agrees_with_the_validator_on_what_is_sound() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("fhir-negative");
    let expected = fs::read_to_string(folder.join("validator-cases.expected.tsv")).unwrap();
    let mut documents_found = Vec::new();
    members(&fs::read(folder.join("validator-cases.tar.gz")).unwrap(), &mut documents_found);
    let mut counts = [[0_usize; 2]; 2];
    let mut too_strict = Vec::new();
    for (name, bytes) in &documents_found {
        let name = name.rsplit('/').next().unwrap();
        let row = expected.lines().find(|line| line.split('\t').next() == Some(name));
        let Some(row) = row else { continue };
        let cells: Vec<&str> = row.split('\t').collect();
        let sound = cells[2] == "0" && cells[3] == "0";
        let ours = verdict(bytes, &mut Tally::default());
        counts[usize::from(sound)][usize::from(ours.is_ok())] += 1;
        match &ours {
            Err(reason) if sound => too_strict.push(format!("{name}: {reason}")),
            Err(reason) => println!("refused {name}: {reason}"),
            Ok(()) if !sound => println!("passed {name}: {}", cells[6]),
            Ok(()) => {}
        }
    }
    println!(
        "unsound: {} refused, {} passed; sound: {} refused, {} passed",
        counts[0][0], counts[0][1], counts[1][0], counts[1][1]
    );
    println!("{too_strict:#?}");
    assert_eq!(too_strict, Vec::<String>::new());
}

/// Files made for another server's tests that FHIR R4 forbids, and the rule that each breaks.
const UNSOUND: &[(&str, &str)] = &[
    ("Bundle-Batch.json", "MED-FHIR-005"),
    ("Bundle-BatchWithConditionalUpdateByIdentifier.json", "MED-FHIR-002"),
    ("Bundle-BatchWithDuplicatedItems.json", "MED-FHIR-009"),
    ("Bundle-BatchWithInvalidEleEnums.json", "MED-FHIR-002"),
    ("Bundle-TransactionForRollBackWithDelete.json", "MED-FHIR-007"),
    ("Bundle-TransactionWithConditionalCreateAndReference.json", "MED-FHIR-002"),
    ("Bundle-TransactionWithConditionalReferenceReferringToSameResource.json", "MED-FHIR-007"),
    ("Bundle-TransactionWithForeignReferenceInResourceBody.json", "MED-FHIR-008"),
    ("Bundle-TransactionWithInvalidProcessingRoutes.json", "MED-FHIR-009"),
    ("Bundle-TransactionWithMultipleEntriesModifyingSameResource.json", "MED-FHIR-007"),
    ("Bundle-TransactionWithPOSTFullUrlMatchesWithPUTRequestUrl.json", "MED-FHIR-007"),
    ("Bundle-TypeMissing.json", "MED-FHIR-002"),
    ("DocumentReference-example-relatesTo-code-transforms.indexes.json", "MED-FHIR-001"),
    ("Observation-For-Patient-f001.json", "MED-FHIR-002"),
    ("ObservationWithBloodPressure.json", "MED-FHIR-002"),
    ("ObservationWithTemperature.json", "MED-FHIR-002"),
    ("PatientWithUnknownElements.json", "MED-FHIR-002"),
    ("SearchParameterMissingBase.json", "MED-FHIR-002"),
    ("SearchParameterMissingExpression.json", "MED-FHIR-002"),
    ("SearchParameterMissingType.json", "MED-FHIR-002"),
];

#[test]
fn refuses_of_server_resources_what_is_unsound() {
    let Some(corpus) = corpus() else { return };
    let mut found = Vec::new();
    let archive = corpus.join("fhir-negative/server-test-resources.tar.gz");
    members(&fs::read(archive).unwrap(), &mut found);
    let mut refused = BTreeMap::new();
    for (name, bytes) in &found {
        if let Err(reason) = verdict(bytes, &mut Tally::default()) {
            println!("{name}: {reason}");
            let name = name.rsplit('/').next().unwrap().to_owned();
            refused.insert(name, reason.split([' ', ':']).next().unwrap().to_owned());
        }
    }
    println!("{} of {} refused", refused.len(), found.len());
    let expected: BTreeMap<String, String> =
        UNSOUND.iter().map(|(name, code)| ((*name).to_owned(), (*code).to_owned())).collect();
    assert_eq!(refused, expected);
}

/// Number tokens outside strings, as written, exponents with lower-case letter and sign.
fn numbers(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut in_string = false;
    let mut escaped = false;
    for character in text.chars() {
        if in_string {
            in_string = escaped || character != '"';
            escaped = character == '\\' && !escaped;
            continue;
        }
        in_string = character == '"';
        let number = character.is_ascii_digit() || "+-.eE".contains(character);
        let last = found.last_mut().unwrap();
        match number {
            true => last.push(character.to_ascii_lowercase()),
            false if !last.is_empty() => found.push(String::new()),
            false => {}
        }
    }
    found.retain(|token| token.contains(|c: char| c.is_ascii_digit()));
    found
}

#[test]
fn official_examples_keep_their_decimals() {
    let Some(corpus) = corpus() else { return };
    let mut total = 0;
    for (name, bytes) in documents(&corpus.join("fhir-r4-examples")) {
        let resource = Resource::parse(&bytes, &Limits::default()).unwrap();
        let sent = numbers(std::str::from_utf8(&bytes).unwrap());
        let kept = numbers(std::str::from_utf8(&resource.to_json()).unwrap());
        assert_eq!(sent, kept, "{name}");
        total += sent.len();
    }
    println!("{total} numbers kept as sent");
    assert!(total > 500);
}
