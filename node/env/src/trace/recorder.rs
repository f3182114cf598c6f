//! Who decides which requests are traced, and the queue of what they left.

use super::context::SpanContext;
use super::span::{FinishedSpan, Operation, Span};
use crate::{Clock, Rng};
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Finished spans that wait for whoever sends them on. At some 300 bytes each, 1.2 MiB.
pub const QUEUE_SPANS_MAX: usize = 4_096;
const MILLION: u64 = 1_000_000;
/// The odd constant of SplitMix64 (Steele, Lea, Flood 2014).
const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// What a tracer needs.
pub struct TraceParts {
    /// Wall time for starts, monotonic time for durations.
    pub clock: Arc<dyn Clock>,
    /// Seeds ids and the choice of requests; asked once.
    pub rng: Arc<dyn Rng>,
    /// Of a million requests so many are traced.
    pub traces_per_million: u32,
}

/// What became of spans so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TraceCounts {
    /// Ended and put into the queue.
    pub recorded: u64,
    /// Ended while the queue was full.
    pub dropped: u64,
    /// Taken by a collector.
    pub exported: u64,
    /// Sent in vain.
    pub lost: u64,
}

/// Begins traces; off by default. Cheap to clone, clones share the queue.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Recorder>>);

impl fmt::Debug for Tracer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() { "Tracer(on)" } else { "Tracer(off)" })
    }
}

impl Tracer {
    /// A tracer that is off.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// A tracer that is on.
    #[must_use]
    pub fn new(parts: TraceParts) -> Self {
        let TraceParts { clock, rng, traces_per_million } = parts;
        Self(Some(Arc::new(Recorder {
            clock,
            state: AtomicU64::new(rng.next_u64()),
            traces_per_million: u64::from(traces_per_million),
            queue: Mutex::default(),
            recorded: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            exported: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        })))
    }

    /// Whether requests are traced at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The first span of a request here. A caller's `traceparent` decides whether the request is
    /// traced, and in which trace; without one chance does.
    #[must_use]
    pub fn request(&self, operation: Operation, traceparent: Option<&str>) -> Option<Box<Span>> {
        let recorder = self.0.as_ref()?;
        let parent = match traceparent.and_then(SpanContext::read_traceparent) {
            Some((_, false)) => return None,
            Some((parent, true)) => Some(parent),
            None if recorder.next() % MILLION >= recorder.traces_per_million => return None,
            None => None,
        };
        Some(Box::new(Span::begin(Arc::clone(recorder), operation, parent)))
    }

    /// The span of what another node asks for as a part of one of its spans.
    #[must_use]
    pub fn continued(&self, operation: Operation, parent: SpanContext) -> Option<Box<Span>> {
        let recorder = self.0.as_ref()?;
        Some(Box::new(Span::begin(Arc::clone(recorder), operation, Some(parent))))
    }

    /// Takes at most `spans_max` finished spans out of the queue, oldest first.
    #[must_use]
    pub fn take(&self, spans_max: usize) -> Vec<FinishedSpan> {
        let Some(recorder) = &self.0 else { return Vec::new() };
        let mut queue = recorder.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let count = queue.len().min(spans_max);
        queue.drain(..count).collect()
    }

    /// Counts spans that a collector took.
    pub fn count_exported(&self, spans: u64) {
        if let Some(recorder) = &self.0 {
            recorder.exported.fetch_add(spans, Ordering::Relaxed);
        }
    }

    /// Counts spans that were sent in vain.
    pub fn count_lost(&self, spans: u64) {
        if let Some(recorder) = &self.0 {
            recorder.lost.fetch_add(spans, Ordering::Relaxed);
        }
    }

    /// What became of spans so far; `None` when the tracer is off.
    #[must_use]
    pub fn counts(&self) -> Option<TraceCounts> {
        let recorder = self.0.as_ref()?;
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Some(TraceCounts {
            recorded: load(&recorder.recorded),
            dropped: load(&recorder.dropped),
            exported: load(&recorder.exported),
            lost: load(&recorder.lost),
        })
    }
}

/// What the spans of a tracer share.
pub(super) struct Recorder {
    clock: Arc<dyn Clock>,
    /// Of the generator of ids and choices: they are no secrets, and a request has no time for
    /// the operating system's generator.
    state: AtomicU64,
    traces_per_million: u64,
    queue: Mutex<VecDeque<FinishedSpan>>,
    recorded: AtomicU64,
    dropped: AtomicU64,
    exported: AtomicU64,
    lost: AtomicU64,
}

impl Recorder {
    pub(super) fn wall_unix_micros(&self) -> i64 {
        self.clock.wall_unix_micros()
    }

    pub(super) fn monotonic_micros(&self) -> u64 {
        self.clock.monotonic_micros()
    }

    fn next(&self) -> u64 {
        let state = self.state.fetch_add(GOLDEN_GAMMA, Ordering::Relaxed);
        let mixed = state.wrapping_add(GOLDEN_GAMMA);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// The context of a new span.
    pub(super) fn context(&self, parent: Option<SpanContext>) -> SpanContext {
        let new_trace = || (u128::from(self.next()) << 64 | u128::from(self.next())).max(1);
        let trace = parent.map_or_else(new_trace, SpanContext::trace);
        SpanContext { trace, span: self.next().max(1) }
    }

    pub(super) fn keep(&self, span: FinishedSpan) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = if queue.len() < QUEUE_SPANS_MAX {
            queue.push_back(span);
            &self.recorded
        } else {
            &self.dropped
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
