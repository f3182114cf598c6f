//! Spans: what they can say, and which one a thread works on.

use super::context::SpanContext;
use super::recorder::Recorder;
use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Labels of one span; further ones are left out.
pub const LABELS_MAX: usize = 6;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// An HTTP request, from its head to the head of its answer.
    HttpRequest,
    /// A message over MLLP, from its last byte to its answer.
    MllpMessage,
    /// A call over RPC.
    RpcCall,
    /// A command to an entity, wherever that is, until it is durable.
    Submit,
    /// A call to another node.
    Forward,
    /// A call of another node.
    Serve,
    /// From a command's decision until it is durable: the wait for a batch, and the store.
    Commit,
}

/// Which side of a call a span is, in the words of OpenTelemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Neither.
    Internal,
    /// It was called.
    Server,
    /// It calls.
    Client,
}

impl Operation {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HttpRequest => "http.request",
            Self::MllpMessage => "mllp.message",
            Self::RpcCall => "rpc.call",
            Self::Submit => "entity.submit",
            Self::Forward => "node.forward",
            Self::Serve => "node.serve",
            Self::Commit => "store.commit",
        }
    }

    /// Which side of a call it is.
    #[must_use]
    pub const fn role(self) -> Role {
        match self {
            Self::HttpRequest | Self::MllpMessage | Self::RpcCall | Self::Serve => Role::Server,
            Self::Forward => Role::Client,
            Self::Submit | Self::Commit => Role::Internal,
        }
    }
}

/// What may be said of a span beside its operation and outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// The kind of entity; never which one.
    EntityKind,
    /// The number of the shard.
    Shard,
    /// The id of the node that is called.
    Peer,
    /// The part of the interface that was asked: `fhir`, `api`.
    Interface,
    /// The HTTP method.
    Method,
    /// The HTTP status.
    Status,
}

impl Label {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EntityKind => "medulla.entity.kind",
            Self::Shard => "medulla.shard",
            Self::Peer => "medulla.peer.node",
            Self::Interface => "medulla.interface",
            Self::Method => "http.request.method",
            Self::Status => "http.response.status_code",
        }
    }
}

/// A label's value: a number, or a text of the program (PHI-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelValue {
    /// A number of the system: a shard, a node, a status.
    Number(u64),
    /// A word of the program's own text.
    Word(&'static str),
}

/// How a span ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it should, in one word.
    Done(&'static str),
    /// Not as it should: a stable error code, or one word.
    Failed(&'static str),
}

/// A span that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedSpan {
    /// Which span of which trace.
    pub context: SpanContext,
    /// The span that it is a part of.
    pub parent: Option<u64>,
    /// What was done.
    pub operation: Operation,
    /// How it ended.
    pub outcome: Outcome,
    /// What else is said.
    pub labels: Vec<(Label, LabelValue)>,
    /// When it began, microseconds since 1970 by the wall clock.
    pub start_unix_micros: i64,
    /// How long it took, microseconds by the monotonic clock.
    pub duration_micros: u64,
}

/// A span that is under way. It ends when it is dropped; without an outcome it was abandoned.
pub struct Span {
    recorder: Arc<Recorder>,
    start_micros: u64,
    finished: FinishedSpan,
}

impl Span {
    pub(super) fn begin(
        recorder: Arc<Recorder>,
        operation: Operation,
        parent: Option<SpanContext>,
    ) -> Self {
        let finished = FinishedSpan {
            context: recorder.context(parent),
            parent: parent.map(SpanContext::span),
            operation,
            outcome: Outcome::Failed("abandoned"),
            labels: Vec::new(),
            start_unix_micros: recorder.wall_unix_micros(),
            duration_micros: 0,
        };
        Self { start_micros: recorder.monotonic_micros(), recorder, finished }
    }

    /// Which span of which trace it is.
    #[must_use]
    pub const fn context(&self) -> SpanContext {
        self.finished.context
    }

    /// Says something of it.
    pub fn label(&mut self, label: Label, value: LabelValue) {
        if self.finished.labels.len() < LABELS_MAX {
            self.finished.labels.push((label, value));
        }
    }

    /// Ends it.
    pub fn end(mut self, outcome: Outcome) {
        self.finished.outcome = outcome;
    }

    /// Does `work` within this span: what begins a span meanwhile begins a part of this one.
    pub fn around<F: Future + Unpin>(&self, work: F) -> Around<F> {
        Around { active: self.active(), work }
    }

    fn active(&self) -> Active {
        Active { recorder: Arc::clone(&self.recorder), context: self.context() }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let now = self.recorder.monotonic_micros();
        let mut finished = self.finished.clone();
        finished.duration_micros = now.saturating_sub(self.start_micros);
        self.recorder.keep(finished);
    }
}

/// The span that is being worked on.
#[derive(Clone)]
struct Active {
    recorder: Arc<Recorder>,
    context: SpanContext,
}

impl Active {
    fn child(&self, operation: Operation) -> Box<Span> {
        Box::new(Span::begin(Arc::clone(&self.recorder), operation, Some(self.context)))
    }
}

thread_local! {
    static ACTIVE: RefCell<Option<Active>> = const { RefCell::new(None) };
}

/// Exchanges what this thread works on. A thread that ends works on nothing.
fn exchange(active: Option<Active>) -> Option<Active> {
    ACTIVE.try_with(|current| current.replace(active)).unwrap_or_default()
}

fn current<T>(look: impl FnOnce(&Active) -> T) -> Option<T> {
    ACTIVE.try_with(|current| current.borrow().as_ref().map(look)).unwrap_or_default()
}

/// A part of what this thread works on; `None` when that is not traced.
#[must_use]
pub fn child(operation: Operation) -> Option<Box<Span>> {
    current(|active| active.child(operation))
}

/// What a thread works on, taken along to another task.
#[derive(Clone, Default)]
pub struct Carried(Option<Box<Active>>);

impl Carried {
    /// What this thread works on.
    #[must_use]
    pub fn current() -> Self {
        Self(current(|active| Box::new(active.clone())))
    }

    /// A part of it; `None` when it is not traced.
    #[must_use]
    pub fn child(&self, operation: Operation) -> Option<Box<Span>> {
        self.0.as_ref().map(|active| active.child(operation))
    }
}

impl std::fmt::Debug for Carried {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.0.is_some() { "Carried(traced)" } else { "Carried" })
    }
}

/// Work within a span.
pub struct Around<F> {
    active: Active,
    work: F,
}

impl<F: Future + Unpin> Future for Around<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let _entered = Entered(exchange(Some(this.active.clone())));
        Pin::new(&mut this.work).poll(context)
    }
}

/// Gives the thread back what it worked on before, also when the work panics.
struct Entered(Option<Active>);

impl Drop for Entered {
    fn drop(&mut self) {
        drop(exchange(self.0.take()));
    }
}
