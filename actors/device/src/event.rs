//! What can happen to a device. The words live with the schema, beside their stored form; here
//! they only get the name that every entity crate uses.

pub use schema_types::device::DeviceEvent as Event;
