//! Marks in the code that tests, simulation and operators count: `always!` guards an invariant
//! (a counter in production, a panic in debug builds), `sometimes!` proves that a rare branch
//! was seen. Metrics export is not here; it reads [`snapshot`].

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Which of the two macros a mark belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MarkKind {
    /// `always!`: its count is the number of violations, which should be zero.
    Always,
    /// `sometimes!`: its count is the number of times the branch was seen.
    Sometimes,
}

/// One marked place. Made by the macros, as a `static`.
#[derive(Debug)]
pub struct Mark {
    kind: MarkKind,
    id: &'static str,
    message: &'static str,
    count: AtomicU64,
    registered: AtomicBool,
}

/// Count of one mark at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MarkCount {
    /// Kind of the mark.
    pub kind: MarkKind,
    /// Invariant id such as `ACK-1`, or the name given to `sometimes!`.
    pub id: &'static str,
    /// Constant text of the place; empty for `sometimes!`.
    pub message: &'static str,
    /// How often it was violated (`always!`) or seen (`sometimes!`).
    pub count: u64,
}

static REGISTRY: Mutex<Vec<&'static Mark>> = Mutex::new(Vec::new());

impl Mark {
    /// A mark with count zero; `const` so that it can be a `static`.
    #[must_use]
    pub const fn new(kind: MarkKind, id: &'static str, message: &'static str) -> Self {
        Self { kind, id, message, count: AtomicU64::new(0), registered: AtomicBool::new(false) }
    }

    /// Counts one occurrence; the first one makes the mark visible to [`snapshot`].
    pub fn hit(&'static self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if !self.registered.swap(true, Ordering::AcqRel) {
            REGISTRY.lock().unwrap_or_else(PoisonError::into_inner).push(self);
        }
    }
}

/// Counts of all marks that were hit at least once, sorted.
#[must_use]
pub fn snapshot() -> Vec<MarkCount> {
    let marks = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
    let mut counts: Vec<MarkCount> = marks
        .iter()
        .map(|mark| MarkCount {
            kind: mark.kind,
            id: mark.id,
            message: mark.message,
            count: mark.count.load(Ordering::Relaxed),
        })
        .collect();
    counts.sort_unstable();
    counts
}

/// Guards an invariant: `always!(condition, "ACK-1", "reply before its commit")`. A violation is
/// counted in production and panics in debug builds.
#[macro_export]
macro_rules! always {
    ($condition:expr, $id:literal, $message:literal) => {{
        static MARK: $crate::marks::Mark =
            $crate::marks::Mark::new($crate::marks::MarkKind::Always, $id, $message);
        if !$condition {
            MARK.hit();
            debug_assert!(false, concat!($id, ": ", $message));
        }
    }};
}

/// Marks a rare branch: `sometimes!(condition, "log.torn_tail")` counts when it was seen.
#[macro_export]
macro_rules! sometimes {
    ($condition:expr, $name:literal) => {{
        static MARK: $crate::marks::Mark =
            $crate::marks::Mark::new($crate::marks::MarkKind::Sometimes, $name, "");
        if $condition {
            MARK.hit();
        }
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(id: &str) -> u64 {
        snapshot().iter().filter(|mark| mark.id == id).map(|mark| mark.count).sum()
    }

    #[test]
    fn sometimes_counts_only_when_true() {
        for seen in [false, true, true] {
            crate::sometimes!(seen, "marks.test_seen");
        }
        assert_eq!(count("marks.test_seen"), 2);
    }

    #[test]
    fn always_is_silent_when_it_holds() {
        crate::always!(1 + 1 == 2, "TEST-1", "arithmetic");
        assert_eq!(count("TEST-1"), 0);
    }

    #[test]
    fn a_violated_invariant_panics_in_debug_and_counts() {
        let violated = std::panic::catch_unwind(|| {
            let sum = 2;
            crate::always!(sum == 3, "TEST-2", "arithmetic");
        });
        assert_eq!(violated.is_err(), cfg!(debug_assertions));
        assert_eq!(count("TEST-2"), 1);
    }
}
