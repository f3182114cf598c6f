//! FHIR R4 (4.0.1) JSON to and from the words of `schema-types`.
//!
//! A resource is parsed once, checked by tables, kept whole with order and decimals as sent, and
//! read for what the entities need: [`resource`], [`extract`](mod@extract), [`bundle`],
//! [`search`], [`outcome`], [`capability`], [`render`]. Nothing here performs I/O, reads a clock or
//! assigns an id. Other FHIR versions, XML, FHIRPath and terminology are deliberately absent.

pub mod bundle;
pub mod capability;
pub mod error;
pub mod etag;
pub mod extract;
mod fuzzing;
mod invariants;
mod json;
pub mod limits;
pub mod outcome;
mod path;
pub mod primitive;
pub mod reference;
pub mod render;
pub mod resource;
pub mod search;
pub mod tables;
pub mod time;
mod validate;

pub use bundle::BundlePlan;
pub use error::FhirError;
pub use extract::{ExtractContext, Facts, extract};
#[doc(hidden)]
pub use fuzzing::fuzz_entry;
pub use limits::Limits;
pub use reference::Reference;
pub use resource::Resource;
pub use search::SearchQuery;
