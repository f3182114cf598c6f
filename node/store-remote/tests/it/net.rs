//! A network in memory: streams from clients to whatever server listens, through a wire that can
//! be cut, stopped, made to swallow, or made to last for so many bytes.

use std::io;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use node_env::BoxedDuplex;
use node_store_remote::{Acceptor, Connector};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};

/// Bytes that a stream holds in each direction.
const STREAM_BYTES: usize = 64 << 10;

/// Where clients find the server.
#[derive(Clone, Default)]
pub(crate) struct Net {
    listening: Arc<Mutex<Option<mpsc::Sender<DuplexStream>>>>,
}

/// The listening end.
pub(crate) struct NetAcceptor(mpsc::Receiver<DuplexStream>);

impl Net {
    /// Listens; what listened before hears nothing more.
    pub(crate) fn listen(&self) -> NetAcceptor {
        let (sender, receiver) = mpsc::channel(1_100);
        *self.listening.lock().unwrap() = Some(sender);
        NetAcceptor(receiver)
    }

    /// A stream to the server, with no wire between.
    pub(crate) fn dial(&self) -> io::Result<DuplexStream> {
        let (near, far) = tokio::io::duplex(STREAM_BYTES);
        let listening = self.listening.lock().unwrap();
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let sender = listening.as_ref().ok_or_else(refused)?;
        sender.try_send(far).map_err(|_| refused())?;
        Ok(near)
    }

    /// A client's way to the server.
    pub(crate) fn connector(&self, wire: &Wire) -> Arc<dyn Connector> {
        Arc::new(NetConnector { net: self.clone(), wire: wire.clone() })
    }
}

impl Acceptor for NetAcceptor {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<BoxedDuplex>> {
        async {
            match self.0.recv().await {
                Some(stream) => Ok(Box::new(stream) as BoxedDuplex),
                None => futures::future::pending().await,
            }
        }
        .boxed()
    }
}

/// What a wire does with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    /// Holds everything back, as a process that is stopped does.
    Stop,
    /// Holds back what comes from the server.
    StopAnswers,
    /// Takes everything and delivers nothing, as a half-open connection does.
    Swallow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    ToServer,
    ToClient,
}

#[derive(Clone, Copy)]
struct State {
    mode: Mode,
    /// Counts the cuts: connections of before are gone.
    cuts: u64,
    /// Bytes until the next cut.
    left: [Option<usize>; 2],
    is_unplugged: bool,
}

/// One client's wire.
#[derive(Clone)]
pub(crate) struct Wire(Arc<watch::Sender<State>>);

impl Wire {
    pub(crate) fn new() -> Self {
        let state = State { mode: Mode::Pass, cuts: 0, left: [None; 2], is_unplugged: false };
        Self(Arc::new(watch::Sender::new(state)))
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.0.send_modify(|state| state.mode = mode);
    }

    /// Cuts the connections that there are.
    pub(crate) fn cut(&self) {
        self.0.send_modify(|state| {
            state.cuts += 1;
            state.left = [None; 2];
        });
    }

    /// Cuts after so many more bytes; the last ones are delivered.
    pub(crate) fn cut_after(&self, direction: Direction, bytes: usize) {
        self.0.send_modify(|state| state.left[direction as usize] = Some(bytes));
    }

    /// Lasts for ever again.
    pub(crate) fn mend(&self) {
        self.0.send_modify(|state| state.left = [None; 2]);
    }

    /// Cuts, and lets nothing connect until it is plugged in again.
    pub(crate) fn unplug(&self) {
        self.cut();
        self.0.send_modify(|state| state.is_unplugged = true);
    }

    pub(crate) fn plug_in(&self) {
        self.0.send_modify(|state| state.is_unplugged = false);
    }

    /// Takes the bytes that may still pass; fewer than wanted is the last of them.
    fn take(&self, direction: Direction, wanted: usize) -> usize {
        let mut taken = wanted;
        self.0.send_if_modified(|state| {
            let Some(left) = &mut state.left[direction as usize] else { return false };
            taken = wanted.min(*left);
            *left -= taken;
            taken < wanted
        });
        taken
    }
}

struct NetConnector {
    net: Net,
    wire: Wire,
}

impl Connector for NetConnector {
    fn connect(&self) -> BoxFuture<'_, io::Result<BoxedDuplex>> {
        async {
            let state = *self.wire.0.borrow();
            if state.is_unplugged {
                return Err(io::ErrorKind::NetworkUnreachable.into());
            }
            let (near, proxy) = tokio::io::duplex(STREAM_BYTES);
            let far = self.net.dial()?;
            let (from_client, to_client) = tokio::io::split(proxy);
            let (from_server, to_server) = tokio::io::split(far);
            let pump = |from, to, direction| {
                let wire = self.wire.clone();
                Pump { from, to, direction, wire, cuts: state.cuts }.run()
            };
            let up = pump(from_client, to_server, Direction::ToServer);
            let down = pump(from_server, to_client, Direction::ToClient);
            tokio::spawn(async { futures::future::join(up, down).await });
            Ok(Box::new(near) as BoxedDuplex)
        }
        .boxed()
    }
}

struct Pump {
    from: ReadHalf<DuplexStream>,
    to: WriteHalf<DuplexStream>,
    direction: Direction,
    wire: Wire,
    cuts: u64,
}

impl Pump {
    /// Carries bytes until the wire is cut or either end is closed.
    async fn run(mut self) {
        let mut watched = self.wire.0.subscribe();
        let cuts = self.cuts;
        let cut = async move { drop(watched.wait_for(|state| state.cuts > cuts).await) };
        tokio::select! {
            biased;
            () = cut => {}
            () = self.carry() => {}
        }
        drop(self.to.shutdown().await);
    }

    async fn carry(&mut self) {
        let mut watched = self.wire.0.subscribe();
        let mut buffer = vec![0; 4 << 10];
        loop {
            self.until_running(&mut watched).await;
            let Ok(count @ 1..) = self.from.read(&mut buffer).await else {
                // The end of a stream is swallowed too.
                drop(watched.wait_for(|state| state.mode != Mode::Swallow).await);
                return;
            };
            self.until_running(&mut watched).await;
            if self.wire.0.borrow().mode == Mode::Swallow {
                continue;
            }
            let taken = self.wire.take(self.direction, count);
            if self.to.write_all(&buffer[..taken]).await.is_err() {
                return;
            }
            if taken < count {
                self.wire.cut();
                return;
            }
        }
    }

    async fn until_running(&self, watched: &mut watch::Receiver<State>) {
        let is_down = self.direction == Direction::ToClient;
        let runs = |state: &State| match state.mode {
            Mode::Stop => false,
            Mode::StopAnswers => !is_down,
            Mode::Pass | Mode::Swallow => true,
        };
        drop(watched.wait_for(runs).await);
    }
}
