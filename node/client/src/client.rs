//! The handle: what can be called, and how a call reaches the client's thread.

use crate::calls;
use crate::config::{ClientConfig, Execution};
use crate::error::ClientError;
use crate::limits::{BATCH_ITEMS_MAX, CALLS_QUEUED_MAX};
use crate::model::{
    AlertSummary, CensusView, Explained, LiveState, NodeStatus, Position, QueryRow, Receipt,
    TimelinePage,
};
use crate::observation::NewObservation;
use crate::stream::AlertStream;
use crate::subscriber;
use crate::worker::{self, Job, Worker};
use futures::future::{FutureExt, LocalBoxFuture};
use schema_wire::rpc_capnp::session;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

/// A client of one node. Cheap to clone; clones share connections. The last one that is dropped
/// closes them. Calls are made from a tokio runtime with timers.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    jobs: mpsc::Sender<Job>,
    deadline_ms: u64,
    /// Drawn once: names commands, together with a count.
    nonce: u64,
    named: AtomicU64,
}

impl Client {
    /// Connects and logs in. Later losses of the connection are mended behind the calls.
    ///
    /// # Errors
    /// [`ClientError::Disconnected`] when nobody listens, [`ClientError::Refused`] when the login
    /// is refused.
    ///
    /// # Panics
    /// With [`Execution::Inline`] outside a [`LocalSet`].
    pub async fn connect(config: ClientConfig) -> Result<Self, ClientError> {
        let (jobs, queue) = mpsc::channel(CALLS_QUEUED_MAX);
        let shared = Shared {
            jobs,
            deadline_ms: config.deadline_ms,
            nonce: config.rng.next_u64(),
            named: AtomicU64::new(0),
        };
        let (ready, is_ready) = oneshot::channel();
        // What works ends with the last handle; nobody waits for it.
        match config.execution.clone() {
            Execution::Thread(spawner) => {
                let body = Box::new(move || worker::run(config, queue, ready));
                let thread = spawner.spawn_thread("medulla-rpc", body);
                drop(thread.map_err(|error| ClientError::Disconnected { reason: error.reason })?);
            }
            Execution::Inline => drop(tokio::task::spawn_local(async move {
                // A set of its own, so that connections end with the client as on a thread.
                LocalSet::new().run_until(worker::work(config, queue, ready)).await;
            })),
        }
        is_ready.await.map_err(|_| ClientError::Closed)??;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Runs work on the client's thread, within the deadline and with retries.
    async fn call<T, W, F>(&self, work: W) -> Result<T, ClientError>
    where
        T: Send + 'static,
        W: Fn(Rc<worker::Link>, session::Client) -> F + Send + 'static,
        F: Future<Output = Result<T, ClientError>> + 'static,
    {
        self.run(move |worker: Rc<Worker>| async move { worker.with_retries(None, work).await })
            .await
    }

    /// Like [`Client::call`], for calls to a patient.
    async fn call_patient<T, W, F>(&self, patient: &str, work: W) -> Result<T, ClientError>
    where
        T: Send + 'static,
        W: Fn(Rc<worker::Link>, session::Client) -> F + Send + 'static,
        F: Future<Output = Result<T, ClientError>> + 'static,
    {
        let patient = patient.to_owned();
        self.run(move |worker: Rc<Worker>| async move {
            worker.with_retries(Some(&patient), work).await
        })
        .await
    }

    async fn run<T, W, F>(&self, work: W) -> Result<T, ClientError>
    where
        T: Send + 'static,
        W: FnOnce(Rc<Worker>) -> F + Send + 'static,
        F: Future<Output = Result<T, ClientError>> + 'static,
    {
        let (reply, settled) = oneshot::channel();
        let job = Box::new(move |worker: Rc<Worker>| -> LocalBoxFuture<'static, ()> {
            let mut reply = reply;
            async move {
                let limit = Duration::from_millis(worker.deadline_ms());
                let work = tokio::time::timeout(limit, work(worker));
                tokio::select! {
                    // Nobody waits for the result any more.
                    () = reply.closed() => {}
                    result = work => {
                        let result = result.unwrap_or(Err(ClientError::Deadline));
                        drop(reply.send(result));
                    }
                }
            }
            .boxed_local()
        });
        self.enqueue(job).await?;
        settled.await.map_err(|_| ClientError::Closed)?
    }

