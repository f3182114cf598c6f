//! Commits in line. A cluster decides about commits in any order, so the order that the port
//! promises is made here: one commit at a time of each line, the next one only when what became of
//! the last is known. A line is a lane; without a lane, the task that calls, or else the thread.
//! Lines do not wait for each other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use actors_store::{CommitError, CommitLane, CommitRequest, Lanes};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Notify, oneshot};

use crate::attempt::{Ticket, check_stamped};
use crate::commit::{Ended, Outcome, run};
use crate::core::{Core, Tries};
use crate::limits::RETRY_AFTER_MS;
use crate::settle::settle;

/// Whose commits follow each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Line {
    Lane(u64),
    /// A task or thread; the id as text, because neither kind of id has an order.
    Caller(String),
}

struct Job {
    request: CommitRequest,
    bytes: usize,
    reply: oneshot::Sender<Outcome>,
}

#[derive(Default)]
struct State {
    /// Lines with something to do; each is worked on by one task.
    lines: BTreeMap<Line, VecDeque<Job>>,
    /// Lanes as the calls leave them: a refused call ends its generation for later calls.
    asked: Lanes,
    /// Lanes as the commits leave them, in their order.
    decided: Lanes,
    commits: usize,
    bytes: usize,
    /// Slots in use; the lowest free one is taken, so that few marker keys exist.
    slots: BTreeSet<u32>,
    is_closed: bool,
}

/// See the module.
pub(crate) struct Queues {
    core: Arc<Core>,
    state: Mutex<State>,
    emptied: Notify,
}

impl Queues {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core, state: Mutex::default(), emptied: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits that wait or are in flight.
    pub(crate) fn waiting(&self) -> usize {
        self.state().commits
    }

    /// Puts a request at the end of its line, or refuses it at once; a refusal ends the generation
    /// of its lane for later calls and leaves those before it alone.
    pub(crate) fn push(
        self: &Arc<Self>,
        request: CommitRequest,
    ) -> Result<oneshot::Receiver<Outcome>, CommitError> {
        let checked = request.validate().and_then(|()| check_stamped(&request));
        let line = request.lane.map_or_else(caller, |lane| Line::Lane(lane.id));
        let (lane, bytes) = (request.lane, memory_bytes(&request));
        let mut state = self.state();
        if state.is_closed {
            return Err(CommitError::Stopped { reason: "the store was closed".to_owned() });
        }
        state.asked.admit(lane)?;
        let taken = checked.and_then(|()| self.room_for(&state, bytes));
        state.asked.settle(lane, taken)?;
        let (reply, answer) = oneshot::channel();
        state.commits += 1;
        state.bytes += bytes;
        let job = Job { request, bytes, reply };
        if let Some(queue) = state.lines.get_mut(&line) {
            queue.push_back(job);
            return Ok(answer);
        }
        state.lines.insert(line.clone(), VecDeque::from([job]));
        drop(state);
        drop(self.core.runtime.spawn(Arc::clone(self).work_off(line)));
        Ok(answer)
    }

    fn room_for(&self, state: &State, bytes: usize) -> Result<(), CommitError> {
        let config = &self.core.config;
        let fits = state.commits == 0 || state.bytes + bytes <= config.commit_bytes_max;
        if state.commits < config.commits_max && fits {
            return Ok(());
        }
        self.core.counters.overloaded.add();
        Err(CommitError::Overloaded { retry_after_ms: RETRY_AFTER_MS })
    }

    async fn work_off(self: Arc<Self>, line: Line) {
        while let Some(job) = self.next(&line) {
            self.decide(job).await;
        }
    }

    /// The next commit of a line, or the end of the line.
    fn next(&self, line: &Line) -> Option<Job> {
        let mut state = self.state();
        let job = state.lines.get_mut(line)?.pop_front();
        if job.is_none() {
            state.lines.remove(line);
            if state.lines.is_empty() {
                self.emptied.notify_waiters();
            }
        }
        job
    }

    async fn decide(&self, job: Job) {
        let Job { request, bytes, reply } = job;
        let lane = request.lane;
        let admitted = self.state().decided.admit(lane);
        if let Err(abandoned) = admitted {
            return self.answer(lane, bytes, reply, Err(abandoned));
        }
        // The semaphore is never closed.
        let _place = self.core.in_flight.acquire().await.ok();
        let slot = self.take_slot();
        match run(&self.core, &request, slot).await {
            Ended::Known(outcome) => self.answer(lane, bytes, reply, outcome),
            Ended::InDoubt(ticket, error) => {
                // Who begins after this answer waits for the end of the doubt, and so does the
                // line.
                let doubt = self.core.doubt();
                self.core.counters.unknown_answered.add();
                self.answer(lane, bytes, reply, Err(error));
                self.find_out(&ticket).await;
                drop(doubt);
            }
        }
        self.state().slots.remove(&slot);
    }

    async fn find_out(&self, ticket: &Ticket) {
        let found = settle(&self.core, ticket, &mut Tries::forever()).await;
        match found {
            Ok(fate) => tracing::info!(?fate, "a commit in doubt was settled"),
            Err(code) => tracing::warn!(%code, "a commit stayed in doubt"),
        }
    }

    fn take_slot(&self) -> u32 {
        let mut state = self.state();
        let free = (0..).find(|slot| !state.slots.contains(slot)).unwrap_or(u32::MAX);
        state.slots.insert(free);
        free
    }

    fn answer(
        &self,
        lane: Option<CommitLane>,
        bytes: usize,
        reply: oneshot::Sender<Outcome>,
        outcome: Outcome,
    ) {
        let mut state = self.state();
        state.commits = state.commits.saturating_sub(1);
        state.bytes = state.bytes.saturating_sub(bytes);
        if outcome.is_err() {
            state.decided.fail(lane);
            state.asked.fail(lane);
        }
        drop(state);
        // Who asked may be gone; the commit stands.
        let _is_heard = reply.send(outcome).is_ok();
    }

    /// Takes nothing more and waits until every line is worked off.
    pub(crate) async fn close(&self) {
        self.state().is_closed = true;
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if self.state().lines.is_empty() {
                return;
            }
            emptied.await;
        }
    }
}

/// Who calls: the task, unless all tasks share the thread, as in a runtime of one thread.
fn caller() -> Line {
    let is_shared = Handle::try_current()
        .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread);
    let task = tokio::task::try_id().filter(|_| !is_shared);
    let thread = || -> ThreadId { std::thread::current().id() };
    Line::Caller(task.map_or_else(|| format!("{:?}", thread()), |task| format!("task {task}")))
}

/// Bytes of memory that a request is reckoned at.
fn memory_bytes(request: &CommitRequest) -> usize {
    const ITEM_BYTES: usize = 96;
    let ranges = request.read_conflicts.len() + request.write_conflicts.len();
    request.size_bytes() + (ranges + request.mutations.len()) * ITEM_BYTES
}
