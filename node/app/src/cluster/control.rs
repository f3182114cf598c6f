//! The control plane as the other parts use it: its state machine inside Raft, proposals, and
//! what came of them.

use consensus_control::{Answer, Command, ControlState, Outcome, Proposal};
use consensus_raft::{ControlPlane, Machine, ProposeError, RestoreError};
use node_env::Clock;
use schema_types::error_code::ErrorCode;
use schema_types::time::Timestamp;
use std::sync::Arc;

/// The state machine inside Raft. Commands stay bytes, so that what this software cannot read is
/// judged by the state, alike on every node.
#[derive(Debug, Default)]
pub(crate) struct ControlMachine {
    pub(crate) state: ControlState,
    /// Why this process must stop: the cluster uses what it does not understand.
    pub(crate) must_stop: Option<String>,
}

impl Machine for ControlMachine {
    type Command = Vec<u8>;
    type Outcome = Outcome;

    fn apply(&mut self, _index: u64, command: Vec<u8>) -> Outcome {
        let outcome = self.state.apply_bytes(&command);
        if let Outcome::MustStop { feature } = &outcome {
            self.must_stop = Some(format!("the cluster uses {feature}, which this version lacks"));
        }
        outcome
    }

    fn snapshot(&self) -> Vec<u8> {
        match self.state.encode() {
            Ok(bytes) => bytes,
            Err(error) => {
                // The error cannot happen to values of that crate; an empty snapshot is refused
                // by whoever restores it.
                tracing::error!(%error, "the control plane's state cannot be encoded");
                Vec::new()
            }
        }
    }

    fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        let state = ControlState::decode(bytes);
        let state = state.map_err(|error| RestoreError { reason: error.to_string() })?;
        Ok(Self { state, must_stop: None })
    }
}

/// Why a proposal did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotDone {
    pub(crate) code: ErrorCode,
    /// The stable word of a refusal; empty for everything else.
    pub(crate) word: &'static str,
    pub(crate) message: String,
}

/// The handle of the control plane with a clock. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Control {
    pub(crate) plane: ControlPlane<ControlMachine>,
    clock: Arc<dyn Clock>,
}

impl Control {
    pub(crate) fn new(plane: ControlPlane<ControlMachine>, clock: Arc<dyn Clock>) -> Self {
        Self { plane, clock }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.clock.wall_unix_micros())
    }

    pub(crate) fn monotonic_ms(&self) -> u64 {
        if node_env::planted!("lease-by-wall-clock") {
            return u64::try_from(self.clock.wall_unix_micros()).unwrap_or(0) / 1_000;
        }
        self.clock.monotonic_micros() / 1_000
    }

    /// Looks at the state that this node has applied.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&ControlState) -> T) -> T {
        self.plane.read(|machine| look(&machine.state))
    }

    /// Why this process must stop, when the cluster is newer than its software.
    pub(crate) fn must_stop(&self) -> Option<String> {
        self.plane.read(|machine| machine.must_stop.clone())
    }

    /// Proposes a command and gives its answer. A command that was done before is done.
    pub(crate) async fn propose(&self, command: Command) -> Result<Answer, NotDone> {
        let proposal = Proposal { at: self.now(), command };
        let bytes = proposal.encode().map_err(|error| NotDone {
            code: ErrorCode::BadRequest,
            word: "",
            message: error.to_string(),
        })?;
        match self.plane.propose(&bytes).await {
            Ok(outcome) => judged(outcome),
            Err(error) => Err(not_proposed(&error)),
        }
    }
}

fn judged(outcome: Outcome) -> Result<Answer, NotDone> {
    let word = outcome.code();
    let refused = |message: String| NotDone { code: ErrorCode::ClusterRefused, word, message };
    match outcome {
        Outcome::Done { answer, .. } => Ok(answer),
        Outcome::Ignored(consensus_control::Ignored::AlreadyDone) => Ok(Answer::Done),
        Outcome::Ignored(reason) => Err(refused(reason.to_string())),
        Outcome::Refused(refusal) => Err(refused(refusal.to_string())),
        Outcome::MustStop { feature } => {
            Err(refused(format!("the cluster uses {feature}, which this version lacks")))
        }
    }
}

fn not_proposed(error: &ProposeError) -> NotDone {
    let code = match error {
        ProposeError::NotLeader { .. } | ProposeError::NoQuorum => ErrorCode::ClusterNoQuorum,
        ProposeError::OutcomeUnknown { .. } => ErrorCode::ClusterOutcomeUnknown,
        ProposeError::Overloaded { .. } => ErrorCode::Overloaded,
        ProposeError::TooLarge { .. } | ProposeError::NotUnderstood => ErrorCode::BadRequest,
        ProposeError::Stopped { .. } => ErrorCode::ShuttingDown,
    };
    NotDone { code, word: "", message: error.to_string() }
}
