//! What became of what was sent: counts per folder and kind, and per code.

use crate::client::delivery::Fate;
use crate::screen::{Screen, Table};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Counts of one folder and kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) files: u64,
    pub(crate) skipped: u64,
    pub(crate) messages: u64,
    pub(crate) accepted: u64,
    pub(crate) duplicate: u64,
    pub(crate) quarantined: u64,
    pub(crate) failed: u64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.skipped += other.skipped;
        self.messages += other.messages;
        self.accepted += other.accepted;
        self.duplicate += other.duplicate;
        self.quarantined += other.quarantined;
        self.failed += other.failed;
    }
}

/// Counts of a whole run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// By folder and kind.
    groups: BTreeMap<String, Counts>,
    /// Quarantined and failed, by code or reason.
    codes: BTreeMap<String, u64>,
    /// Why files were skipped.
    skipped: BTreeMap<&'static str, u64>,
    /// Entries that the node refused within bundles that it took.
    entries_refused: u64,
}

/// How many lines of reasons a person gets.
const REASONS_SHOWN_MAX: usize = 30;

impl Tally {
    fn group(&mut self, group: &str) -> &mut Counts {
        if !self.groups.contains_key(group) {
            self.groups.insert(group.to_owned(), Counts::default());
        }
        self.groups.entry(group.to_owned()).or_default()
    }

    pub(crate) fn file(&mut self, group: &str) {
        self.group(group).files += 1;
    }

    /// A file that holds nothing to send, or for which there is nowhere to send it.
    pub(crate) fn skip(&mut self, group: &str, reason: &'static str) {
        self.group(group).skipped += 1;
        *self.skipped.entry(reason).or_default() += 1;
    }

    pub(crate) fn message(&mut self, group: &str, fate: &Fate) {
        let counts = self.group(group);
        counts.messages += 1;
        let code = match fate {
            Fate::Accepted => {
                counts.accepted += 1;
                return;
            }
            Fate::Duplicate => {
                counts.duplicate += 1;
                return;
            }
            Fate::Quarantined(code) => {
                counts.quarantined += 1;
                code.clone()
            }
            Fate::Failed(reason) => {
                counts.failed += 1;
                format!("failed: {reason}")
            }
        };
        *self.codes.entry(code).or_default() += 1;
    }

    /// An entry that was refused within a batch that was taken.
    pub(crate) fn refused_entry(&mut self, code: &str) {
        self.entries_refused += 1;
        *self.codes.entry(format!("entry: {code}")).or_default() += 1;
    }

    pub(crate) fn total(&self) -> Counts {
        let mut total = Counts::default();
        self.groups.values().for_each(|counts| total.add(counts));
        total
    }

    /// The JSON that programs read.
    pub(crate) fn json(&self, seconds: f64) -> Value {
        let Counts { files, skipped, messages, accepted, duplicate, quarantined, failed } =
            self.total();
        json!({
            "files": files,
            "messages": messages,
            "accepted": accepted,
            "duplicate": duplicate,
            "quarantined": quarantined,
            "failed": failed,
            "skipped": skipped,
            "entries_refused": self.entries_refused,
            "codes": self.codes,
            "skipped_because": self.skipped,
            "seconds": seconds,
        })
    }

    /// The tables that people read.
    pub(crate) fn print(&self, screen: &Screen) {
        let mut table = Table::new(&[
            "what",
            "files",
            "skipped",
            "messages",
            "accepted",
            "duplicate",
            "quarantined",
            "failed",
        ]);
        let total = self.total();
        let named = self.groups.iter().map(|(name, counts)| (name.as_str(), counts));
        for (name, counts) in named.chain([("total", &total)]) {
            let numbers = [
                counts.files,
                counts.skipped,
                counts.messages,
                counts.accepted,
                counts.duplicate,
                counts.quarantined,
                counts.failed,
            ];
            let numbers = numbers.iter().map(ToString::to_string);
            table.row(std::iter::once(name.to_owned()).chain(numbers));
        }
        table.lines().iter().for_each(|line| screen.note(line));
        let skipped = self.skipped.iter().map(|(why, count)| (format!("skipped: {why}"), *count));
        let reasons = self.codes.iter().map(|(code, count)| (code.clone(), *count)).chain(skipped);
        for (reason, count) in reasons.take(REASONS_SHOWN_MAX) {
            screen.note(format!("{count:>8}  {reason}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_have_the_documented_keys() {
        let mut tally = Tally::default();
        tally.file("a (hl7)");
        tally.file("b (fhir)");
        tally.skip("b (other)", "not data");
        let quarantined = Fate::Quarantined("MED-HL7-009".to_owned());
        for fate in [Fate::Accepted, Fate::Accepted, Fate::Duplicate, quarantined] {
            tally.message("a (hl7)", &fate);
        }
        tally.message("b (fhir)", &Fate::Failed("HTTP 500".to_owned()));
        tally.refused_entry("MED-FHIR-002");
        let shown = tally.json(1.5);
        let expected = [
            ("files", 2),
            ("messages", 5),
            ("accepted", 2),
            ("duplicate", 1),
            ("quarantined", 1),
            ("failed", 1),
            ("skipped", 1),
            ("entries_refused", 1),
        ];
        for (key, value) in expected {
            assert_eq!(shown[key], json!(value), "{key}");
        }
        assert_eq!(shown["codes"]["MED-HL7-009"], json!(1));
        assert_eq!(shown["codes"]["failed: HTTP 500"], json!(1));
        assert_eq!(shown["seconds"], json!(1.5));
    }
}
