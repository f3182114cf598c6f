//! What the verifier found, in words and numbers. Texts name places, never contents (PHI-1).

use crate::limits::FINDING_DETAIL_BYTES_MAX;
use schema_types::error_code::ErrorCode;
use schema_types::ids::ShardId;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// A row is cut off or of an unknown format.
    RowMalformed,
    /// A record does not hash to the leaf hash beside it: one of the two was altered.
    LeafHashMismatch,
    /// A row's running digest continues neither the log nor the row before: one of the two rows
    /// was altered, moved, inserted or put in the place of a deleted one.
    ChainMismatch,
    /// The caller's check refused the record.
    RecordInvalid,
    /// Indexes are missing in the middle of the log.
    Missing,
    /// An index came twice in a row.
    Duplicated,
    /// An index came after a higher one.
    OutOfOrder,
    /// The records up to a trusted head do not have its root.
    RootMismatch,
    /// A trusted head is larger than the log: its end was cut off, or an old copy put in place.
    Truncated,
    /// More records follow the last trusted head than the rules allow: records were appended by
    /// somebody without the key, or heads were removed.
    Uncovered,
    /// A stored head is not a head.
    HeadMalformed,
    /// A stored head's signature does not verify.
    HeadSignature,
    /// A stored head names a key that the caller does not trust.
    HeadKeyUnknown,
    /// A stored head belongs to another shard.
    HeadShard,
    /// A stored head is stored under another size than its own.
    HeadPlace,
    /// Trusted heads contradict each other: the key signed two histories.
    HeadFork,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// Where: a record's index; for `RootMismatch` and the heads' kinds the head's size.
    pub index: u64,
    /// A sentence for the operator.
    pub detail: String,
}

/// The verdict over one shard's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whose log.
    pub shard: ShardId,
    /// Rows that were read.
    pub records: u64,
    /// Nothing was found.
    pub ok: bool,
    /// The first bad index: the first place of evidence, or, when only a head's root differs, the
    /// lowest index that can be bad. `None` when every record is sound and only heads are wrong.
    pub first_bad: Option<u64>,
    /// `first_bad` is proven: it is bad and a trusted head vouches for every record before it.
    /// Otherwise the first bad index lies in `proven_below..=first_bad_at_most`.
    pub first_bad_is_exact: bool,
    /// The highest index that can be the first bad one.
    pub first_bad_at_most: Option<u64>,
    /// Every record below this index is what a trusted head vouches for.
    pub proven_below: u64,
    /// Every record below this index is what a head from outside the store vouches for: it holds
    /// even against somebody who has the signing key.
    pub anchored_below: u64,
    /// Trusted heads that were compared with the records.
    pub heads_checked: u64,
    /// How many of them came from outside the store.
    pub anchors_checked: u64,
    /// What is wrong, rows first, in order; at most [`crate::limits::FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// Findings beyond that number.
    pub findings_dropped: u64,
}

impl Report {
    /// The stable code for users when something is wrong.
    #[must_use]
    pub const fn code(&self) -> Option<ErrorCode> {
        if self.ok { None } else { Some(ErrorCode::AuditBroken) }
    }
}

/// Collects findings up to a limit.
#[derive(Debug, Clone)]
pub(crate) struct Findings {
    pub(crate) kept: Vec<Finding>,
    pub(crate) dropped: u64,
    max: usize,
}

impl Findings {
    pub(crate) const fn new(max: usize) -> Self {
        Self { kept: Vec::new(), dropped: 0, max }
    }

    pub(crate) fn add(&mut self, kind: FindingKind, index: u64, detail: impl Into<String>) {
        if self.kept.len() >= self.max {
            self.dropped += 1;
            return;
        }
        self.kept.push(Finding { kind, index, detail: shortened(detail.into()) });
    }
}

fn shortened(mut detail: String) -> String {
    let mut end = FINDING_DETAIL_BYTES_MAX.min(detail.len());
    while !detail.is_char_boundary(end) {
        end -= 1;
    }
    detail.truncate(end);
    detail
}
