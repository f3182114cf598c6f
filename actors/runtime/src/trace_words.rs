//! The tracer of a node, and what spans say of how commands ended: one word, or the stable code of
//! the error. Nothing of a command or an answer (PHI-1).

use crate::error::SubmitError;
use crate::node::Runtime;
use crate::submit::Outcome;
use crate::unit::CommitFailure;
use node_env::trace::{self, Tracer};

impl Runtime {
    /// Traces requests by this tracer from now on. Set once.
    pub fn trace_by(&self, tracer: Tracer) {
        drop(self.inner.tracer.set(tracer));
    }

    /// The tracer of this node's requests; off when none was set.
    #[must_use]
    pub fn tracer(&self) -> &Tracer {
        static OFF: Tracer = Tracer::off();
        self.inner.tracer.get().unwrap_or(&OFF)
    }
}

/// How a command ended.
pub(crate) fn ended<R>(result: &Result<Outcome<R>, SubmitError>) -> trace::Outcome {
    match result {
        Ok(Outcome::Done { .. }) => trace::Outcome::Done("done"),
        Ok(Outcome::Repeated { .. }) => trace::Outcome::Done("repeated"),
        Err(error) => trace::Outcome::Failed(error.code().as_str()),
    }
}

/// How a commit ended.
pub(crate) fn committed<T>(result: &Result<T, CommitFailure>) -> trace::Outcome {
    match result {
        Ok(_) => trace::Outcome::Done("done"),
        Err(CommitFailure::Precondition) => trace::Outcome::Failed("precondition"),
        Err(CommitFailure::Discarded) => trace::Outcome::Failed("discarded"),
        Err(CommitFailure::NotServed(_)) => trace::Outcome::Failed("not-served"),
        Err(CommitFailure::Store(_)) => trace::Outcome::Failed("store"),
    }
}
