//! How this program talks to a node: HTTP for everything but HL7, MLLP for HL7.

pub(crate) mod delivery;
pub(crate) mod events;
pub(crate) mod http;
pub(crate) mod mllp;
pub(crate) mod remote;
pub(crate) mod retry;
