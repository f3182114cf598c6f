//! The store port: ordered keys and serializable transactions with FoundationDB's semantics,
//! the key layout, an in-memory reference model and the conformance suite that every adapter
//! runs. No adapter is here; nothing here touches files, time or threads.

pub mod conformance;
pub mod error;
pub mod keys;
pub mod lanes;
pub mod limits;
pub mod memory;
pub mod mutation;
pub mod port;
pub mod transaction;
pub mod tuple;

pub use error::{CommitError, ReadError, TransactionError};
pub use lanes::Lanes;
pub use memory::MemoryStore;
pub use mutation::{KeyRange, Mutation, Versionstamp};
pub use port::{
    CommitFuture, CommitLane, CommitRequest, Committed, KeyValue, RangePage, RangeQuery,
    ReadFuture, Snapshot, Store, Version,
};
pub use transaction::Transaction;
