//! The client's one thread: connections that mend themselves, and calls with retries. Capabilities
//! stay on this thread; handles elsewhere send it work.

use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::limits::{
    BACKOFF_MS_MAX, CALLS_IN_FLIGHT_MAX, CONNECT_MS_MAX, MESSAGE_WORDS_MAX, PATIENTS_HELD_MAX,
};
use crate::transport::gather;
use capnp::message::ReaderOptions;
use capnp_rpc::{RpcSystem, rpc_twoparty_capnp, twoparty};
use futures::future::LocalBoxFuture;
use futures::io::BufReader;
use node_env::Network;
use schema_wire::rpc_capnp::{gateway, patient, session};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::hash::{DefaultHasher, Hasher};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify, Semaphore, mpsc, oneshot};
use tokio::task::{AbortHandle, LocalSet};
use tokio_util::compat::TokioAsyncReadCompatExt;

/// Bytes that a connection buffers in each direction.
const BUFFER_BYTES: usize = 64 * 1024;
/// Nesting of pointers in a message.
const NESTING_MAX: i32 = 64;

/// Work for the client's thread.
pub(crate) type Job = Box<dyn FnOnce(Rc<Worker>) -> LocalBoxFuture<'static, ()> + Send>;

/// What the thread holds.
pub(crate) struct Worker {
    config: ClientConfig,
    links: Vec<Rc<Link>>,
    turn: Cell<usize>,
}

/// One connection, made when it is needed.
pub(crate) struct Link {
    network: Arc<dyn Network>,
    address: String,
    principal: String,
    purpose: String,
    /// Held while a connection is being made, so that only one is.
    live: Mutex<Option<Live>>,
    /// The same session for those who need not wait.
    current: RefCell<Option<(session::Client, Rc<Cell<bool>>)>>,
    /// Told when a connection is lost.
    breaks: Rc<Notify>,
    /// Capabilities of patients that were asked before, within the current connection.
    patients: RefCell<BTreeMap<String, patient::Client>>,
}

struct Live {
    session: session::Client,
    is_broken: Rc<Cell<bool>>,
    breaks: Rc<Notify>,
    system: AbortHandle,
}

/// A connection that is replaced is closed.
impl Drop for Live {
    fn drop(&mut self) {
        self.system.abort();
        self.is_broken.set(true);
        self.breaks.notify_waiters();
    }
}

/// The body of the thread.
pub(crate) fn run(
    config: ClientConfig,
    queue: mpsc::Receiver<Job>,
    ready: oneshot::Sender<Result<(), ClientError>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            drop(ready.send(Err(ClientError::Disconnected { reason: error.to_string() })));
            return;
        }
    };
    LocalSet::new().block_on(&runtime, work(config, queue, ready));
}

/// Connects and does what is asked for, in the local set around it; ends when the last handle is
/// gone.
pub(crate) async fn work(
    config: ClientConfig,
    mut queue: mpsc::Receiver<Job>,
    ready: oneshot::Sender<Result<(), ClientError>>,
) {
    let worker = Rc::new(Worker::new(config));
    let connected = worker.connect_all().await;
    let failed = connected.is_err();
    if ready.send(connected).is_err() || failed {
        return;
    }
    let in_flight = CALLS_IN_FLIGHT_MAX * worker.links.len();
    let in_flight = Arc::new(Semaphore::new(in_flight));
    loop {
        let Ok(permit) = Arc::clone(&in_flight).acquire_owned().await else { return };
        let Some(job) = queue.recv().await else { return };
        let work = job(Rc::clone(&worker));
        tokio::task::spawn_local(async move {
            work.await;
            drop(permit);
        });
    }
}

impl Worker {
    fn new(config: ClientConfig) -> Self {
        let link = |_| {
            Rc::new(Link {
                network: Arc::clone(&config.network),
                address: config.address.clone(),
                principal: config.principal.clone(),
                purpose: config.purpose.clone(),
                live: Mutex::new(None),
                current: RefCell::new(None),
                breaks: Rc::new(Notify::new()),
                patients: RefCell::default(),
            })
        };
        let links = (0..config.connections.max(1)).map(link).collect();
        Self { links, turn: Cell::new(0), config }
    }

    /// Connects everywhere and waits for the logins, so that a refusal is told at once.
    async fn connect_all(&self) -> Result<(), ClientError> {
        for link in &self.links {
            let session = link.session().await?;
            let renewed = tokio::time::timeout(
                Duration::from_millis(CONNECT_MS_MAX),
                session.renew_request().send().promise,
            );
            renewed.await.map_err(|_| ClientError::Deadline)??;
        }
        Ok(())
    }

    pub(crate) const fn deadline_ms(&self) -> u64 {
        self.config.deadline_ms
    }

    /// The next connection in turn.
    pub(crate) fn link(&self) -> Rc<Link> {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        Rc::clone(&self.links[turn % self.links.len()])
    }

    /// The connection for calls to one patient: always the same, so that its capability is asked
    /// for once and not by every connection; after a failure the others in turn.
    fn link_of(&self, patient: &str, tries: u32) -> Rc<Link> {
        let mut hasher = DefaultHasher::new();
        hasher.write(patient.as_bytes());
        let links = u64::try_from(self.links.len()).unwrap_or(1);
        let turn = hasher.finish().wrapping_add(u64::from(tries)) % links;
        Rc::clone(&self.links[usize::try_from(turn).unwrap_or(0)])
    }

