//! FoundationDB's error codes, as far as the adapter tells them apart, and what each means for a
//! commit and for a read. The numbers are those of `flow/error_definitions.h` of release 7.3.

use std::fmt;

/// An error code of FoundationDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code(pub i32);

/// What an error of a commit says about its effect, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No effect: something that was read has changed.
    Conflict,
    /// No effect: the read version is too old.
    TooOld,
    /// No effect: the transaction is larger than the cluster takes.
    TooLarge,
    /// No effect now; the same may succeed later.
    Transient,
    /// Perhaps it took effect, perhaps it will.
    Unknown,
    /// No effect: the client will never take it.
    Refused,
}

impl Code {
    /// The read version, or what was read at it, is no longer known.
    pub const TRANSACTION_TOO_OLD: Self = Self(1_007);
    /// The version is not there yet.
    pub const FUTURE_VERSION: Self = Self(1_009);
    /// Something that was read was written since.
    pub const NOT_COMMITTED: Self = Self(1_020);
    /// The commit may have taken effect.
    pub const COMMIT_UNKNOWN_RESULT: Self = Self(1_021);
    /// Taken back by the client.
    pub const TRANSACTION_CANCELLED: Self = Self(1_025);
    /// The transaction took longer than it may.
    pub const TRANSACTION_TIMED_OUT: Self = Self(1_031);
    /// A storage server lags behind.
    pub const PROCESS_BEHIND: Self = Self(1_037);
    /// An operator has locked the database.
    pub const DATABASE_LOCKED: Self = Self(1_038);
    /// The cluster was upgraded; a new transaction finds it again. A commit may have taken effect.
    pub const CLUSTER_VERSION_CHANGED: Self = Self(1_039);
    /// A commit proxy has no memory left for this.
    pub const COMMIT_PROXY_MEMORY_LIMIT: Self = Self(1_042);
    /// The rate keeper refuses work of low priority.
    pub const BATCH_THROTTLED: Self = Self(1_051);
    /// A read-version proxy has no memory left for this.
    pub const GRV_PROXY_MEMORY_LIMIT: Self = Self(1_078);
    /// The rate keeper refuses work with this tag.
    pub const TAG_THROTTLED: Self = Self(1_213);
    /// A proxy refuses work with this tag.
    pub const PROXY_TAG_THROTTLED: Self = Self(1_223);
    /// A version that no transaction can have.
    pub const VERSION_INVALID: Self = Self(2_011);
    /// More bytes than a transaction may have.
    pub const TRANSACTION_TOO_LARGE: Self = Self(2_101);
    /// A key is too long.
    pub const KEY_TOO_LARGE: Self = Self(2_102);
    /// A value is too long.
    pub const VALUE_TOO_LARGE: Self = Self(2_103);

    /// Misuse of the interface and wrong configuration: the client says so, nothing was sent.
    const REFUSED: std::ops::RangeInclusive<i32> = 2_000..=2_299;

    pub(crate) fn verdict(self) -> Verdict {
        match self {
            Self::NOT_COMMITTED => Verdict::Conflict,
            Self::TRANSACTION_TOO_OLD => Verdict::TooOld,
            Self::TRANSACTION_TOO_LARGE => Verdict::TooLarge,
            code if code.is_transient() => Verdict::Transient,
            code if Self::REFUSED.contains(&code.0) => Verdict::Refused,
            // Whatever is not known to be without effect may have one.
            Self(_) => Verdict::Unknown,
        }
    }

    /// Nothing happened, and trying again may help. With `NOT_COMMITTED` and
    /// `TRANSACTION_TOO_OLD` these are what the client calls retryable and not committed.
    pub(crate) fn is_transient(self) -> bool {
        [
            Self::FUTURE_VERSION,
            Self::PROCESS_BEHIND,
            Self::DATABASE_LOCKED,
            Self::COMMIT_PROXY_MEMORY_LIMIT,
            Self::BATCH_THROTTLED,
            Self::GRV_PROXY_MEMORY_LIMIT,
            Self::TAG_THROTTLED,
            Self::PROXY_TAG_THROTTLED,
        ]
        .contains(&self)
    }

