//! The wire between nodes: frames, hello, requests and answers, one connection per direction and
//! pair. Streams come from `transport`; what requests do is decided by the handler of the server.

pub(crate) mod client;
pub(crate) mod frame;
pub(crate) mod hello;
pub(crate) mod message;
pub(crate) mod server;