    async fn enqueue(&self, job: Job) -> Result<(), ClientError> {
        match self.shared.jobs.try_send(job) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(ClientError::Closed),
            Err(mpsc::error::TrySendError::Full(job)) => {
                let limit = Duration::from_millis(self.shared.deadline_ms);
                let sent = tokio::time::timeout(limit, self.shared.jobs.send(job)).await;
                sent.map_err(|_| ClientError::Deadline)?.map_err(|_| ClientError::Closed)
            }
        }
    }

    /// Names a command that has no name, so that its retries share one.
    fn name(&self, observation: &mut NewObservation) {
        if observation.command_id.is_none() {
            let count = self.shared.named.fetch_add(1, Ordering::Relaxed);
            observation.command_id = Some(format!("{:016x}-{count:x}", self.shared.nonce));
        }
    }

    /// Records one observation; durable when this returns (ACK-1).
    ///
    /// # Errors
    /// [`ClientError`]; after [`ClientError::Deadline`] and [`ClientError::Disconnected`] ask again
    /// with the same command id.
    pub async fn observe(
        &self,
        patient: &str,
        mut observation: NewObservation,
    ) -> Result<Receipt, ClientError> {
        self.name(&mut observation);
        let asked = Arc::new((patient.to_owned(), observation));
        self.call_patient(patient, move |link, session| {
            calls::observe(link, session, Arc::clone(&asked))
        })
        .await
    }

    /// Records many observations in one call; each has its own result. Items that failed for a
    /// transient reason are tried again.
    ///
    /// # Errors
    /// [`ClientError`] when the call as a whole failed.
    pub async fn observe_many(
        &self,
        mut items: Vec<(String, NewObservation)>,
    ) -> Result<Vec<Result<Receipt, ClientError>>, ClientError> {
        check_batch(items.len())?;
        for (_, observation) in &mut items {
            self.name(observation);
        }
        self.run(move |worker| calls::observe_many(worker, items)).await
    }

    /// The live state of a patient: an audited read.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn read(&self, patient: &str) -> Result<LiveState, ClientError> {
        let asked: Arc<str> = patient.into();
        self.call_patient(patient, move |link, session| {
            calls::read(link, session, Arc::clone(&asked))
        })
        .await
    }

    /// The live states of many patients, each an audited read with its own result.
    ///
    /// # Errors
    /// [`ClientError`] when the call as a whole failed.
    pub async fn read_many(
        &self,
        patients: Vec<String>,
    ) -> Result<Vec<Result<LiveState, ClientError>>, ClientError> {
        check_batch(patients.len())?;
        let patients = Arc::new(patients);
        self.call(move |_, session| calls::read_many(session, Arc::clone(&patients))).await
    }

    /// Runs a query over all entities: column names, then rows, at most `rows_max`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn query(
        &self,
        expression: &str,
        rows_max: u32,
    ) -> Result<(Vec<String>, Vec<QueryRow>), ClientError> {
        let expression: Arc<str> = expression.into();
        self.call(move |_, session| calls::query(session, Arc::clone(&expression), rows_max)).await
    }

    /// Follows the alerts of all patients from a position on; `None`: from now on. The stream goes
    /// on over lost connections, without gap or repeat.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn subscribe_alerts(
        &self,
        from: Option<Position>,
    ) -> Result<AlertStream, ClientError> {
        self.run(move |worker| subscriber::subscribe(worker, from)).await
    }

    /// Why a patient's scores are what they are; all models, or one by its label.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn explain(
        &self,
        patient: &str,
        model: Option<&str>,
    ) -> Result<Vec<Explained>, ClientError> {
        let asked = Arc::new((patient.to_owned(), model.unwrap_or_default().to_owned()));
        self.call_patient(patient, move |link, session| {
            calls::explain(link, session, Arc::clone(&asked))
        })
        .await
    }

    /// What happened to a patient, newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn timeline(
        &self,
        patient: &str,
        limit: u32,
        cursor: Option<Vec<u8>>,
    ) -> Result<TimelinePage, ClientError> {
        let asked = Arc::new((patient.to_owned(), limit, cursor.unwrap_or_default()));
        self.call_patient(patient, move |link, session| {
            calls::timeline(link, session, Arc::clone(&asked))
        })
        .await
    }

    /// How many patients are in the beds of a facility.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn census(&self, facility: &str) -> Result<CensusView, ClientError> {
        let facility: Arc<str> = facility.into();
        self.call(move |_, session| calls::census(session, Arc::clone(&facility))).await
    }

    /// Takes an open alert; answered with the alert, or nothing when an earlier try took it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn acknowledge(
        &self,
        patient: &str,
        alert: &str,
    ) -> Result<Option<AlertSummary>, ClientError> {
        let count = self.shared.named.fetch_add(1, Ordering::Relaxed);
        let command_id = format!("{:016x}-{count:x}", self.shared.nonce);
        let asked = Arc::new((patient.to_owned(), alert.to_owned(), command_id));
        self.call(move |_, session| calls::acknowledge(session, Arc::clone(&asked))).await
    }

    /// The node that answers, with its counters.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status(&self) -> Result<NodeStatus, ClientError> {
        self.call(|_, session| calls::status(session)).await
    }
}

fn check_batch(length: usize) -> Result<(), ClientError> {
    if length <= BATCH_ITEMS_MAX {
        return Ok(());
    }
    Err(ClientError::Protocol { reason: "a batch has at most 1024 items".to_owned() })
}