    /// Whether a read that failed with it can be tried again: it changed nothing, so all but what
    /// the client will never take and what is too old.
    pub(crate) fn is_read_retryable(self) -> bool {
        match self.verdict() {
            Verdict::Conflict | Verdict::Transient | Verdict::Unknown => true,
            Verdict::TooOld | Verdict::TooLarge | Verdict::Refused => false,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::TRANSACTION_TOO_OLD => "transaction_too_old",
            Self::FUTURE_VERSION => "future_version",
            Self::NOT_COMMITTED => "not_committed",
            Self::COMMIT_UNKNOWN_RESULT => "commit_unknown_result",
            Self::TRANSACTION_CANCELLED => "transaction_cancelled",
            Self::TRANSACTION_TIMED_OUT => "transaction_timed_out",
            Self::PROCESS_BEHIND => "process_behind",
            Self::DATABASE_LOCKED => "database_locked",
            Self::CLUSTER_VERSION_CHANGED => "cluster_version_changed",
            Self::COMMIT_PROXY_MEMORY_LIMIT => "commit_proxy_memory_limit_exceeded",
            Self::BATCH_THROTTLED => "batch_transaction_throttled",
            Self::GRV_PROXY_MEMORY_LIMIT => "grv_proxy_memory_limit_exceeded",
            Self::TAG_THROTTLED => "tag_throttled",
            Self::PROXY_TAG_THROTTLED => "proxy_tag_throttled",
            Self::VERSION_INVALID => "version_invalid",
            Self::TRANSACTION_TOO_LARGE => "transaction_too_large",
            Self::KEY_TOO_LARGE => "key_too_large",
            Self::VALUE_TOO_LARGE => "value_too_large",
            Self(code) => return write!(formatter, "FoundationDB error {code}"),
        };
        write!(formatter, "FoundationDB error {} ({name})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_to_have_no_effect_counts_as_such() {
        for (code, expected) in [
            (Code::NOT_COMMITTED, Verdict::Conflict),
            (Code::TRANSACTION_TOO_OLD, Verdict::TooOld),
            (Code::TRANSACTION_TOO_LARGE, Verdict::TooLarge),
            (Code::PROCESS_BEHIND, Verdict::Transient),
            (Code::PROXY_TAG_THROTTLED, Verdict::Transient),
            (Code::COMMIT_UNKNOWN_RESULT, Verdict::Unknown),
            (Code::CLUSTER_VERSION_CHANGED, Verdict::Unknown),
            (Code::TRANSACTION_TIMED_OUT, Verdict::Unknown),
            (Code::TRANSACTION_CANCELLED, Verdict::Unknown),
            // Broken promise, cancelled operation, disk error, something new.
            (Code(1_100), Verdict::Unknown),
            (Code(1_101), Verdict::Unknown),
            (Code(1_510), Verdict::Unknown),
            (Code(4_999), Verdict::Unknown),
            (Code::KEY_TOO_LARGE, Verdict::Refused),
            (Code::VERSION_INVALID, Verdict::Refused),
        ] {
            assert_eq!(code.verdict(), expected, "{code}");
        }
    }

    #[test]
    fn a_read_is_tried_again_unless_that_is_useless() {
        for (code, expected) in [
            (Code::FUTURE_VERSION, true),
            (Code::CLUSTER_VERSION_CHANGED, true),
            (Code::TRANSACTION_TIMED_OUT, true),
            (Code::TRANSACTION_TOO_OLD, false),
            (Code::KEY_TOO_LARGE, false),
        ] {
            assert_eq!(code.is_read_retryable(), expected, "{code}");
        }
    }
}
