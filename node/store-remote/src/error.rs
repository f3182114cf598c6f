//! Why two sides do not get together, as values. Errors of reads and commits are the port's. No
//! text here holds a key or a value (PHI-1).

use std::fmt;
use std::io;

/// Why a side ends a connection, or will not begin one; sent to the other side as one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Farewell {
    /// The two sides speak different versions of the protocol.
    Version,
    /// The first frame was no greeting.
    NoGreeting,
    /// A newer incarnation of the client has connected.
    Superseded,
    /// Another process has connected with the same client id and the same incarnation.
    SameIncarnation,
    /// The same process has connected again.
    Reconnected,
    /// Commits of the client's last connection are still under way.
    Draining,
    /// The server remembers as many clients as it may.
    TooManyClients,
    /// The server has as many sessions as it may.
    TooManySessions,
    /// The server is being shut down.
    ShuttingDown,
    /// What was sent breaks the protocol.
    Protocol,
    /// Nothing came for too long.
    Silent,
}

impl Farewell {
    const ALL: [(u8, Self, &'static str); 11] = [
        (1, Self::Version, "the server speaks another version of the protocol"),
        (2, Self::NoGreeting, "the first frame is no greeting"),
        (3, Self::Superseded, "a newer incarnation of this client has connected"),
        (4, Self::SameIncarnation, "another process uses this client id and incarnation"),
        (5, Self::Reconnected, "this client has connected again"),
        (6, Self::Draining, "commits of the last connection are still under way"),
        (7, Self::TooManyClients, "the server remembers as many clients as it may"),
        (8, Self::TooManySessions, "the server has as many sessions as it may"),
        (9, Self::ShuttingDown, "the server is being shut down"),
        (10, Self::Protocol, "what was sent breaks the protocol"),
        (11, Self::Silent, "nothing was heard for too long"),
    ];

    pub(crate) fn code(self) -> u8 {
        Self::ALL.iter().find(|(_, farewell, _)| *farewell == self).map_or(0, |(code, _, _)| *code)
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        let found = Self::ALL.iter().find(|(known, _, _)| *known == code);
        found.map(|(_, farewell, _)| *farewell)
    }

    /// Whether the client must not try again: what is wrong does not pass by itself.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Version | Self::NoGreeting | Self::Superseded | Self::SameIncarnation => true,
            Self::Reconnected
            | Self::Draining
            | Self::TooManyClients
            | Self::TooManySessions
            | Self::ShuttingDown
            | Self::Protocol
            | Self::Silent => false,
        }
    }
}

impl fmt::Display for Farewell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.iter().find(|(_, farewell, _)| farewell == self);
        formatter.write_str(found.map_or("", |(_, _, text)| text))
    }
}

/// Why a stream is not, or no longer, one of this protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A frame is longer than a frame may be.
    #[error("frame of {bytes} bytes exceeds {bytes_max}")]
    FrameTooLarge {
        /// Announced length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// A frame does not match its checksum.
    #[error("a frame does not match its checksum")]
    Checksum,
    /// A frame has a length or a content that no peer sends.
    #[error("malformed: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error("{0}")]
    Farewell(Farewell),
    #[error("the server speaks version {theirs} of the protocol, this client {ours}")]
    Version { theirs: u16, ours: u16 },
    #[error("the other side closed the connection")]
    Closed,
    #[error("nothing was heard for {0} ms")]
    Silent(u64),
    #[error("the other side takes no bytes for {0} ms")]
    Stalled(u64),
    #[error("no connection within {0} ms")]
    ConnectTimeout(u64),
}

impl LinkError {
    /// Whether trying again cannot help.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Farewell(farewell) => farewell.is_final(),
            Self::Version { .. } => true,
            Self::Io(_)
            | Self::Protocol(_)
            | Self::Closed
            | Self::Silent(_)
            | Self::Stalled(_)
            | Self::ConnectTimeout(_) => false,
        }
    }
}

/// Why a client could not be connected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The server will not have this client, now and later.
    #[error("the store server refuses this client: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// No connection came about within the time.
    #[error("the store server could not be reached within {waited_ms} ms: {reason}")]
    Unreachable {
        /// How long it was tried, in milliseconds.
        waited_ms: u64,
        /// What happened last.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn farewells_have_one_code_each() {
        for (code, farewell, text) in Farewell::ALL {
            assert_eq!(farewell.code(), code);
            assert_eq!(Farewell::from_code(code), Some(farewell));
            assert_eq!(farewell.to_string(), text);
        }
        assert_eq!(Farewell::from_code(0), None);
        assert_eq!(Farewell::from_code(200), None);
    }
}
