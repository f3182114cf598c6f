//! Planted bugs: small realistic mistakes that the simulator must notice, so that it can be
//! measured. [`planted!`](crate::planted) is a constant `false` without the feature `mutations`;
//! with it, one bug can be selected for the life of a process. The catalogue, with what each bug
//! is and which invariant it breaks, is in `sim/runner/mutations`.

#[cfg(feature = "mutations")]
use std::sync::OnceLock;
#[cfg(feature = "mutations")]
use std::sync::atomic::{AtomicU64, Ordering};

/// Whether this build holds the planted bugs. A binary for users refuses to be built with them.
pub const COMPILED: bool = cfg!(feature = "mutations");

#[cfg(feature = "mutations")]
static SELECTED: OnceLock<String> = OnceLock::new();
#[cfg(feature = "mutations")]
static REACHED: AtomicU64 = AtomicU64::new(0);

/// Why a bug was not selected.
#[cfg(feature = "mutations")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the planted bug {selected} is selected already, and one process has at most one")]
pub struct AlreadySelected {
    /// The id that was selected first.
    pub selected: String,
}

/// Selects the one bug of this process, by its id in the catalogue; whoever selects has read the
/// id there, for an id that is not in the code changes nothing. Call it before the first node is
/// started.
///
/// # Errors
/// A bug was selected before.
#[cfg(feature = "mutations")]
pub fn select(id: &str) -> Result<(), AlreadySelected> {
    SELECTED
        .set(id.to_owned())
        .map_err(|_refused| AlreadySelected { selected: selected().unwrap_or_default().to_owned() })
}

/// The bug that was selected, if one was.
#[cfg(feature = "mutations")]
#[must_use]
pub fn selected() -> Option<&'static str> {
    SELECTED.get().map(String::as_str)
}

/// How often the place of the selected bug was reached: a bug that no run reaches needs another
/// workload or fault, one that is reached and not noticed needs another check.
#[cfg(feature = "mutations")]
#[must_use]
pub fn reached() -> u64 {
    REACHED.load(Ordering::Relaxed)
}

/// Whether the bug is selected. Called by [`planted!`](crate::planted).
#[cfg(feature = "mutations")]
#[must_use]
pub fn is_selected(id: &'static str) -> bool {
    let hit = selected() == Some(id);
    if hit {
        REACHED.fetch_add(1, Ordering::Relaxed);
    }
    hit
}

/// Whether the bug is selected: never, in a build without the feature. Inlined to nothing, and not
/// `const`, so that a place where the other one cannot stand is found by every build.
#[cfg(not(feature = "mutations"))]
#[must_use]
#[inline(always)]
pub fn is_selected(_id: &'static str) -> bool {
    false
}

/// Whether the planted bug with this id is selected: `planted!("fence-not-compared")`. Each id
/// stands once in the code and once in the catalogue (`sim/runner/mutations`).
#[macro_export]
macro_rules! planted {
    ($id:literal) => {
        $crate::mutation::is_selected($id)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bug_is_selected_and_only_its_place_counts() {
        assert!(!crate::planted!("env-test-one"), "nothing is selected at first");
        assert_eq!((selected(), reached()), (None, 0));
        select("env-test-one").unwrap();
        assert!(is_selected("env-test-one"));
        assert!(!is_selected("env-test-other"));
        assert_eq!((selected(), reached()), (Some("env-test-one"), 1));
        let again = AlreadySelected { selected: "env-test-one".to_owned() };
        assert_eq!(select("env-test-other"), Err(again));
    }
}
