//! A node among others: it asks the control plane what it should own, claims that in the store,
//! and sends what belongs to others to them.
//!
//! | part | what it does |
//! |---|---|
//! | `identity` | which cluster and node a data directory belongs to; forming and joining |
//! | `control` | proposals to the control plane, and its state machine inside Raft |
//! | `lease` | this node's proof of life in the store, and what it sees of the others' |
//! | `agent` | does the steps of hand-offs that are this node's turn (OWN-1, LIVE-1) |
//! | `anchors` | audit heads into the Raft state (AUD-2) |
//! | `leader` | on the leader alone: members, voters, leases that are over, placement, watchdog |
//! | `router` | the shard map, and calls to the owners of shards |
//! | `operations` | what operators see and ask for |
//! | `member` | puts these together and takes them apart |
//!
//! Every part reads the applied state of the control plane and acts on what it says now, so a
//! crash or a lost message leaves nothing half done: the next look finds the same work. Raft is
//! the plan; that a node may commit is decided by the owner row in the store alone (OWN-1).

mod agent;
mod anchors;
mod config;
mod control;
mod identity;
mod leader;
mod lease;
mod loads;
mod member;
mod operations;
mod router;

pub use config::{ClusterConfig, Drill, Join, JoinError, JoinWithin, Membership, Moment};
pub use consensus_control::{Step, Timeouts};
pub use identity::ClusterError;
pub(crate) use identity::load_or_make;
pub(crate) use member::{Member, MemberParts};
pub use node_rpc::peer::{PeerSecurity, TlsFiles};
