//! The first frame in each direction: which cluster, who speaks, to whom, and with which disk.
//! Wrong clusters and node ids that came back with another disk are refused here, before any
//! request is read.

use std::io;
use std::time::Duration;

use node_env::Duplex;
use schema_types::cluster::NodeId;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::frame::{self, Frame};
use crate::codec;
use crate::config::{ClusterId, Incarnation};
use crate::error::IdReused;
use crate::limits::HELLO_TIMEOUT_MS;
use crate::transport::Connection;

/// First bytes of a connection, with the version of the protocol.
const MAGIC: [u8; 6] = *b"MRFT\x01\0";
const HELLO_FRAME: u64 = 0;

/// Who a node is to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Me {
    pub(crate) cluster: ClusterId,
    pub(crate) node: NodeId,
    pub(crate) incarnation: Incarnation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Hello {
    cluster: [u8; 16],
    from: u64,
    incarnation: Incarnation,
    to: u64,
    /// Disk that the dialled node is known to have; nothing when it is to be asked.
    expected: Option<Incarnation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Answer {
    Welcome { incarnation: Incarnation },
    WrongCluster,
    WrongNode,
    IdReused(IdReused),
}

/// Why a connection did not come about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HelloError {
    #[error("no connection: {0}")]
    Connect(io::ErrorKind),
    #[error("no hello in time")]
    Timeout,
    #[error("the other side speaks something else")]
    Garbage,
    #[error("the other side belongs to another cluster")]
    WrongCluster,
    #[error("another node answers there")]
    WrongNode,
    #[error(transparent)]
    IdReused(IdReused),
}

impl From<io::Error> for HelloError {
    fn from(error: io::Error) -> Self {
        Self::Connect(error.kind())
    }
}

fn deadline() -> Duration {
    Duration::from_millis(HELLO_TIMEOUT_MS)
}

async fn send<T: Serialize>(stream: &mut dyn Duplex, value: &T) -> Result<(), HelloError> {
    let body = codec::encode(value).map_err(|_codec| HelloError::Garbage)?;
    let mut stream = stream;
    frame::write(&mut stream, &Frame { id: HELLO_FRAME, body }).await?;
    Ok(stream.flush().await?)
}

/// Says hello on a connection that this node made, and answers which disk the other one has.
pub(crate) async fn dial(
    connection: &mut Connection,
    me: &Me,
    to: NodeId,
    expected: Option<Incarnation>,
) -> Result<Incarnation, HelloError> {
    if connection.proved_peer.is_some_and(|proved| proved != to) {
        return Err(HelloError::WrongNode);
    }
    let work = async {
        let stream = connection.stream.as_mut();
        let hello = Hello {
            cluster: me.cluster.0,
            from: me.node.0,
            incarnation: me.incarnation,
            to: to.0,
            expected,
        };
        stream.write_all(&MAGIC).await?;
        send(stream, &hello).await?;
        let mut raw = stream;
        let answer = frame::read(&mut raw).await?;
        codec::decode::<Answer>(&answer.body).map_err(|_codec| HelloError::Garbage)
    };
    let answer = tokio::time::timeout(deadline(), work).await;
    match answer.map_err(|_elapsed| HelloError::Timeout)?? {
        Answer::Welcome { incarnation } => Ok(incarnation),
        Answer::WrongCluster => Err(HelloError::WrongCluster),
        Answer::WrongNode => Err(HelloError::WrongNode),
        Answer::IdReused(reused) => Err(HelloError::IdReused(reused)),
    }
}

/// Takes the hello of another node. `known` answers which disk an id has had.
pub(crate) async fn accept(
    connection: &mut Connection,
    me: &Me,
    known: impl Fn(NodeId) -> Option<Incarnation>,
) -> Result<NodeId, HelloError> {
    let proved = connection.proved_peer;
    let work = async {
        let mut stream = connection.stream.as_mut();
        let mut magic = [0; MAGIC.len()];
        stream.read_exact(&mut magic).await?;
        if magic != MAGIC {
            return Err(HelloError::Garbage);
        }
        let first = frame::read(&mut stream).await?;
        let hello: Hello = codec::decode(&first.body).map_err(|_codec| HelloError::Garbage)?;
        let (answer, outcome) = judge(&hello, me, proved, known(NodeId(hello.from)));
        send(stream, &answer).await?;
        outcome
    };
    tokio::time::timeout(deadline(), work).await.map_err(|_elapsed| HelloError::Timeout)?
}

