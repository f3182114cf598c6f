//! Which cluster and which node a data directory belongs to: drawn or asked for once, kept in a
//! file, and never given to another disk. A fresh disk is a new node.

use super::config::{ClusterConfig, Join, Membership};
use consensus_control::{JoinKey, NodeSpec};
use consensus_raft::ClusterId;
use node_env::{Disk, DiskError, OpenMode, Rng};
use schema_types::cluster::NodeId;
use schema_types::error_code::ErrorCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const FILE: &str = "cluster.json";
const FILE_NEW: &str = "cluster.json.new";
const FILE_BYTES_MAX: usize = 4_096;
/// How often a node asks to be let in before it gives up, and how long it waits in between.
const JOIN_TRIES_MAX: u32 = 60;
const JOIN_PAUSE_MS: u64 = 1_000;

/// Why a node does not come into its cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// The file that says who the node is cannot be read.
    #[error("cluster.json of the data directory is damaged: {reason}")]
    Identity {
        /// What is wrong.
        reason: String,
    },
    /// Nothing was said of a cluster.
    #[error("the configuration names no cluster")]
    NotConfigured,
    /// Nobody let the node in.
    #[error("the cluster did not let this node in: {reason}")]
    NotLetIn {
        /// What was said.
        reason: String,
    },
    /// The store holds shards of another plan.
    #[error("a cluster cannot be formed over this store: {reason}")]
    StoreInUse {
        /// What is in it.
        reason: String,
    },
    /// The control plane does not start.
    #[error("the control plane does not start: {reason}")]
    ControlPlane {
        /// Why.
        reason: String,
    },
    /// The connections between nodes do not start.
    #[error("the connections between nodes do not start: {reason}")]
    Peers {
        /// Why.
        reason: String,
    },
}

impl ClusterError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Identity { .. } | Self::ControlPlane { .. } => ErrorCode::DataDamaged,
            Self::NotLetIn { .. } | Self::StoreInUse { .. } => ErrorCode::ClusterRefused,
            Self::Peers { .. } | Self::NotConfigured => ErrorCode::BadRequest,
        }
    }
}

/// Who a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// 16 bytes of the cluster, in hexadecimal.
    cluster: String,
    /// The node's id.
    node: u64,
    /// Names the request to form or join.
    pub(crate) join_key: JoinKey,
    /// Whether this node formed the cluster.
    pub(crate) has_formed: bool,
}

impl Identity {
    pub(crate) fn node(&self) -> NodeId {
        NodeId(self.node)
    }

    pub(crate) fn cluster(&self) -> Result<ClusterId, ClusterError> {
        let bytes = u128::from_str_radix(&self.cluster, 16).ok().map(u128::to_be_bytes);
        bytes.filter(|_| self.cluster.len() == 32).map(ClusterId).ok_or_else(|| {
            ClusterError::Identity { reason: "the cluster's id is not 32 digits".to_owned() }
        })
    }

    /// The name under which the node claims shards and commits: it never comes back with another
    /// disk, as a name that an operator chose might.
    pub(crate) fn store_name(&self) -> String {
        format!("node-{}", self.node)
    }

    /// The name under which a store that is served knows this node.
    pub(crate) fn client_name(&self) -> String {
        format!("{}/{}", self.cluster, self.node)
    }
}

/// What a new node says about itself, as the body of its request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JoinRequest {
    pub(crate) join_key: JoinKey,
    pub(crate) spec: NodeSpec,
}

/// What it is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct JoinAnswer {
    pub(crate) cluster: String,
    pub(crate) node: u64,
}

impl JoinAnswer {
    pub(crate) fn new(identity: &Identity, node: NodeId) -> Self {
        Self { cluster: identity.cluster.clone(), node: node.0 }
    }
}

/// The identity of a data directory; forms or joins a cluster when it has none.
pub(crate) async fn load_or_make(
    (disk, rng): (&dyn Disk, &dyn Rng),
    data: &Path,
    config: &ClusterConfig,
    spec: &NodeSpec,
) -> Result<Identity, crate::NodeError> {
    let known = read(disk, data)?;
    if let Some(identity) = known.as_ref().filter(|identity| identity.node != 0) {
        return Ok(identity.clone());
    }
    let draw = || {
        let mut key = [0; 16];
        rng.fill(&mut key);
        JoinKey::new(key)
    };
    let identity = match &config.membership {
        Membership::Form => {
            let cluster = format!("{:032x}", u128::from_be_bytes(draw().0));
            Identity { cluster, node: 1, join_key: draw(), has_formed: true }
        }
        Membership::Join(join) => {
            let join_key = known.map_or_else(draw, |identity| identity.join_key);
            let asking = Identity { cluster: String::new(), node: 0, join_key, has_formed: false };
            // Kept before it is used, so that a node that crashes now asks again as the same.
            write(disk, data, &asking)?;
            let answer = ask(&**join, &JoinRequest { join_key, spec: spec.clone() }).await?;
            Identity { cluster: answer.cluster, node: answer.node, ..asking }
        }
    };
    identity.cluster()?;
    write(disk, data, &identity)?;
    Ok(identity)
}

async fn ask(join: &dyn Join, request: &JoinRequest) -> Result<JoinAnswer, ClusterError> {
    let not_let_in = |reason: String| ClusterError::NotLetIn { reason };
    let body = serde_json::to_value(request).map_err(|error| not_let_in(error.to_string()))?;
    let mut tries = 0;
    loop {
        tries += 1;
        match join.ask(Value::clone(&body)).await {
            Ok(answer) => {
                let answer = serde_json::from_value(answer);
                return answer.map_err(|_| not_let_in("the answer is not one".to_owned()));
            }
            Err(error) if !error.may_repeat || tries >= JOIN_TRIES_MAX => {
                return Err(not_let_in(error.reason));
            }
            Err(error) => {
                tracing::info!(reason = %error.reason, "asking again to be let into the cluster");
                tokio::time::sleep(Duration::from_millis(JOIN_PAUSE_MS)).await;
            }
        }
    }
}

fn read(disk: &dyn Disk, data: &Path) -> Result<Option<Identity>, crate::NodeError> {
    let file = match disk.open(&data.join(FILE), OpenMode::Read) {
        Ok(file) => file,
        Err(DiskError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut bytes = vec![0; FILE_BYTES_MAX];
    let length = file.read_at(0, &mut bytes)?;
    let identity = serde_json::from_slice(&bytes[..length]);
    let damaged = |error: serde_json::Error| ClusterError::Identity { reason: error.to_string() };
    Ok(Some(identity.map_err(damaged)?))
}

fn write(disk: &dyn Disk, data: &Path, identity: &Identity) -> Result<(), crate::NodeError> {
    let damaged = |error: serde_json::Error| ClusterError::Identity { reason: error.to_string() };
    let bytes = serde_json::to_vec_pretty(identity).map_err(damaged)?;
    let new = data.join(FILE_NEW);
    let file = disk.open(&new, OpenMode::CreateOrOpen)?;
    file.truncate(0)?;
    file.write_at(0, &bytes)?;
    file.sync_data()?;
    disk.rename(&new, &data.join(FILE))?;
    disk.sync_dir(data)?;
    Ok(())
}
