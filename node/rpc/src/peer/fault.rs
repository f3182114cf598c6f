//! What can be wrong with a connection, as one word: for the state of a peer, for the log and for
//! a counter each. Nothing of what a stranger sent is in it.

use std::fmt;
use tokio_rustls::rustls::{self, CertificateError};

/// Why there is no session with a peer, or why a stranger was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerFault {
    /// Not dialled yet.
    NotYetDialled,
    /// The session is being opened.
    Opening,
    /// The address cannot be resolved or connected to.
    Unreachable,
    /// Plaintext with an address that is not loopback.
    NotLoopback,
    /// What came is not TLS.
    NotTls,
    /// The other side showed no certificate.
    NoCertificate,
    /// A certificate of an authority that is not ours.
    ForeignAuthority,
    /// A certificate whose time is over, or has not begun.
    Expired,
    /// A certificate of somebody else than was said or meant.
    WrongIdentity,
    /// TLS failed in another way.
    TlsFailed,
    /// The other side refused our certificate or our greeting.
    RefusedByPeer,
    /// A greeting that cannot be read.
    MalformedHello,
    /// Another version of this protocol.
    OtherVersion,
    /// Another network (for example that of Raft), or a greeting for somebody else.
    OtherNetwork,
    /// A node that nobody told us of.
    UnknownPeer,
    /// Two connections between the same nodes; the other one stays.
    Duplicate,
    /// The handshake took too long.
    Timeout,
    /// Too many strangers at the same time.
    NoRoom,
    /// A frame that is larger than was agreed.
    OversizedFrame,
    /// Bytes that are no frame, or a batch that cannot be read.
    MalformedFrame,
    /// The connection was closed.
    Closed,
    /// Nothing was heard for too long.
    Dead,
    /// A newer session took this one's place.
    Replaced,
    /// The peer was taken from the list.
    Removed,
    /// The peer said that it is leaving.
    Leaving,
    /// This network is shutting down.
    ShuttingDown,
}

/// Each fault with the word that counters and logs use.
pub(crate) const FAULTS: [(PeerFault, &str); 26] = [
    (PeerFault::NotYetDialled, "not_yet_dialled"),
    (PeerFault::Opening, "opening"),
    (PeerFault::Unreachable, "unreachable"),
    (PeerFault::NotLoopback, "not_loopback"),
    (PeerFault::NotTls, "not_tls"),
    (PeerFault::NoCertificate, "no_certificate"),
    (PeerFault::ForeignAuthority, "foreign_authority"),
    (PeerFault::Expired, "expired"),
    (PeerFault::WrongIdentity, "wrong_identity"),
    (PeerFault::TlsFailed, "tls_failed"),
    (PeerFault::RefusedByPeer, "refused_by_peer"),
    (PeerFault::MalformedHello, "malformed_hello"),
    (PeerFault::OtherVersion, "other_version"),
    (PeerFault::OtherNetwork, "other_network"),
    (PeerFault::UnknownPeer, "unknown_peer"),
    (PeerFault::Duplicate, "duplicate"),
    (PeerFault::Timeout, "timeout"),
    (PeerFault::NoRoom, "no_room"),
    (PeerFault::OversizedFrame, "oversized_frame"),
    (PeerFault::MalformedFrame, "malformed_frame"),
    (PeerFault::Closed, "closed"),
    (PeerFault::Dead, "dead"),
    (PeerFault::Replaced, "replaced"),
    (PeerFault::Removed, "removed"),
    (PeerFault::Leaving, "leaving"),
    (PeerFault::ShuttingDown, "shutting_down"),
];

impl PeerFault {
    /// The fault as one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        FAULTS.iter().find(|(fault, _)| *fault == self).map_or("unknown", |(_, word)| word)
    }

    /// Whether somebody tried what only an attacker or a mistake does: worth a warning.
    pub(crate) fn is_alarming(self) -> bool {
        matches!(
            self,
            Self::NotTls
                | Self::NoCertificate
                | Self::ForeignAuthority
                | Self::Expired
                | Self::WrongIdentity
                | Self::TlsFailed
                | Self::MalformedHello
                | Self::UnknownPeer
                | Self::OversizedFrame
                | Self::MalformedFrame
        )
    }

    /// What a failed read, write or TLS handshake means.
    pub(crate) fn of_io(error: &std::io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(error) = inner {
            return Self::of_tls(error);
        }
        Self::Closed
    }

    fn of_tls(error: &rustls::Error) -> Self {
        if let rustls::Error::InvalidCertificate(error) = error {
            return Self::of_certificate(error);
        }
        if matches!(error, rustls::Error::NoCertificatesPresented) {
            Self::NoCertificate
        } else if matches!(error, rustls::Error::InvalidMessage(_)) {
            Self::NotTls
        } else if matches!(error, rustls::Error::AlertReceived(_)) {
            Self::RefusedByPeer
        } else {
            Self::TlsFailed
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        if matches!(error, CertificateError::UnknownIssuer | CertificateError::BadSignature) {
            Self::ForeignAuthority
        } else if matches!(
            error,
            CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
        ) {
            Self::Expired
        } else if matches!(
            error,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        ) {
            Self::WrongIdentity
        } else {
            Self::TlsFailed
        }
    }
}

impl fmt::Display for PeerFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.word().replace('_', " "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_a_word_of_its_own() {
        for (index, (fault, word)) in FAULTS.iter().enumerate() {
            assert_eq!(*fault as usize, index, "{word}");
            assert_eq!(fault.word(), *word);
        }
    }
}
