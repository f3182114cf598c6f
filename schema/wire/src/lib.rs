//! Stored forms: Cap'n Proto schemas and the conversions between them and `schema-types`.
//!
//! One module per owner, each with plain `encode_*` and `decode_*` functions. Encoding is
//! canonical, so that hashes can be taken over the bytes (DET-1); decoding never panics, whatever
//! the bytes, and takes memory in proportion to them (LIM-1). Nothing here reads, writes or
//! encrypts; no other crate of the stored path knows Cap'n Proto.
//!
//! # Panics
//! Encoding panics when a value cannot be stored without loss: larger than
//! [`limits::RECORD_BYTES_MAX`], a score part whose name is not in the registry, or a map whose
//! key contradicts its value. These are broken invariants of the caller; nothing is stored then.

pub mod audit;
mod bytes;
mod canonical;
mod common;
pub mod device;
mod error;
pub mod facility;
mod fuzz;
pub mod journal;
pub mod limits;
pub mod live;
pub mod patient;

#[path = "gen/audit_capnp.rs"]
mod audit_capnp;
#[path = "gen/common_capnp.rs"]
mod common_capnp;
#[path = "gen/device_capnp.rs"]
mod device_capnp;
#[path = "gen/facility_capnp.rs"]
mod facility_capnp;
#[path = "gen/journal_capnp.rs"]
mod journal_capnp;
#[path = "gen/patient_capnp.rs"]
mod patient_capnp;
#[path = "gen/rpc_capnp.rs"]
pub mod rpc_capnp;

pub use error::WireError;
#[doc(hidden)]
pub use fuzz::fuzz_entry;
