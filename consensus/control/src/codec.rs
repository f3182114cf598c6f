//! The bytes of proposals, outcomes and state: JSON, because it says what each value is called,
//! so that a format can grow without a second description of it. A proposal names the feature
//! that it belongs to, so that older software can refuse what it cannot read.

use crate::command::{Command, Proposal};
use crate::event::Outcome;
use crate::feature::Feature;
use crate::limits::PROPOSAL_BYTES_MAX;
use crate::refusal::Refusal;
use crate::state::{ControlState, StoredState};
use crate::stored;
use schema_types::time::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The form of what is stored. Grows only when the frame around commands or state changes.
const FORM: u16 = 1;

/// Why stored bytes cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The bytes are damaged, or were never such a value.
    #[error("stored bytes of the control plane are damaged: {reason}")]
    Damaged {
        /// What does not fit.
        reason: String,
    },
    /// Newer software wrote them.
    #[error("stored by newer software: {feature} is missing here")]
    SoftwareTooOld {
        /// The feature that is missing here.
        feature: Feature,
    },
}

/// A value could not be written. Does not happen to values of this crate.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a value of the control plane could not be written: {reason}")]
pub struct EncodeError {
    /// What went wrong.
    pub reason: String,
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, EncodeError> {
    serde_json::to_vec(value).map_err(|error| EncodeError { reason: error.to_string() })
}

/// What every version of the software can read of a proposal.
#[derive(Deserialize)]
struct Header {
    feature: Feature,
}

#[derive(Serialize)]
struct ProposalOut<'a> {
    form: u16,
    feature: Feature,
    #[serde(with = "stored")]
    at: Timestamp,
    command: &'a Command,
}

#[derive(Deserialize)]
struct ProposalIn {
    form: u16,
    feature: Feature,
    #[serde(with = "stored")]
    at: Timestamp,
    command: Command,
}

/// Why a proposal cannot be applied.
enum Unread {
    /// No version of the software can read it.
    Malformed,
    /// It belongs to a feature, and this software cannot read it.
    OfFeature(Feature),
}

fn read_proposal(bytes: &[u8]) -> Result<Proposal, Unread> {
    if bytes.len() > PROPOSAL_BYTES_MAX {
        return Err(Unread::Malformed);
    }
    let read: Result<ProposalIn, _> = serde_json::from_slice(bytes);
    if let Ok(ProposalIn { form: FORM, feature, at, command }) = read
        && feature == command.feature()
    {
        return Ok(Proposal { at, command });
    }
    let header: Header = serde_json::from_slice(bytes).map_err(|_| Unread::Malformed)?;
    Err(Unread::OfFeature(header.feature))
}

impl Proposal {
    /// The bytes for the log.
    ///
    /// # Errors
    /// Does not happen to values of this crate.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let feature = self.command.feature();
        encode(&ProposalOut { form: FORM, feature, at: self.at, command: &self.command })
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// The bytes are no proposal, or one of newer software.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        read_proposal(bytes).map_err(|unread| match unread {
            Unread::OfFeature(feature) if !feature.is_supported() => {
                DecodeError::SoftwareTooOld { feature }
            }
            Unread::OfFeature(_) | Unread::Malformed => {
                DecodeError::Damaged { reason: "not a proposal".to_owned() }
            }
        })
    }
}

impl Outcome {
    /// The bytes for who proposed.
    ///
    /// # Errors
    /// Does not happen to values of this crate.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        encode(self)
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// The bytes are no outcome.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        serde_json::from_slice(bytes).map_err(damaged)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
fn damaged(error: serde_json::Error) -> DecodeError {
    DecodeError::Damaged { reason: error.to_string() }
}

#[derive(Serialize)]
struct SnapshotOut {
    form: u16,
    state: StoredState,
}

#[derive(Deserialize)]
struct SnapshotHeader {
    form: u16,
    state: FeaturesOnly,
}

#[derive(Deserialize)]
struct FeaturesOnly {
    features: Vec<Feature>,
}

#[derive(Deserialize)]
struct SnapshotIn {
    state: StoredState,
}

impl ControlState {
    /// Applies a proposal as it stands in the log. What this software cannot read is refused as
    /// every other version refuses it, unless its feature is active: then the outcome is
    /// [`Outcome::MustStop`].
    pub fn apply_bytes(&mut self, bytes: &[u8]) -> Outcome {
        match read_proposal(bytes) {
            Ok(proposal) => self.apply(&proposal),
            Err(Unread::Malformed) => Outcome::Refused(Refusal::Malformed),
            Err(Unread::OfFeature(feature)) if !self.is_active(feature) => {
                Outcome::Refused(Refusal::FeatureInactive { feature })
            }
            Err(Unread::OfFeature(feature)) if !feature.is_supported() => {
                Outcome::MustStop { feature }
            }
            Err(Unread::OfFeature(_)) => Outcome::Refused(Refusal::Malformed),
        }
    }

    /// The bytes for a snapshot: the same for the same commands, on every node.
    ///
    /// # Errors
    /// Does not happen to values of this crate.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        encode(&SnapshotOut { form: FORM, state: StoredState::of(self) })
    }

    /// Reads what [`Self::encode`] wrote, builds the indexes and checks the whole.
    ///
    /// # Errors
    /// The bytes are damaged, break an invariant, or were written by newer software.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let header: SnapshotHeader = serde_json::from_slice(bytes).map_err(damaged)?;
        let missing = header.state.features.into_iter().find(|feature| !feature.is_supported());
        if let Some(feature) = missing {
            return Err(DecodeError::SoftwareTooOld { feature });
        }
        if header.form != FORM {
            return Err(DecodeError::Damaged { reason: "an unknown form".to_owned() });
        }
        let snapshot: SnapshotIn = serde_json::from_slice(bytes).map_err(damaged)?;
        let state = snapshot.state.into_state();
        state.validate().map_err(|reason| DecodeError::Damaged { reason })?;
        Ok(state)
    }
}
