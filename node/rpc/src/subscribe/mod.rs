//! Subscriptions: durable facts pushed once and in order, from a position that outlives the
//! connection and the node. Nothing is queued for a slow subscriber: what it has not taken yet
//! stays in the store.

mod alerts;
mod follower;
mod one_page;
mod patient;
mod position;
mod push;

pub(crate) use alerts::{AlertSource, Filter};
pub(crate) use follower::{Follower, alert_change};
pub(crate) use one_page::OnePage;
pub(crate) use patient::PatientSource;
pub(crate) use position::{AlertPosition, PatientPosition};
pub(crate) use push::start;

use crate::failure::Failure;
use actors_runtime::{SubmitError, trail};
use actors_store::Snapshot;
use schema_wire::rpc_capnp as wire;

/// Where a subscription begins.
#[derive(Debug, Clone)]
pub(crate) enum Start {
    Now,
    Beginning,
    After(Vec<u8>),
}

impl Start {
    pub(crate) fn read(reader: wire::start_at::Reader<'_>) -> Result<Self, Failure> {
        use wire::start_at::Which;
        Ok(match reader.which()? {
            Which::Now(()) => Self::Now,
            Which::Beginning(()) => Self::Beginning,
            Which::After(position) => Self::After(position?.to_vec()),
        })
    }
}

/// How long the audit log of each shard is, durably, by shard id; 0 for ids without a log.
pub(crate) async fn heads(snapshot: &dyn Snapshot) -> Result<Vec<u64>, SubmitError> {
    let mut sizes = Vec::new();
    for shard in trail::shards(snapshot).await? {
        let head = trail::newest_head(snapshot, shard).await?;
        sizes.resize(usize::from(shard), 0);
        sizes.push(head.map_or(0, |head| head.head.size));
    }
    Ok(sizes)
}