fn judge(
    hello: &Hello,
    me: &Me,
    proved: Option<NodeId>,
    known: Option<Incarnation>,
) -> (Answer, Result<NodeId, HelloError>) {
    let from = NodeId(hello.from);
    if hello.cluster != me.cluster.0 {
        return (Answer::WrongCluster, Err(HelloError::WrongCluster));
    }
    if hello.to != me.node.0 || proved.is_some_and(|proved| proved != from) {
        return (Answer::WrongNode, Err(HelloError::WrongNode));
    }
    let reused = |node: NodeId, known, found| {
        let reused = IdReused { node: node.0, known, found };
        (Answer::IdReused(reused), Err(HelloError::IdReused(reused)))
    };
    if let Some(expected) = hello.expected.filter(|expected| *expected != me.incarnation) {
        return reused(me.node, expected, me.incarnation);
    }
    if let Some(known) = known.filter(|known| *known != hello.incarnation) {
        return reused(from, known, hello.incarnation);
    }
    (Answer::Welcome { incarnation: me.incarnation }, Ok(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me(node: u64) -> Me {
        let byte = u8::try_from(node).unwrap();
        let incarnation = Incarnation([byte; 16]);
        Me { cluster: ClusterId([1; 16]), node: NodeId(node), incarnation }
    }

    async fn meet(
        dialler: Me,
        to: u64,
        expected: Option<Incarnation>,
        proved: [Option<NodeId>; 2],
    ) -> (Result<Incarnation, HelloError>, Result<NodeId, HelloError>) {
        let (near, far) = tokio::io::duplex(1 << 12);
        let mut near = Connection { stream: Box::new(near), proved_peer: proved[0] };
        let mut far = Connection { stream: Box::new(far), proved_peer: proved[1] };
        let known = |node: NodeId| (node.0 == 1).then_some(me(1).incarnation);
        let acceptor = me(2);
        tokio::join!(
            dial(&mut near, &dialler, NodeId(to), expected),
            accept(&mut far, &acceptor, known)
        )
    }

    #[tokio::test]
    async fn the_right_ones_meet() {
        let expected = Some(me(2).incarnation);
        let met = meet(me(1), 2, expected, [Some(NodeId(2)), Some(NodeId(1))]).await;
        assert_eq!(met, (Ok(me(2).incarnation), Ok(NodeId(1))));
        let asked = meet(me(3), 2, None, [None, None]).await;
        assert_eq!(asked, (Ok(me(2).incarnation), Ok(NodeId(3))));
    }

    #[tokio::test]
    async fn strangers_are_refused() {
        let stranger = Me { cluster: ClusterId([9; 16]), ..me(1) };
        let met = meet(stranger, 2, None, [None, None]).await;
        assert_eq!(met, (Err(HelloError::WrongCluster), Err(HelloError::WrongCluster)));
        let met = meet(me(1), 3, None, [None, None]).await;
        assert_eq!(met, (Err(HelloError::WrongNode), Err(HelloError::WrongNode)));
        let met = meet(me(1), 2, None, [None, Some(NodeId(4))]).await;
        assert_eq!(met, (Err(HelloError::WrongNode), Err(HelloError::WrongNode)));
    }

    #[tokio::test]
    async fn an_id_with_another_disk_is_refused_on_either_side() {
        let fresh = Me { incarnation: Incarnation([8; 16]), ..me(1) };
        let reused = IdReused { node: 1, known: me(1).incarnation, found: fresh.incarnation };
        let error = HelloError::IdReused(reused);
        let met = meet(fresh, 2, None, [None, None]).await;
        assert_eq!(met, (Err(error.clone()), Err(error)));
        let old = Incarnation([7; 16]);
        let reused = IdReused { node: 2, known: old, found: me(2).incarnation };
        let error = HelloError::IdReused(reused);
        let met = meet(me(1), 2, Some(old), [None, None]).await;
        assert_eq!(met, (Err(error.clone()), Err(error)));
    }

    #[tokio::test(start_paused = true)]
    async fn garbage_and_silence_end_the_connection() {
        for (bytes, error) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], HelloError::Garbage),
            (
                &b"MRFT\x01\0\xff\xff\xff\xff00000000"[..],
                HelloError::Connect(io::ErrorKind::InvalidData),
            ),
            (&b"MR"[..], HelloError::Timeout),
        ] {
            let (mut near, far) = tokio::io::duplex(1 << 12);
            let mut far = Connection { stream: Box::new(far), proved_peer: None };
            near.write_all(bytes).await.unwrap();
            assert_eq!(accept(&mut far, &me(2), |_| None).await, Err(error));
        }
    }
}
