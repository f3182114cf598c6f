//! The greeting that goes over a fresh connection before the cluster's own protocol: who speaks,
//! to whom, for which network, at which version, within which limits. Fixed little-endian layout,
//! at most [`HELLO_BYTES_MAX`] bytes, no allocation before it is checked.

use super::fault::PeerFault;
use super::id::PeerId;
use super::limits::{HELLO_BYTES_MAX, NETWORK_NAME_BYTES_MAX};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The first bytes of every greeting.
const MAGIC: [u8; 4] = *b"MDPR";
/// Grows when the greeting or the envelope changes its meaning.
const VERSION: u16 = 1;
/// Magic, version, kind, length of the rest.
const HEAD_BYTES: usize = 8;
/// Bytes of a greeting without the network's name.
const BODY_BYTES: usize = 8 * 4 + 16 + 4 * 3;
const KIND_OFFER: u8 = 1;
const KIND_ACCEPT: u8 = 2;
const KIND_REFUSE: u8 = 3;

/// What one side of a session takes from the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Requests in flight.
    pub(crate) requests_max: u32,
    /// Bytes of requests in flight.
    pub(crate) bytes_max: u32,
    /// Bytes of one request or reply.
    pub(crate) message_bytes_max: u32,
}

impl Window {
    /// The smaller of each limit: what both sides keep to.
    pub(crate) fn smaller(self, other: Self) -> Self {
        Self {
            requests_max: self.requests_max.min(other.requests_max),
            bytes_max: self.bytes_max.min(other.bytes_max),
            message_bytes_max: self.message_bytes_max.min(other.message_bytes_max),
        }
    }
}

/// Who speaks, and how it can be reached behind the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) from: PeerId,
    pub(crate) to: PeerId,
    /// Drawn when the network starts: tells a restarted node from one that still runs.
    pub(crate) incarnation: u64,
    /// The actor id of the speaker's gateway.
    pub(crate) gateway: u64,
    /// Drawn for this connection.
    pub(crate) nonce: [u8; 16],
    pub(crate) window: Window,
    pub(crate) network: String,
}

/// A message of the greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// The one who dials begins.
    Offer(Hello),
    /// The one who was dialled agrees.
    Accept(Hello),
    /// The one who was dialled does not.
    Refuse(PeerFault),
}

/// Reasons that travel; anything else arrives as [`PeerFault::RefusedByPeer`].
const REASONS: [(u8, PeerFault); 5] = [
    (1, PeerFault::Duplicate),
    (2, PeerFault::UnknownPeer),
    (3, PeerFault::OtherNetwork),
    (4, PeerFault::OtherVersion),
    (5, PeerFault::ShuttingDown),
];

impl Greeting {
    /// The bytes of this greeting.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (kind, body) = match self {
            Self::Offer(hello) => (KIND_OFFER, hello.encode()),
            Self::Accept(hello) => (KIND_ACCEPT, hello.encode()),
            Self::Refuse(fault) => {
                let code = REASONS.iter().find(|(_, reason)| reason == fault);
                (KIND_REFUSE, vec![code.map_or(0, |(code, _)| *code)])
            }
        };
        let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
        let mut bytes = Vec::with_capacity(HEAD_BYTES + body.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[kind, length]);
        bytes.extend_from_slice(&body);
        bytes
    }

    fn decode(kind: u8, body: &[u8]) -> Option<Self> {
        match kind {
            KIND_OFFER => Hello::decode(body).map(Self::Offer),
            KIND_ACCEPT => Hello::decode(body).map(Self::Accept),
            KIND_REFUSE => {
                let code = body.first()?;
                let reason = REASONS.iter().find(|(known, _)| known == code);
                Some(Self::Refuse(reason.map_or(PeerFault::RefusedByPeer, |(_, fault)| *fault)))
            }
            _ => None,
        }
    }
}

