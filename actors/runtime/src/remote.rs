//! Calls between nodes as bytes: a command with everything that travels beside it, rows with their
//! audit record, and what came of either. Any node takes any client's command and hands it to the
//! owner of the shard in this form. Connections, and who is the owner, are not here.
//!
//! # The form
//!
//! | bytes | content |
//! |---|---|
//! | 1 | version of the form, [`FORM_VERSION`] |
//! | 1 | what it is: a command to a kind of entity, rows to record, a step of a group, an answer |
//! | 4 | length of the body, big-endian |
//! | .. | the body: MessagePack, fields and variants by name |
//!
//! Nodes of two neighbouring releases understand each other. What a release adds must keep to this:
//!
//! - A new field carries `#[serde(default)]`: an older node ignores it, and what it leaves out is
//!   taken to be the default. A field never changes its type or meaning; a retired name stays
//!   unused.
//! - A new variant of a command or reply is refused by an older node as not understood, with
//!   nothing done. Send it only once every node knows it.
//! - A new kind of failure is understood by what is said beside it (`failure`).
//! - [`FORM_VERSION`] grows when none of this suffices; another version is refused as such.
//!
//! Sizes are limited on both sides (LIM-1). No error, log line or answer about bytes that were not
//! understood repeats any of them: they may be patient data (PHI-1).

mod answer;
mod call;
mod failure;
mod form;
mod group;
mod serve;
mod serve_group;

pub use answer::{decode_answer, decode_record_answer};
pub use call::{encode_record, encode_record_touching, encode_submit};
pub use form::FORM_VERSION;
pub(crate) use group::{decode_prepared, encode_commit, encode_prepare, encode_settle};

#[cfg(test)]
mod remote_test;
