//! The gateways over real sockets, on the in-memory store.

#[cfg(test)]
mod mllp;
