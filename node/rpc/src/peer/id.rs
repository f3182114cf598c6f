//! Who a peer is: a number, which its certificate carries as a DNS name of a fixed form.

use schema_types::cluster::NodeId;
use std::fmt;

/// What the name in a peer's certificate starts with; the number follows.
pub const CERTIFICATE_NAME_PREFIX: &str = "medulla-node-";
/// The name in the certificate of the development store's server.
pub const STORE_CERTIFICATE_NAME: &str = "medulla-store";

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

    /// The peer that a DNS name is of, if it is of one and written as
    /// [`certificate_name`](Self::certificate_name) writes it.
    pub(crate) fn from_certificate_name(name: &str) -> Option<Self> {
        let number = name.strip_prefix(CERTIFICATE_NAME_PREFIX)?.parse().ok().map(Self)?;
        (number.certificate_name() == name).then_some(number)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_name_is_of_one_peer_and_in_one_way() {
        for id in [0, 7, u64::MAX].map(PeerId::new) {
            assert_eq!(PeerId::from_certificate_name(&id.certificate_name()), Some(id));
        }
        for other in ["medulla-node-07", "medulla-node-+7", "medulla-node-", "medulla-store", "7"] {
            assert_eq!(PeerId::from_certificate_name(other), None, "{other}");
        }
    }
}