impl Hello {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BODY_BYTES + self.network.len());
        for number in [self.from.number(), self.to.number(), self.incarnation, self.gateway] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.nonce);
        let window = self.window;
        for number in [window.requests_max, window.bytes_max, window.message_bytes_max] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(self.network.as_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, network) = bytes.split_at_checked(BODY_BYTES)?;
        if network.len() > NETWORK_NAME_BYTES_MAX {
            return None;
        }
        let wide = |at: usize| {
            let bytes = head.get(at * 8..at * 8 + 8)?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?))
        };
        let narrow = |at: usize| {
            let bytes = head.get(48 + at * 4..52 + at * 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        Some(Self {
            from: PeerId::new(wide(0)?),
            to: PeerId::new(wide(1)?),
            incarnation: wide(2)?,
            gateway: wide(3)?,
            nonce: head.get(32..48)?.try_into().ok()?,
            window: Window {
                requests_max: narrow(0)?,
                bytes_max: narrow(1)?,
                message_bytes_max: narrow(2)?,
            },
            network: String::from_utf8(network.to_vec()).ok()?,
        })
    }
}

/// Writes a greeting.
pub(crate) async fn write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    greeting: &Greeting,
) -> Result<(), PeerFault> {
    let failed = |error: std::io::Error| PeerFault::of_io(&error);
    stream.write_all(&greeting.encode()).await.map_err(failed)?;
    stream.flush().await.map_err(failed)
}

/// Reads a greeting and not one byte more.
pub(crate) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Greeting, PeerFault> {
    let failed = |error: std::io::Error| PeerFault::of_io(&error);
    let mut head = [0_u8; HEAD_BYTES];
    stream.read_exact(&mut head).await.map_err(failed)?;
    let [m0, m1, m2, m3, v0, v1, kind, length] = head;
    if [m0, m1, m2, m3] != MAGIC {
        return Err(PeerFault::MalformedHello);
    }
    if u16::from_le_bytes([v0, v1]) != VERSION {
        return Err(PeerFault::OtherVersion);
    }
    let mut body = vec![0_u8; usize::from(length)];
    stream.read_exact(&mut body).await.map_err(failed)?;
    Greeting::decode(kind, &body).ok_or(PeerFault::MalformedHello)
}

const _: () = assert!(HEAD_BYTES + BODY_BYTES + NETWORK_NAME_BYTES_MAX <= HELLO_BYTES_MAX);
const _: () = assert!(BODY_BYTES + NETWORK_NAME_BYTES_MAX <= u8::MAX as usize);

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            from: PeerId::new(1),
            to: PeerId::new(u64::MAX),
            incarnation: 3,
            gateway: 4,
            nonce: [5; 16],
            window: Window { requests_max: 6, bytes_max: 7, message_bytes_max: 8 },
            network: "actors".to_owned(),
        }
    }

    async fn read_back(bytes: &[u8]) -> Result<Greeting, PeerFault> {
        let mut slice = bytes;
        read(&mut slice).await
    }

    #[tokio::test]
    async fn greetings_come_back_as_they_were() {
        let refusals = REASONS.map(|(_, reason)| Greeting::Refuse(reason));
        for greeting in
            [Greeting::Offer(hello()), Greeting::Accept(hello())].iter().chain(&refusals)
        {
            assert_eq!(read_back(&greeting.encode()).await.as_ref(), Ok(greeting));
        }
        let other = Greeting::Refuse(PeerFault::Dead).encode();
        assert_eq!(read_back(&other).await, Ok(Greeting::Refuse(PeerFault::RefusedByPeer)));
    }

    #[tokio::test]
    async fn what_is_no_greeting_is_named() {
        let good = Greeting::Offer(hello()).encode();
        let changed = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        let cases = [
            (changed(0, b'G'), PeerFault::MalformedHello),
            (changed(4, 9), PeerFault::OtherVersion),
            (changed(6, 7), PeerFault::MalformedHello),
            (changed(7, 3), PeerFault::MalformedHello),
            (changed(BODY_BYTES + HEAD_BYTES, 0xFF), PeerFault::MalformedHello),
            (good[..good.len() - 1].to_vec(), PeerFault::Closed),
            (Vec::new(), PeerFault::Closed),
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), PeerFault::MalformedHello),
        ];
        for (bytes, fault) in cases {
            assert_eq!(read_back(&bytes).await, Err(fault), "{bytes:?}");
        }
        for end in 0..good.len() {
            assert!(read_back(&good[..end]).await.is_err(), "{end} bytes");
        }
    }
}
