//! What the tests share: servers over a network in memory, clients of them, a store whose commits
//! wait at a gate, and small requests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use actors_store::{
    CommitError, CommitFuture, CommitLane, CommitRequest, Committed, KeyRange, MemoryStore,
    Mutation, ReadFuture, Snapshot, Store,
};
use bytes::Bytes;
use futures::FutureExt;
use node_env::fake::{ManualClock, SeededRng};
use node_store_remote::{
    ClientConfig, ClientId, ClientIdentity, RemoteServer, RemoteStore, ServedStore, ServerConfig,
};
use tokio::sync::oneshot;

use crate::net::{Net, Wire};

/// A served store and the network to it.
pub(crate) struct World {
    pub(crate) net: Net,
    pub(crate) memory: MemoryStore,
    pub(crate) gate: Arc<GatedStore>,
    pub(crate) served: Arc<ServedStore>,
    pub(crate) config: ServerConfig,
}

impl World {
    pub(crate) fn new() -> Self {
        let memory = MemoryStore::new(Arc::new(ManualClock::new(0)));
        let gate = Arc::new(GatedStore::new(memory.clone()));
        let served = ServedStore::new(gate.clone());
        Self { net: Net::default(), memory, gate, served, config: ServerConfig::default() }
    }

    pub(crate) fn serve(&self) -> RemoteServer {
        RemoteServer::start(Arc::clone(&self.served), self.net.listen(), self.config.clone())
    }

    /// A client that has begun to connect.
    pub(crate) fn client(&self, config: ClientConfig, wire: &Wire) -> Arc<RemoteStore> {
        RemoteStore::start(self.net.connector(wire), config)
    }

    pub(crate) async fn connected(&self, config: ClientConfig, wire: &Wire) -> Arc<RemoteStore> {
        let client = self.client(config, wire);
        client.wait_connected().await.unwrap();
        client
    }

    /// Number under a key, in the store itself.
    pub(crate) async fn stored(&self, key: &str) -> Option<Bytes> {
        let snapshot = self.memory.begin().await.unwrap();
        snapshot.get(key.as_bytes()).await.unwrap()
    }
}

/// A process of a client, with its own randomness.
pub(crate) fn config(name: &str, incarnation: u64) -> ClientConfig {
    let identity = ClientIdentity { client_id: ClientId::from_name(name), incarnation };
    let seed = u64::try_from(identity.client_id.0 >> 64).unwrap() ^ incarnation;
    ClientConfig::new(identity, Arc::new(SeededRng::new(seed)))
}

pub(crate) fn lane(id: u64, generation: u64) -> Option<CommitLane> {
    Some(CommitLane { id, generation })
}

pub(crate) fn set(key: &str, value: &str) -> CommitRequest {
    let mutations = vec![Mutation::set(key.to_owned(), value.to_owned())];
    CommitRequest { mutations, ..CommitRequest::default() }
}

/// A write that counts how often it took effect.
pub(crate) fn count(key: &str, lane: Option<CommitLane>) -> CommitRequest {
    let key = Bytes::copy_from_slice(key.as_bytes());
    let mutations = vec![Mutation::Add { key, delta: 1 }];
    CommitRequest { mutations, lane, ..CommitRequest::default() }
}

/// A write that depends on a key.
pub(crate) fn set_after_read(read_version: u64, read: &str, key: &str) -> CommitRequest {
    let read_conflicts = vec![KeyRange::single(read.as_bytes())];
    CommitRequest { read_version, read_conflicts, ..set(key, "written") }
}

pub(crate) async fn get(store: &dyn Store, key: &str) -> Option<Bytes> {
    let snapshot = store.begin().await.unwrap();
    snapshot.get(key.as_bytes()).await.unwrap()
}

pub(crate) fn number(value: i64) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(&value.to_le_bytes()))
}

/// A commit that nobody has decided about.
struct Waiting {
    request: CommitRequest,
    reply: oneshot::Sender<Result<Committed, CommitError>>,
}

#[derive(Default)]
struct Gate {
    is_closed: bool,
    waiting: VecDeque<Waiting>,
}

/// A store whose commits take effect when the test says so, in their order.
pub(crate) struct GatedStore {
    memory: MemoryStore,
    gate: Mutex<Gate>,
}

impl GatedStore {
    fn new(memory: MemoryStore) -> Self {
        Self { memory, gate: Mutex::default() }
    }

    pub(crate) fn close(&self) {
        self.gate.lock().unwrap().is_closed = true;
    }

    /// Lets some of the commits that wait take effect.
    pub(crate) fn release(&self, count: usize) {
        let mut gate = self.gate.lock().unwrap();
        let count = count.min(gate.waiting.len());
        for Waiting { request, reply } in gate.waiting.drain(..count) {
            let result = self.memory.commit(request).now_or_never().unwrap();
            drop(reply.send(result));
        }
    }

    pub(crate) fn open(&self) {
        self.release(usize::MAX);
        self.gate.lock().unwrap().is_closed = false;
    }

    pub(crate) fn waiting(&self) -> usize {
        self.gate.lock().unwrap().waiting.len()
    }

    /// Waits until so many commits wait.
    pub(crate) async fn until_waiting(&self, count: usize) {
        while self.waiting() < count {
            tokio::task::yield_now().await;
        }
    }
}

impl Store for GatedStore {
    fn begin(&self) -> ReadFuture<'_, Arc<dyn Snapshot>> {
        self.memory.begin()
    }

    fn commit(&self, request: CommitRequest) -> CommitFuture {
        let mut gate = self.gate.lock().unwrap();
        if !gate.is_closed {
            return self.memory.commit(request);
        }
        let (reply, answer) = oneshot::channel();
        gate.waiting.push_back(Waiting { request, reply });
        async move { answer.await.unwrap() }.boxed()
    }
}

/// Runs to the end on a thread of its own time, for tests that are no `async` functions.
pub(crate) fn block_on<T>(test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(test)
}
