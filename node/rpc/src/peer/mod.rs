//! Node to node: carries the bytes of a request to a peer's handler and the bytes of its answer
//! back, over `ractor_cluster` inside mutual TLS. It knows nothing of what the bytes mean, routes
//! nothing and retries nothing.
//!
//! # What is guaranteed
//!
//! - **At most once.** A request reaches the peer's handler once or not at all. Whoever repeats
//!   one does so under the same command id (ONCE-1); [`PeerError::outcome`] says whether it must.
//! - **In order.** The requests of a network to one peer reach the handler in the order in which
//!   [`PeerNetwork::call`] was invoked, while the session stands; the handler's future is polled
//!   once before the next request is taken. Between sessions there is no order: a call that ended
//!   with [`PeerError::ConnectionLost`] may still be in work when the next session begins. ORD-1
//!   is the business of the layer above, which needs one call of a source at a time, or numbers.
//! - **An answer belongs to its call.** Each batch carries the token of its session, drawn from
//!   the secret of its TLS connection, and ids are of a session: an answer of an earlier session,
//!   or of anybody else, meets no call.
//! - **Everything ends.** A call ends with its deadline at the latest; with its session, at once.
//! - **Everything is bounded** (LIM-1), per peer and for all peers together: requests and bytes in
//!   flight per direction (the smaller of what both sides allow), requests in work (of a peer over
//!   all its sessions), replies that wait to be sent, answers that wait to be taken; beside those
//!   one message, strangers, and batches inside the cluster crate in both directions (its queues
//!   have no bound of their own: we hand over two and read sixteen ahead, of 64 KiB each, because
//!   what is larger goes in parts). What a handler holds while it works is its own to bound.
//! - **Who calls is proven.** The id in the greeting must be a subject alternative name of the
//!   certificate (`medulla-node-<id>`), be the one that was meant, and be on the list. No safety
//!   rests on the cluster's cookie, which is drawn per connection. Certificates are judged by the
//!   wall clock; nothing else here reads it (TIME-1).
//! - **Nothing of a request is logged** by this module, but the cluster crate writes whole frames
//!   at level debug: a process that has peers must apply [`may_be_logged`] to what it logs (PHI-1).
//!
//! # When something fails
//!
//! Not executed:
//!
//! | what | the caller sees | and then |
//! |---|---|---|
//! | nobody named this peer | `UnknownPeer` | |
//! | no session yet, or no longer | `NotConnected`, with the cause | redial, 50 ms to 2 s apart |
//! | no credit, here or there | `Overloaded`, with a hint | the session goes on |
//! | the handler says so | `Overloaded`, `Malformed` | the session goes on |
//! | request larger than the window | `TooLarge` | |
//! | we shut down | `ShuttingDown` | calls under way get the grace |
//! | the peer shuts down | `NotConnected(Leaving)` | calls under way get its grace |
//!
//! Outcome unknown:
//!
//! | what | the caller sees | and then |
//! |---|---|---|
//! | no answer in time | `DeadlineExceeded` | the peer drops the work, the credit returns |
//! | the handler panics | `HandlerFailed` | others do not notice |
//! | answer too large, or no room for it, there or here | `ReplyRefused` | the session goes on |
//! | peer killed, connection cut | `ConnectionLost(Closed)`, at once | redial |
//! | peer stopped, cable pulled | `ConnectionLost(Dead)` after 2 to 2.5 s | redial |
//! | our own handler blocks for 2 s | `ConnectionLost(NoRoom)`: nothing was read | redial |
//! | peer restarted before we noticed | `ConnectionLost(Replaced)` | the new session is there |
//! | peer taken from the list | `ConnectionLost(Removed)` | refused until it is back |
//! | a frame too large, or no frame | `ConnectionLost(OversizedFrame)` and the like | redial |
//!
//! Strangers, wrong or expired certificates, plaintext and the slow are closed, counted by cause
//! and one word in the log, at most one warning a second. Who is silent keeps nobody out: of too
//! many strangers the oldest is closed. When both sides dial at once, the connection opened by the
//! smaller id stays, and no call is in the other one.
//!
//! # Parts
//!
//! `connect` (socket to session) → `tls`, `hello`, `directory` (election) → `node` (life of a
//! session) → `session` (calls, credits) with `budget` (room), `envelope` (batches), `assembly`
//! (what came in parts), `stream` and `frames` (meter and cut) → `link` (ractor). `handler`
//! answers. Several networks can live in one process, each
//! with its own name, gateway and list; ractor's registries are shared and used for nothing.

mod assembly;
mod budget;
mod config;
mod connect;
mod directory;
mod envelope;
mod error;
mod fault;
mod frames;
mod handler;
mod hello;
mod id;
mod limits;
mod link;
pub(crate) mod metrics;
mod network;
mod node;
mod session;
pub(crate) mod strangers;
pub(crate) mod stream;
pub(crate) mod tls;

pub use config::{PeerConfig, PeerSecurity, TlsFiles};
pub use error::{CallOutcome, PeerError, PeerStartError};
pub use fault::PeerFault;
pub use handler::{HandlerFuture, HandlerRefusal, HandlerResult, PeerHandler};
pub use id::{CERTIFICATE_NAME_PREFIX, PeerId, STORE_CERTIFICATE_NAME};
pub use limits::{
    BATCH_BYTES, CALL_DEADLINE_MS_MAX, NETWORK_NAME_BYTES_MAX, PeerLimits, PeerTimes,
};
pub use network::{PeerNetwork, PeerState, PeerStatus};

/// Whether a log event may be written, whatever the operator asked for: the cluster crate quotes
/// the bytes of requests at level debug and below (PHI-1).
#[must_use]
pub fn may_be_logged(metadata: &tracing::Metadata<'_>) -> bool {
    let is_quoting = metadata.target().starts_with("ractor_cluster");
    !is_quoting || *metadata.level() <= tracing::Level::INFO
}
