//! What the HTTP interface says of the node that it runs on, and whether the node takes work.

use crate::operations::ClusterOperations;
use schema_types::time::Timestamp;
use std::sync::Arc;
use tokio::sync::watch;

/// Gives further metrics: names with values.
pub type MoreMetrics = Arc<dyn Fn() -> Vec<(String, u64)> + Send + Sync>;

/// What the HTTP interface knows of its node. Cheap to clone.
#[derive(Clone)]
pub struct NodeStatus {
    /// The node's name.
    pub node: String,
    /// The version of the software.
    pub version: String,
    /// When the node started.
    pub started_at: Timestamp,
    /// The URL of the FHIR interface without a slash at the end; `None`: from the Host header.
    pub fhir_base_url: Option<String>,
    /// Further metrics, for example those of the store: names with values.
    pub metrics: Option<MoreMetrics>,
    /// The cluster that the node is in, if it is in one.
    pub cluster: Option<Arc<dyn ClusterOperations>>,
    /// Why the node takes no work; `None` when it does.
    waits_for: Arc<watch::Sender<Option<String>>>,
}

impl NodeStatus {
    /// A node that takes work.
    #[must_use]
    pub fn new(node: impl Into<String>, started_at: Timestamp) -> Self {
        Self {
            node: node.into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at,
            fhir_base_url: None,
            metrics: None,
            cluster: None,
            waits_for: Arc::new(watch::Sender::new(None)),
        }
    }

    /// Says that the node takes no work, and why; `None`: it does. Seen by every clone.
    pub fn set_waiting(&self, reason: Option<String>) {
        self.waits_for.send_replace(reason);
    }

    /// Why the node takes no work.
    #[must_use]
    pub fn waiting(&self) -> Option<String> {
        self.waits_for.borrow().clone()
    }
}
