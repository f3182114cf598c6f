//! A network in memory: addresses, streams between them, and cuts of two kinds.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use consensus_raft::{Connecting, Connection, Transport};
use schema_types::cluster::NodeId;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

/// How a cut shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Streams break.
    Reset,
    /// What is written is lost, nothing is heard.
    Silent,
}

#[derive(Default)]
struct State {
    listeners: BTreeMap<String, mpsc::Sender<Connection>>,
    alone: BTreeSet<NodeId>,
    cut: Option<Cut>,
}

/// Clones are the same network.
#[derive(Clone, Default)]
pub(crate) struct Hub {
    state: Arc<Mutex<State>>,
}

pub(crate) fn address(node: NodeId) -> String {
    format!("hub:{}", node.0)
}

impl Hub {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Binds the address of a node, for as long as the transport lives or another binds it.
    pub(crate) fn transport(&self, node: NodeId, at: &str) -> Arc<dyn Transport> {
        let (sender, receiver) = mpsc::channel(16);
        self.state().listeners.insert(at.to_owned(), sender);
        Arc::new(HubTransport { hub: self.clone(), node, accepted: AsyncMutex::new(receiver) })
    }

    pub(crate) fn unbind(&self, at: &str) {
        self.state().listeners.remove(at);
    }

    /// Cuts nodes off from everybody.
    pub(crate) fn isolate(&self, nodes: impl IntoIterator<Item = NodeId>, cut: Cut) {
        let mut state = self.state();
        state.alone.extend(nodes);
        state.cut = Some(cut);
    }

    pub(crate) fn heal(&self) {
        let mut state = self.state();
        state.alone.clear();
        state.cut = None;
    }

    fn cut_between(&self, one: NodeId, other: NodeId) -> Option<Cut> {
        let state = self.state();
        let apart = state.alone.contains(&one) || state.alone.contains(&other);
        state.cut.filter(|_| apart)
    }
}

struct HubTransport {
    hub: Hub,
    node: NodeId,
    accepted: AsyncMutex<mpsc::Receiver<Connection>>,
}

impl Transport for HubTransport {
    fn connect<'a>(&'a self, peer: NodeId, address: &'a str) -> Connecting<'a> {
        Box::pin(async move {
            match self.hub.cut_between(self.node, peer) {
                Some(Cut::Reset) => return Err(io::ErrorKind::ConnectionRefused.into()),
                Some(Cut::Silent) => return std::future::pending().await,
                None => {}
            }
            let listener = self.hub.state().listeners.get(address).cloned();
            let listener = listener.ok_or(io::ErrorKind::ConnectionRefused)?;
            let (near, far) = tokio::io::duplex(64 << 10);
            let ends = (self.node, peer);
            let wrap = |inner| Wire { inner, hub: self.hub.clone(), ends, lost: false };
            let proved_peer = Some(self.node);
            let accepted = Connection { stream: Box::new(wrap(far)), proved_peer };
            let sent = listener.send(accepted).await;
            sent.map_err(|_closed| io::Error::from(io::ErrorKind::ConnectionRefused))?;
            Ok(Connection { stream: Box::new(wrap(near)), proved_peer: Some(peer) })
        })
    }

    fn accept(&self) -> Connecting<'_> {
        Box::pin(async move {
            let next = self.accepted.lock().await.recv().await;
            next.ok_or_else(|| io::ErrorKind::NotConnected.into())
        })
    }
}

/// One end of a stream. After a silent cut lost something it breaks when it is used again.
struct Wire {
    inner: DuplexStream,
    hub: Hub,
    ends: (NodeId, NodeId),
    lost: bool,
}

impl Wire {
    fn check(&self) -> Result<Option<Cut>, io::Error> {
        let cut = self.hub.cut_between(self.ends.0, self.ends.1);
        let broken = cut == Some(Cut::Reset) || (cut.is_none() && self.lost);
        if broken { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(cut) }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.check()? {
            Some(_silent) => Poll::Pending,
            None => Pin::new(&mut self.inner).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.check()? {
            Some(_silent) => {
                self.lost = true;
                Poll::Ready(Ok(bytes.len()))
            }
            None => Pin::new(&mut self.inner).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
