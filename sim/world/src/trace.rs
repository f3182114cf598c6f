//! What happened, as a hash that two runs of one seed must share, and as lines for people when
//! they are asked for. No line holds contents of messages, only their lengths and checksums.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// Events between two marks of the cumulative hash.
const MARK_EVENTS: u64 = 1_000;
/// Lines kept at most; later ones only enter the hash.
pub const LINES_MAX: usize = 400_000;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When, microseconds of the world.
    pub at_micros: u64,
    /// At which host; the world itself has none.
    pub host: Option<u8>,
    /// What kind of thing: `boot`, `send`, `fault` and so on.
    pub kind: &'static str,
    /// Details: numbers and names, no patient data.
    pub text: String,
}

#[derive(Debug, Default)]
struct Kept {
    hash: u64,
    events: u64,
    marks: Vec<u64>,
    lines: Vec<Line>,
}

/// The trace of a run.
#[derive(Debug)]
pub struct Trace {
    keeps_lines: bool,
    kept: Mutex<Kept>,
}

/// What a run left of its trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TraceSummary {
    /// Hash over all events in order.
    pub hash: u64,
    /// Number of events.
    pub events: u64,
    /// The hash after each thousand events: where two runs part is between two of these.
    pub marks: Vec<u64>,
}

impl Trace {
    /// An empty trace that keeps its lines or only hashes them.
    #[must_use]
    pub fn new(keeps_lines: bool) -> Self {
        Self { keeps_lines, kept: Mutex::new(Kept::default()) }
    }

    /// Whether lines are kept, for callers whose text is costly to make.
    #[must_use]
    pub const fn keeps_lines(&self) -> bool {
        self.keeps_lines
    }

    /// Notes an event by numbers that tell it from others; `text` is asked for only when lines
    /// are kept.
    pub fn note(
        &self,
        (at_micros, host): (u64, Option<u8>),
        kind: &'static str,
        numbers: &[u64],
        text: impl FnOnce() -> String,
    ) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = host.map_or(u64::MAX, u64::from);
        let mut hash = mix(kept.hash, at_micros);
        hash = mix(hash, place);
        hash = mix(hash, u64::from(crc32c::crc32c(kind.as_bytes())));
        hash = numbers.iter().fold(hash, |hash, number| mix(hash, *number));
        kept.hash = hash;
        kept.events += 1;
        if kept.events.is_multiple_of(MARK_EVENTS) {
            kept.marks.push(hash);
        }
        if self.keeps_lines && kept.lines.len() < LINES_MAX {
            kept.lines.push(Line { at_micros, host, kind, text: text() });
        }
    }

    /// The hash so far.
    #[must_use]
    pub fn summary(&self) -> TraceSummary {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        TraceSummary { hash: kept.hash, events: kept.events, marks: kept.marks.clone() }
    }

    /// Takes the lines out.
    #[must_use]
    pub fn take_lines(&self) -> Vec<Line> {
        std::mem::take(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner).lines)
    }
}

fn mix(hash: u64, number: u64) -> u64 {
    let mixed = (hash.rotate_left(5) ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_place_and_kind_count() {
        let hash = |events: &[(u64, Option<u8>, &'static str)]| {
            let trace = Trace::new(false);
            for (at, host, kind) in events {
                trace.note((*at, *host), kind, &[], String::new);
            }
            trace.summary().hash
        };
        let first = hash(&[(1, None, "boot"), (2, Some(1), "send")]);
        assert_eq!(first, hash(&[(1, None, "boot"), (2, Some(1), "send")]));
        assert_ne!(first, hash(&[(2, Some(1), "send"), (1, None, "boot")]));
        assert_ne!(first, hash(&[(1, None, "boot"), (2, Some(2), "send")]));
        assert_ne!(first, hash(&[(1, None, "halt"), (2, Some(1), "send")]));
    }
}
