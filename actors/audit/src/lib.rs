//! The audit log of a shard as a Merkle log (AUD-2): append, signed heads, proofs and the offline
//! verifier. Records are opaque bytes here; what they say is the business of `schema/wire`.
//! Nothing here does I/O, reads a clock or draws randomness.

mod append;
mod chain;
mod cursor;
mod error;
mod frontier;
mod hash;
mod head;
mod head_set;
pub mod limits;
mod proof;
mod report;
mod row;
mod subtree_cache;
mod track;
mod verify;

pub use append::Appender;
pub use chain::Chain;
pub use error::AuditError;
pub use frontier::Frontier;
pub use hash::{Hash, empty_root, leaf_hash, node_hash};
pub use head::{HeadSigner, KeyId, SignedTreeHead, TreeHead};
pub use head_set::HeadSet;
pub use proof::{
    LeafHashes, consistency_proof, inclusion_proof, root_at, verify_consistency, verify_inclusion,
};
pub use report::{Finding, FindingKind, Report};
pub use row::{LeafRow, PreparedLeaf};
pub use subtree_cache::SubtreeCache;
pub use verify::{Verifier, VerifyRules, verify_log};
