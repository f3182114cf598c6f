//! The store that is served, with what must outlive a listener: which clients there are and
//! which lanes of the store are in use.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actors_store::{CommitLane, Store};
use tokio::sync::watch;

use crate::config::ClientIdentity;
use crate::error::Farewell;
use crate::limits::CLIENTS_MAX;
use crate::message::Hello;
use crate::server::gate::{ClientGate, SessionNumber};
use crate::server::lanes::{LanePool, SessionLanes};

/// An open store that is served. One of these for an open store, whatever becomes of the servers
/// in front of it: it remembers the incarnations of clients, and it uses the lanes of the store,
/// so nobody else may commit to it in a lane.
pub struct ServedStore {
    pub(crate) store: Arc<dyn Store>,
    clients: Mutex<BTreeMap<u128, Arc<ClientGate>>>,
    lanes: Mutex<LanePool>,
    stopped: watch::Sender<Option<String>>,
}

impl ServedStore {
    /// Serves an open store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            store,
            clients: Mutex::default(),
            lanes: Mutex::default(),
            stopped: watch::Sender::new(None),
        })
    }

    /// Lets a client in, or not; what its earlier sessions sent no longer reaches the store.
    pub(crate) fn admit(&self, hello: &Hello) -> Result<Admission, Farewell> {
        let mut clients = lock(&self.clients);
        let is_new = !clients.contains_key(&hello.client_id);
        if is_new && clients.len() >= CLIENTS_MAX {
            return Err(Farewell::TooManyClients);
        }
        let gate = Arc::clone(clients.entry(hello.client_id).or_default());
        let session = gate.take_over(hello)?;
        Ok(Admission { gate, session, hello: *hello })
    }

    /// Ends a session that was let in.
    pub(crate) fn leave(&self, admission: &Admission) {
        let is_ephemeral = ClientIdentity::is_ephemeral(admission.hello.incarnation);
        let is_last = admission.gate.leave();
        if is_ephemeral && is_last {
            let mut clients = lock(&self.clients);
            // Another session may have come in between.
            if admission.gate.is_idle() {
                clients.remove(&admission.hello.client_id);
            }
        }
    }

    pub(crate) fn lend_lane(&self) -> Option<CommitLane> {
        lock(&self.lanes).lend()
    }

    pub(crate) fn release_lanes(&self, lanes: &mut SessionLanes) {
        lanes.release(&mut lock(&self.lanes));
    }

    /// Notes that the store has stopped; the first reason counts.
    pub(crate) fn note_stopped(&self, reason: &str) {
        self.stopped.send_if_modified(|stopped| {
            let is_first = stopped.is_none();
            stopped.get_or_insert_with(|| reason.to_owned());
            is_first
        });
    }

    /// Why the store has stopped for good, once a client has been told so.
    #[must_use]
    pub fn stopped(&self) -> Option<String> {
        self.stopped.borrow().clone()
    }

    /// Ends when the store has stopped for good and a client has been told so; gives the reason.
    pub async fn until_stopped(&self) -> String {
        let mut stopped = self.stopped.subscribe();
        let reason = stopped.wait_for(Option::is_some).await;
        reason.ok().and_then(|reason| reason.clone()).unwrap_or_default()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A session that was let in.
pub(crate) struct Admission {
    pub(crate) gate: Arc<ClientGate>,
    pub(crate) session: SessionNumber,
    pub(crate) hello: Hello,
}
