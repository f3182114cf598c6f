//! The handle: what can be called, and how a call reaches the client's thread.

use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::model::{
    AlertSummary, CensusView, Explained, LiveState, NodeStatus, Position, QueryRow, Receipt,
    TimelinePage,
};
use crate::observation::NewObservation;
use crate::stream::AlertStream;

/// A client of one node. Cheap to clone; clones share connections. The last one that is dropped
/// closes them.
#[derive(Clone)]
pub struct Client {}

impl Client {
    /// Connects and logs in. Later losses of the connection are mended behind the calls.
    ///
    /// # Errors
    /// [`ClientError::Disconnected`] when nobody listens, [`ClientError::Refused`] when the login
    /// is refused.
    pub async fn connect(config: ClientConfig) -> Result<Self, ClientError> {
        let _ = config;
        Err(ClientError::Closed)
    }

    /// Records one observation; durable when this returns (ACK-1).
    ///
    /// # Errors
    /// [`ClientError`]; after [`ClientError::Deadline`] and [`ClientError::Disconnected`] ask again
    /// with the same command id.
    pub async fn observe(
        &self,
        patient: &str,
        observation: NewObservation,
    ) -> Result<Receipt, ClientError> {
        let _ = (patient, observation);
        Err(ClientError::Closed)
    }

    /// Records many observations in one call; each has its own result. Items that failed for a
    /// transient reason are tried again.
    ///
    /// # Errors
    /// [`ClientError`] when the call as a whole failed.
    pub async fn observe_many(
        &self,
        items: Vec<(String, NewObservation)>,
    ) -> Result<Vec<Result<Receipt, ClientError>>, ClientError> {
        let _ = items;
        Err(ClientError::Closed)
    }

    /// The live state of a patient: an audited read.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn read(&self, patient: &str) -> Result<LiveState, ClientError> {
        let _ = patient;
        Err(ClientError::Closed)
    }

    /// The live states of many patients, each an audited read with its own result.
    ///
    /// # Errors
    /// [`ClientError`] when the call as a whole failed.
    pub async fn read_many(
        &self,
        patients: Vec<String>,
    ) -> Result<Vec<Result<LiveState, ClientError>>, ClientError> {
        let _ = patients;
        Err(ClientError::Closed)
    }

    /// Runs a query over all patients: column names, then rows, at most `rows_max`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn query(
        &self,
        expression: &str,
        rows_max: u32,
    ) -> Result<(Vec<String>, Vec<QueryRow>), ClientError> {
        let _ = (expression, rows_max);
        Err(ClientError::Closed)
    }

    /// Follows the alerts of all patients from a position on; `None`: from now on.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn subscribe_alerts(
        &self,
        from: Option<Position>,
    ) -> Result<AlertStream, ClientError> {
        let _ = from;
        Err(ClientError::Closed)
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
        let _ = (patient, model);
        Err(ClientError::Closed)
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
        let _ = (patient, limit, cursor);
        Err(ClientError::Closed)
    }

    /// How many patients are in the beds of a facility.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn census(&self, facility: &str) -> Result<CensusView, ClientError> {
        let _ = facility;
        Err(ClientError::Closed)
    }

    /// Takes an open alert; answered with the alert.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn acknowledge(
        &self,
        patient: &str,
        alert: &str,
    ) -> Result<Option<AlertSummary>, ClientError> {
        let _ = (patient, alert);
        Err(ClientError::Closed)
    }

    /// The node that answers, with its counters.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status(&self) -> Result<NodeStatus, ClientError> {
        Err(ClientError::Closed)
    }
}
