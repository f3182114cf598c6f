//! What can happen to a facility. The words live with the schema, beside their stored form; here
//! they only get the name that every entity crate uses.

pub use schema_types::facility::FacilityEvent as Event;
