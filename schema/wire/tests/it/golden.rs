//! Golden bytes: what was published decodes to the same value for ever, and its newest version
//! comes back as the same bytes. Files are only added: set `MEDULLA_UPDATE_GOLDEN` to write those
//! that are missing, and a next version where the stored form is another than published.

use crate::samples;
use schema_types::error_code::ErrorCode;
use schema_types::measure::Measure;
use schema_types::score::PARAMETERS;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The words that stored records name by number or by text, one a line: kind, number, name.
const WORDS: &str = "words.tsv";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

#[expect(clippy::disallowed_methods, reason = "golden bytes are written on request only")]
fn is_update() -> bool {
    std::env::var("MEDULLA_UPDATE_GOLDEN").is_ok()
}

#[test]
fn published_bytes_decode_to_the_same_values() {
    let mut names = BTreeSet::new();
    let mut problems = Vec::new();
    for sample in samples::all() {
        let named = |version: usize| format!("{}-v{version}.bin", sample.name);
        let mut versions = 0;
        let mut newest = None;
        while let Ok(bytes) = fs::read(folder().join(named(versions + 1))) {
            versions += 1;
            problems.extend(sample.decode(&bytes).err());
            newest = Some(bytes);
            assert!(names.insert(named(versions)), "{} is used twice", sample.name);
        }
        let is_current = newest.is_some_and(|bytes| sample.judge(&bytes).is_ok());
        if !is_current && is_update() {
            let name = named(versions + 1);
            fs::create_dir_all(folder()).unwrap();
            fs::write(folder().join(&name), &sample.encoded).unwrap();
            names.insert(name);
        } else if !is_current {
            problems.push(format!("{}: the stored form is not published", sample.name));
        }
    }
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".bin") && !names.contains(&name) {
            problems.push(format!("{name}: no sample has this name"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Another value, or other bytes of the same value, must be noticed.
#[test]
fn a_changed_golden_file_is_caught() {
    for sample in samples::all() {
        sample.judge(&sample.encoded).unwrap();
        let mut changed = sample.encoded.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(sample.judge(&changed).is_err(), "{}", sample.name);
    }
}

/// Words that `schema-types` owns and that stored records refer to.
fn words() -> Vec<String> {
    let measures = Measure::ALL.iter().map(|measure| {
        let number = measure.number();
        format!("measure\t{number}\t{}", measure.label())
    });
    let parameters = PARAMETERS
        .iter()
        .zip(1..)
        .map(|(name, number): (_, u16)| format!("score parameter\t{number}\t{name}"));
    let codes = ErrorCode::ALL.iter().map(|code| format!("error code\t\t{code}"));
    measures.chain(parameters).chain(codes).collect()
}

#[test]
fn published_words_keep_their_numbers() {
    let path = folder().join(WORDS);
    let mut published = fs::read_to_string(&path).unwrap_or_default();
    let words = words();
    let is_published = |text: &str, word: &String| text.lines().any(|line| line == word);
    if is_update() {
        let fresh: Vec<_> = words.iter().filter(|word| !is_published(&published, word)).collect();
        published.extend(fresh.into_iter().map(|word| format!("{word}\n")));
        fs::write(&path, &published).unwrap();
    }
    for line in published.lines() {
        assert!(words.iter().any(|word| word == line), "stored records still say: {line}");
    }
    let fresh: Vec<_> = words.iter().filter(|word| !is_published(&published, word)).collect();
    assert!(fresh.is_empty(), "run this test with MEDULLA_UPDATE_GOLDEN=1 to publish {fresh:?}");
}
