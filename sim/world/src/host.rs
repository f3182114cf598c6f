//! A machine of the world: a disk, a clock, a network and a process that runs on an executor of
//! its own, so that ending the process is dropping the executor.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::LocalBoxFuture;
use node_env::Network;
use node_env::fake::{FakeDisk, SeededRng};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::net::{HostNetwork, SimNet};
use crate::seed::Seed;
use crate::time::HostTime;

/// What a process finds when it is started on a host.
#[derive(Clone)]
pub struct HostContext {
    /// Number of the host; its address is `127.0.0.<host>`.
    pub host: u8,
    /// How often a process was started here, this time included.
    pub incarnation: u64,
    /// The clock.
    pub time: Arc<HostTime>,
    /// The disk.
    pub disk: FakeDisk,
    /// Randomness of this incarnation.
    pub rng: Arc<SeededRng>,
    /// The network.
    pub network: Arc<dyn Network>,
    /// Turns true when the process is asked to end (SIGTERM).
    pub stopping: watch::Receiver<bool>,
    /// How long a sync of the disk takes, microseconds.
    pub sync_micros: Arc<AtomicU64>,
}

impl HostContext {
    /// `127.0.0.<host>:port`.
    #[must_use]
    pub fn address(&self, port: u16) -> String {
        format!("127.0.0.{}:{port}", self.host)
    }
}

/// What a host runs. The process ends when the future does.
pub trait Program: 'static {
    /// Starts it.
    fn run(&self, context: HostContext) -> LocalBoxFuture<'static, ()>;
}

impl<F> Program for F
where
    F: Fn(HostContext) -> LocalBoxFuture<'static, ()> + 'static,
{
    fn run(&self, context: HostContext) -> LocalBoxFuture<'static, ()> {
        self(context)
    }
}

struct Process {
    // The order of the fields is the order of their ends: tasks before their executor.
    tasks: LocalSet,
    runtime: Runtime,
    stop: watch::Sender<bool>,
    has_ended: Rc<Cell<bool>>,
}

/// A host and what runs on it.
pub(crate) struct Host {
    pub(crate) number: u8,
    pub(crate) time: Arc<HostTime>,
    pub(crate) disk: FakeDisk,
    pub(crate) sync_micros: Arc<AtomicU64>,
    program: Box<dyn Program>,
    process: Option<Process>,
    pub(crate) incarnation: u64,
    /// It stands still until then.
    pub(crate) paused_until_micros: u64,
    /// It gets little time until then.
    pub(crate) slow_until_micros: u64,
    /// When a process is started again that is not there.
    pub(crate) boots_at_micros: Option<u64>,
}

/// Ordinary time of a sync, microseconds.
pub(crate) const SYNC_MICROS: u64 = 1_000;

impl Host {
    pub(crate) fn new(
        number: u8,
        seed: Seed,
        world_micros: Arc<AtomicU64>,
        program: Box<dyn Program>,
    ) -> Self {
        Self {
            number,
            time: Arc::new(HostTime::new(world_micros)),
            disk: FakeDisk::new(seed.number(&format!("disk.{number}"))),
            sync_micros: Arc::new(AtomicU64::new(SYNC_MICROS)),
            program,
            process: None,
            incarnation: 0,
            paused_until_micros: 0,
            slow_until_micros: 0,
            boots_at_micros: None,
        }
    }

    pub(crate) const fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Whether the process has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.has_ended.get())
    }

    /// Starts the process.
    ///
    /// # Panics
    /// When the machine that simulates gives no executor.
    #[expect(clippy::expect_used, reason = "a world without executors cannot go on")]
    pub(crate) fn boot(&mut self, seed: Seed, net: &SimNet) {
        self.incarnation += 1;
        self.boots_at_micros = None;
        net.host_up(self.number);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("an executor on this machine");
        let (stop, stopping) = watch::channel(false);
        let has_ended = Rc::new(Cell::new(false));
        let concern = format!("host.{}.{}", self.number, self.incarnation);
        let (time, disk) = (Arc::clone(&self.time), self.disk.clone());
        let context = HostContext {
            host: self.number,
            incarnation: self.incarnation,
            network: Arc::new(HostNetwork::new(net.clone(), self.number, time, disk.clone())),
            time: Arc::clone(&self.time),
            disk,
            rng: Arc::new(seed.stream(&concern)),
            stopping,
            sync_micros: Arc::clone(&self.sync_micros),
        };
        let tasks = LocalSet::new();
        runtime.block_on(async { self.time.begin() });
        let ended = Rc::clone(&has_ended);
        let running = self.program.run(context);
        tasks.spawn_local(async move {
            running.await;
            ended.set(true);
        });
        self.process = Some(Process { tasks, runtime, stop, has_ended });
    }

    /// Asks the process to end.
    pub(crate) fn ask_to_stop(&self) {
        if let Some(process) = &self.process {
            process.stop.send_replace(true);
        }
    }

    /// Lets the process live up to a time of the world.
    pub(crate) fn step(&self, until_micros: u64) {
        let Some(process) = &self.process else { return };
        let Some(until) = self.time.executor_at(until_micros) else { return };
        let living = async { tokio::time::sleep_until(until).await };
        process.tasks.block_on(&process.runtime, living);
    }

    /// Ends the process at once.
    pub(crate) fn end(&mut self, net: &SimNet, silently: bool) {
        let Some(process) = self.process.take() else { return };
        net.host_down(self.number, silently);
        let _inside = process.runtime.enter();
        drop(process.tasks);
        drop(_inside);
        drop(process.runtime);
        self.time.end();
        self.sync_micros.store(SYNC_MICROS, Ordering::SeqCst);
    }
}
