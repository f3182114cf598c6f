//! The limits of the audit log, with their units.

/// Longest audit record, in bytes: with the row's 65 bytes it stays under the store's value limit.
pub const RECORD_BYTES_MAX: usize = 65_536;
/// Most findings that one report holds; the rest are counted only.
pub const FINDINGS_MAX: usize = 100;
/// Longest detail text of a finding, in bytes.
pub const FINDING_DETAIL_BYTES_MAX: usize = 200;
/// Most hashes in a frontier or an inclusion proof: one per level of a 64-bit tree.
pub const LEVELS_MAX: usize = 64;
/// Most hashes in a proof of any kind; a consistency proof has at most one more than the levels.
pub const PROOF_HASHES_MAX: usize = LEVELS_MAX + 1;
/// Most subtree hashes that a [`crate::SubtreeCache`] keeps (about 6 MB).
pub const SUBTREES_CACHED_MAX: usize = 65_536;
/// The store's limit for one value, in bytes.
const VALUE_BYTES_MAX: usize = 100_000;

const _: () = assert!(RECORD_BYTES_MAX + crate::row::ROW_OVERHEAD_BYTES <= VALUE_BYTES_MAX);
