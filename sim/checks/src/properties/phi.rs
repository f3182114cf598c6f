//! Patient data stay where they belong (PHI-1): strings that are patient data and occur nowhere
//! else are in no trace, no log, no error text and no metric. Letters are compared without case.
//!
//! One pass over each text for all canaries: four bytes are looked up in a small table of those
//! with which a canary begins, and only then compared.

use crate::evidence::Evidence;
use crate::findings::{Findings, Judge};
use crate::limits::CANARY_BYTES_MIN;

/// The property's name.
pub const NAME: &str = "no-patient-data";
/// What it enforces.
pub const INVARIANT: &str = "PHI-1";

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    let canaries: Vec<(usize, &[u8])> = evidence
        .canaries
        .iter()
        .map(|canary| canary.expose().as_bytes())
        .enumerate()
        .filter(|(_, canary)| canary.len() >= CANARY_BYTES_MIN)
        .collect();
    if canaries.len() < evidence.canaries.len() {
        let short = evidence.canaries.len() - canaries.len();
        judge.skip(format!("{short} canaries are too short to be searched for"));
    }
    let net = Net::of(&canaries);
    for collected in &evidence.texts {
        for (number, place) in net.catch(collected.text.as_bytes()) {
            let origin = &collected.origin;
            let detail = format!("canary {number} is in {origin} at byte {place}");
            judge.violate(INVARIANT, None, detail);
        }
    }
    judge.done()
}

const BEGIN_BYTES: usize = 4;
const SLOTS: usize = 1 << 12;

struct Net<'a> {
    canaries: &'a [(usize, &'a [u8])],
    /// Whether a canary begins so, by a hash of its first bytes.
    begins: Vec<bool>,
}

/// A hash of the first bytes, letters without case.
fn slot(begin: [u8; BEGIN_BYTES]) -> usize {
    let word = u32::from_le_bytes(begin) | 0x2020_2020;
    let mixed = word.wrapping_mul(0x9E37_79B1) >> 20;
    usize::try_from(mixed).unwrap_or(0) % SLOTS
}

impl<'a> Net<'a> {
    fn of(canaries: &'a [(usize, &'a [u8])]) -> Self {
        let mut begins = vec![false; SLOTS];
        for (_, canary) in canaries {
            if let Some(begin) = canary.first_chunk::<BEGIN_BYTES>() {
                begins[slot(*begin)] = true;
            }
        }
        Self { canaries, begins }
    }

    /// Which canaries are in a text, and where.
    fn catch(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let mut caught = Vec::new();
        if self.canaries.is_empty() {
            return caught;
        }
        for (place, window) in text.windows(BEGIN_BYTES).enumerate() {
            let Some(begin) = window.first_chunk::<BEGIN_BYTES>() else { continue };
            if self.begins[slot(*begin)] {
                self.compare(&text[place..], place, &mut caught);
            }
        }
        caught
    }

    fn compare(&self, rest: &[u8], place: usize, caught: &mut Vec<(usize, usize)>) {
        for (number, canary) in self.canaries {
            let begins_so = rest.get(..canary.len());
            if begins_so.is_some_and(|begin| begin.eq_ignore_ascii_case(canary)) {
                caught.push((*number, place));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::CollectedText;
    use crate::testing::{expect_violation, right_run, silent};
    use proptest::prelude::*;
    use schema_types::phi::Phi;

    #[test]
    fn canaries_are_found_and_not_repeated_phi_1() {
        let mut run = right_run();
        assert!(!run.canaries.is_empty() && !run.texts.is_empty());
        silent(check(&run));
        let secret = run.canaries[0].expose().to_uppercase();
        let text = format!("patient {secret} was admitted");
        run.texts.push(CollectedText { origin: "log of n1".to_owned(), text });
        let findings = check(&run);
        expect_violation(&findings, INVARIANT, "canary 0 is in log of n1 at byte 8");
        assert!(!format!("{findings:?}").contains(&secret));
    }

    #[test]
    fn short_canaries_are_not_searched_for() {
        let run = Evidence { canaries: vec![Phi::new("ab".to_owned())], ..Evidence::default() };
        assert_eq!(check(&run).unchecked.len(), 1);
    }

    proptest! {
        #[test]
        fn finds_what_a_plain_search_finds(
            text in "[abAB]{0,60}", canaries in proptest::collection::vec("[ab]{6,8}", 1..4)
        ) {
            let numbered: Vec<(usize, &[u8])> =
                canaries.iter().map(|canary| canary.as_bytes()).enumerate().collect();
            let caught = Net::of(&numbered).catch(text.as_bytes());
            let lower = text.to_lowercase();
            for (number, canary) in canaries.iter().enumerate() {
                let is_caught = caught.iter().any(|(which, _)| *which == number);
                prop_assert_eq!(is_caught, lower.contains(canary.as_str()));
            }
        }
    }
}
