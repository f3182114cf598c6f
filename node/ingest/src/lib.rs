//! The gateways of a node: HL7 v2 over MLLP and from files, FHIR and the operators' API over HTTP,
//! and quarantine for what cannot be taken. They decode and answer; deciding is the entities'
//! business.

mod api;
pub mod feed;
mod fhir;
pub mod gateway;
pub mod hl7;
pub mod http;
pub mod limits;
pub mod mllp;
pub mod operations;
pub mod quarantine;
