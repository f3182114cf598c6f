//! The same work done by others, in the same run and on the same disk, because a figure without
//! its neighbour says more about the machine than about the node.

pub mod floor;
#[cfg(feature = "references")]
pub mod postgres;
#[cfg(feature = "references")]
pub mod sqlite;

use crate::error::BenchError;
use crate::histogram::Observed;
use crate::load::Span;
use actors_store::keys::{self, Family};
use actors_store::{RangePage, RangeQuery};
use node_env::Clock;
use node_ingest::gateway::Gateway;
use std::sync::Arc;

/// Work that blocks its thread: a synchronous database, a file.
pub trait Work: Send + 'static {
    /// Does one step; gives the operations that became durable with it.
    ///
    /// # Errors
    /// What to count the failure as.
    fn step(&mut self) -> Result<u32, String>;
}

/// Runs blocking work on a thread of its own and counts what ends within the span.
///
/// # Errors
/// [`BenchError::Outside`] when the work panicked.
pub async fn run_blocking(
    mut work: Box<dyn Work>,
    clock: &Arc<dyn Clock>,
    span: Span,
) -> Result<(Box<dyn Work>, Observed, u64), BenchError> {
    let clock = Arc::clone(clock);
    let running = tokio::task::spawn_blocking(move || {
        let from = clock.monotonic_micros() + span.warm_up_micros;
        let until = from + span.micros;
        let mut observed = Observed::default();
        let mut started_at = clock.monotonic_micros();
        while started_at < until {
            let result = work.step();
            let ended_at = clock.monotonic_micros();
            if (from..until).contains(&ended_at) {
                match result {
                    Ok(operations) => observed.success(operations, ended_at - started_at),
                    Err(code) => observed.failure(&code),
                }
            }
            started_at = ended_at;
        }
        (work, observed, span.micros)
    });
    running.await.map_err(|error| BenchError::outside("reference", error))
}

/// Bytes of the rows that one observation leaves in the node's store; references write as much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowBytes {
    /// The event in the journal.
    pub journal: usize,
    /// The record in the audit log.
    pub audit: usize,
}

/// Looks at rows that a node wrote: the newest of the first journal and of the first audit log.
///
/// # Errors
/// [`BenchError::Outside`] when there are none.
pub async fn row_bytes(gateway: &Gateway, patient: &str) -> Result<RowBytes, BenchError> {
    let failed = |error: actors_store::ReadError| BenchError::outside("rows of the store", error);
    let entity = gateway.patient(patient);
    let snapshot = gateway.runtime.snapshot().await?;
    let newest = |range| snapshot.range(RangeQuery::backward(range, 1));
    let journal = keys::entity_range(Family::Journal, actors_runtime::entity_ref(&entity));
    let journal = newest(journal).await.map_err(failed)?;
    let shard = gateway.runtime.shards().shard_of(entity.hash()).0;
    let audit = newest(keys::audit_leaves_from(shard, 0)).await.map_err(failed)?;
    let size = |page: &RangePage| page.items.first().map(|(_, value)| value.len());
    match (size(&journal), size(&audit)) {
        (Some(journal), Some(audit)) => Ok(RowBytes { journal, audit }),
        _ => Err(BenchError::outside("rows of the store", "none")),
    }
}
