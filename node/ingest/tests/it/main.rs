//! The gateways over real sockets and over the router, on the in-memory store.

#[cfg(test)]
mod http;
#[cfg(test)]
mod mllp;
