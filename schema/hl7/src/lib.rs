//! HL7 v2: MLLP framing, character sets, messages, batches, acknowledgements, and the meaning of
//! the ADT and ORU messages that Medulla takes, as the words of `schema-types`.
//!
//! Bytes go in, words or a [`Hl7Error`] come out: no I/O, no clock, no panic on any input. Errors
//! and `Debug` output never show content of a message (PHI-1).

pub mod ack;
pub mod batch;
pub mod charset;
pub mod delimiters;
pub mod error;
mod fuzz;
pub mod header;
pub mod limits;
pub mod message;
pub mod mllp;
pub mod time;
pub mod typed;

pub use error::{Hl7Error, Position, Refusal, SegmentName};
#[doc(hidden)]
pub use fuzz::fuzz_entry;
pub use header::Header;
pub use message::Message;
pub use typed::{DecodeContext, Incoming, PatientIdentity, Payload, decode};
