//! Who a peer is: a number, which its certificate carries as a DNS name of a fixed form.

use schema_types::cluster::NodeId;
use std::fmt;

/// What the name in a peer's certificate starts with; the number follows.
pub const CERTIFICATE_NAME_PREFIX: &str = "medulla-node-";

/// The id of a node as its peers know it. No id returns: a node with a fresh disk gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(u64);

impl PeerId {
    /// The peer with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The DNS name that the certificate of this peer must carry as a subject alternative name.
    #[must_use]
    pub fn certificate_name(self) -> String {
        format!("{CERTIFICATE_NAME_PREFIX}{}", self.0)
    }
}

impl From<NodeId> for PeerId {
    fn from(node: NodeId) -> Self {
        Self(node.0)
    }
}

impl From<PeerId> for NodeId {
    fn from(peer: PeerId) -> Self {
        Self(peer.0)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "n{}", self.0)
    }
}
