//! The HTTP gateway: the whole router over a real runtime on the in-memory store.

mod across;
mod api;
mod bundles;
mod corpus;
mod desk;
mod devices;
mod fhir;
mod query;
mod search;
mod vitals;
mod world;
