//! Every bound of the checkers themselves, by name (LIM-1). What passes one is reported as not
//! checked or as dropped, never left out in silence.

/// Commands of one patient for which linearizability is decided; more are reported as not checked.
pub const LINEARIZABLE_COMMANDS_MAX: usize = 200;
/// Steps of the search for one patient; then it gives up, and that is reported.
pub const LINEARIZABLE_STEPS_MAX: usize = 100_000;
/// Violations of one property that are kept; more are counted.
pub const VIOLATIONS_KEPT_MAX: usize = 100;
/// Commits that a [`crate::CommitLog`] keeps; more are counted and make the log incomplete.
pub const COMMITS_MAX: usize = 1_000_000;
/// Keys of one page when a range is read to its end.
pub const PAGE_ITEMS_MAX: usize = 1_000;
/// Shortest canary that is searched for; shorter ones would be found by chance.
pub const CANARY_BYTES_MIN: usize = 6;
/// Operations before the first fault below which goodput is not compared.
pub const GOODPUT_OPERATIONS_MIN: usize = 50;

const _: () = assert!(PAGE_ITEMS_MAX <= actors_store::limits::RANGE_ITEMS_MAX);