    /// Makes a call, again after transient failures, as the policy says.
    pub(crate) async fn with_retries<T, W, F>(
        &self,
        patient: Option<&str>,
        work: W,
    ) -> Result<T, ClientError>
    where
        W: Fn(Rc<Link>, session::Client) -> F,
        F: Future<Output = Result<T, ClientError>>,
    {
        let mut tries = 0;
        loop {
            let link = patient.map_or_else(|| self.link(), |patient| self.link_of(patient, tries));
            let result = match link.session().await {
                Ok(session) => work(link, session).await,
                Err(error) => Err(error),
            };
            tries += 1;
            match result {
                Err(error) if error.is_transient() && tries < self.config.retry.tries_max => {
                    self.back_off(tries, error.retry_after_ms()).await;
                }
                result => return result,
            }
        }
    }

    /// Whether the policy allows another try.
    pub(crate) const fn may_retry(&self, tries: u32) -> bool {
        tries < self.config.retry.tries_max
    }

    /// Waits before the next try: twice as long each time, or as long as the server said.
    pub(crate) async fn back_off(&self, tries: u32, hint_ms: Option<u64>) {
        let doubled = self.config.retry.backoff_ms.saturating_mul(1 << tries.min(16));
        let ms = doubled.max(hint_ms.unwrap_or(0)).min(BACKOFF_MS_MAX);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

impl Link {
    /// A live session; connects first if need be. The login of a new connection travels with the
    /// first call, in one round trip.
    pub(crate) async fn session(&self) -> Result<session::Client, ClientError> {
        if let Some((session, is_broken)) = &*self.current.borrow()
            && !is_broken.get()
        {
            return Ok(session.clone());
        }
        let mut live = self.live.lock().await;
        if let Some(Live { session, is_broken, .. }) = &*live
            && !is_broken.get()
        {
            return Ok(session.clone());
        }
        self.patients.borrow_mut().clear();
        let limit = Duration::from_millis(CONNECT_MS_MAX);
        let connecting = tokio::time::timeout(limit, self.connect());
        let fresh = connecting.await.map_err(|_| disconnected("connecting took too long"))??;
        let session = fresh.session.clone();
        self.current.replace(Some((session.clone(), Rc::clone(&fresh.is_broken))));
        *live = Some(fresh);
        Ok(session)
    }

    async fn connect(&self) -> Result<Live, ClientError> {
        let failed = |error: std::io::Error| disconnected(&error.kind().to_string());
        let stream = self.network.connect(&self.address).await.map_err(failed)?;
        let (reader, writer) = stream.split();
        let options = ReaderOptions {
            traversal_limit_in_words: Some(MESSAGE_WORDS_MAX),
            nesting_limit: NESTING_MAX,
        };
        let (gathered, writes) = gather();
        tokio::task::spawn_local(writes.run(writer));
        let network = twoparty::VatNetwork::new(
            BufReader::with_capacity(BUFFER_BYTES, reader.compat()),
            gathered,
            rpc_twoparty_capnp::Side::Client,
            options,
        );
        let mut system = RpcSystem::new(Box::new(network), None);
        let gateway: gateway::Client = system.bootstrap(rpc_twoparty_capnp::Side::Server);
        let is_broken = Rc::new(Cell::new(false));
        let (broken, breaks) = (Rc::clone(&is_broken), Rc::clone(&self.breaks));
        let running = tokio::task::spawn_local(async move {
            // Why it ended is told by the calls that it took with it.
            drop(system.await);
            broken.set(true);
            breaks.notify_waiters();
        });
        let mut login = gateway.login_request();
        let mut params = login.get();
        let mut development = params.reborrow().init_credentials().init_development();
        development.set_principal(&self.principal[..]);
        development.set_purpose(&self.purpose[..]);
        let mut client = params.init_client();
        client.set_name("medulla-client");
        client.set_version(env!("CARGO_PKG_VERSION"));
        let session = login.send().pipeline.get_session();
        let (breaks, system) = (Rc::clone(&self.breaks), running.abort_handle());
        Ok(Live { session, is_broken, breaks, system })
    }

    /// The capability of a patient, asked for once per connection.
    pub(crate) fn patient(&self, session: &session::Client, key: &str) -> patient::Client {
        let mut held = self.patients.borrow_mut();
        if let Some(patient) = held.get(key) {
            return patient.clone();
        }
        if held.len() >= PATIENTS_HELD_MAX {
            held.clear();
        }
        let mut request = session.patient_request();
        request.get().set_key(key);
        let patient = request.send().pipeline.get_patient();
        held.insert(key.to_owned(), patient.clone());
        patient
    }

    /// Forgets the capability of a patient, because a call to it failed.
    pub(crate) fn forget(&self, key: &str) {
        self.patients.borrow_mut().remove(key);
    }

    /// Waits until the current connection is lost.
    pub(crate) async fn lost(&self) {
        let lost = self.current.borrow().as_ref().map(|(_, broken)| Rc::clone(broken));
        if let Some(broken) = lost {
            while !broken.get() {
                self.breaks.notified().await;
            }
        }
    }

    /// Marks the session as unusable: the next call logs in anew.
    pub(crate) fn log_out(&self) {
        if let Some((_, is_broken)) = &*self.current.borrow() {
            is_broken.set(true);
            self.breaks.notify_waiters();
        }
    }
}

fn disconnected(reason: &str) -> ClientError {
    ClientError::Disconnected { reason: reason.to_owned() }
}
