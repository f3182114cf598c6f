//! The commands that ask a running node, or look at a data directory: one module per noun.

pub(crate) mod alert;
pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod cluster;
pub(crate) mod device;
pub(crate) mod doctor;
pub(crate) mod explanation;
pub(crate) mod facility;
pub(crate) mod patient;
pub(crate) mod patient_view;
pub(crate) mod quarantine;
pub(crate) mod query;
pub(crate) mod store;
pub(crate) mod words;
