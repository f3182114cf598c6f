//! Traces of requests as a seam: spans with a parent, kept in a bounded queue that somebody else
//! empties. What a span can say is closed: an operation, labels of a fixed list, numbers and texts
//! of the program itself. No text of a message or a caller fits into one (PHI-1).
//!
//! A tracer that is off costs one comparison a request. One that is on draws a number for each
//! request; only those that are kept allocate. The span that is being worked on is known to the
//! thread that works on it, so no function in between has to pass it on.
//!
//! Nothing waits for a trace: when the queue is full, spans are dropped and counted (LIM-1).

mod context;
mod recorder;
mod span;

pub use context::{HEADER_BYTES, SpanContext};
pub use recorder::{QUEUE_SPANS_MAX, TraceCounts, TraceParts, Tracer};
pub use span::{
    Around, Carried, FinishedSpan, LABELS_MAX, Label, LabelValue, Operation, Outcome, Role, Span,
    child,
};
