//! A line between two nodes that tests can cut, and clog without anybody being told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Forwards connections to an address.
pub(super) struct Line {
    pub(super) address: SocketAddr,
    carried: Arc<Mutex<Vec<AbortHandle>>>,
    is_clogged: watch::Sender<bool>,
    accepting: AbortHandle,
}

impl Line {
    pub(super) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let carried: Arc<Mutex<Vec<AbortHandle>>> = Arc::default();
        let (is_clogged, clogged) = watch::channel(false);
        let all = Arc::clone(&carried);
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let carry = tokio::spawn(carry(near, target, clogged.clone()));
                all.lock().unwrap().push(carry.abort_handle());
            }
        });
        Self { address, carried, is_clogged, accepting: accepting.abort_handle() }
    }

    /// Closes what goes over the line; new connections are carried.
    pub(super) fn cut(&self) {
        for carry in self.carried.lock().unwrap().drain(..) {
            carry.abort();
        }
    }

    /// Keeps connections open and carries nothing.
    pub(super) fn clog(&self) {
        self.is_clogged.send_replace(true);
    }

    pub(super) fn clear(&self) {
        self.is_clogged.send_replace(false);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn carry(near: TcpStream, target: SocketAddr, clogged: watch::Receiver<bool>) {
    let Ok(far) = TcpStream::connect(target).await else { return };
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let there = pipe(near_in, far_out, clogged.clone());
    let back = pipe(far_in, near_out, clogged);
    futures::future::select(std::pin::pin!(there), std::pin::pin!(back)).await;
}

async fn pipe(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut clogged: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if clogged.wait_for(|is_clogged| !is_clogged).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
