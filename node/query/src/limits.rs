//! Every limit of queries, by name (LIM-1). Past one, callers get an error that says which.

/// Bytes of a query's text.
pub const TEXT_BYTES_MAX: usize = 4_096;
/// Depth of parentheses and functions in a query, as the parser counts them.
pub const PARSE_DEPTH_MAX: usize = 32;
/// Depth of a compiled expression.
pub const EXPRESSION_DEPTH_MAX: usize = 64;
/// Columns of an answer.
pub const OUTPUTS_MAX: usize = 128;
/// Expressions in `group by`.
pub const GROUP_KEYS_MAX: usize = 8;
/// Different aggregates in one query.
pub const AGGREGATES_MAX: usize = 64;
/// Expressions in `order by`.
pub const ORDERS_MAX: usize = 8;
/// Rows of an answer when the query names no limit.
pub const ROWS_DEFAULT: usize = 1_000;
/// Rows of an answer.
pub const ROWS_MAX: usize = 10_000;
/// Groups of one query.
pub const GROUPS_MAX: usize = 100_000;
/// Facilities whose rows one query makes.
pub const FACILITIES_MAX: usize = 1_000;
/// Rows read before other tasks get their turn.
pub const PAGE_ROWS: usize = 1_000;
/// Parts of a scan that run at once.
pub const PARTS_MAX: usize = 8;
/// Queries that run at once in one process; more are refused with a retry hint.
pub const QUERIES_IN_FLIGHT_MAX: usize = 16;
/// When to try again after such a refusal, in milliseconds.
pub const RETRY_AFTER_MS: u64 = 200;
/// How long a query may take, in milliseconds: shorter than the age at which snapshots are
/// refused, so that an answer is of one version.
pub const DEADLINE_MS: u64 = 4_500;
/// How long a first query waits for rows of older data, in milliseconds.
pub const FILL_WAIT_MS: u64 = 250;
/// Bytes of the query's text in an audit record.
pub const AUDIT_TEXT_BYTES_MAX: usize = 1_024;

const _: () = assert!(DEADLINE_MS * 1_000 < actors_store::limits::TRANSACTION_WINDOW_MICROS_MAX);
const _: () = assert!(ROWS_DEFAULT <= ROWS_MAX);
const _: () = assert!(PAGE_ROWS <= actors_store::limits::RANGE_ITEMS_MAX);
const _: () = assert!(AUDIT_TEXT_BYTES_MAX + 256 < actors_runtime::limits::NAME_BYTES_MAX);

/// What one query may take; never more than the constants here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryLimits {
    /// Rows of the answer.
    pub rows_max: usize,
    /// Groups.
    pub groups_max: usize,
    /// Milliseconds.
    pub deadline_ms: u64,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self { rows_max: ROWS_MAX, groups_max: GROUPS_MAX, deadline_ms: DEADLINE_MS }
    }
}

impl QueryLimits {
    /// These limits, held to the constants.
    #[must_use]
    pub(crate) fn bounded(self) -> Self {
        Self {
            rows_max: self.rows_max.clamp(1, ROWS_MAX),
            groups_max: self.groups_max.clamp(1, GROUPS_MAX),
            deadline_ms: self.deadline_ms.clamp(1, DEADLINE_MS),
        }
    }
}
