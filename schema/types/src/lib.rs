//! The words of Medulla: ids, time, quantities, codes, events and states as plain data.
//!
//! Nothing here performs I/O, reads a clock or knows a wire or disk format; `schema/wire`,
//! `schema/fhir` and `schema/hl7` convert to and from these types. What calls between nodes are
//! made of also has the data model of serde, whose byte form is the runtime's choice.

pub mod audit;
pub mod clinical;
pub mod cluster;
pub mod device;
pub mod error_code;
pub mod facility;
pub mod history;
pub mod ids;
pub mod live;
pub mod measure;
pub mod patient;
pub mod phi;
pub mod quantity;
pub mod score;
mod serial;
pub mod time;

pub use rust_decimal::Decimal;
