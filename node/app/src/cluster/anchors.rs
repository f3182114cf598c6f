//! Audit heads in the Raft state (AUD-2): a majority of machines remembers how long each log was
//! and what was in it, so a log that lost its end, or has another one, is found out by who asks.

use super::control::Control;
use actors_audit::SignedTreeHead;
use consensus_control::command::AuditHeadChange;
use consensus_control::{Blob, Command, Digest32, Holding};
use futures::future::join_all;
use schema_types::cluster::NodeId;
use schema_types::error_code::ErrorCode;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of anchors.
#[derive(Debug, Default)]
pub(crate) struct AnchorCounters {
    pub(crate) anchored: AtomicU64,
    /// Heads that contradict what the cluster remembers.
    pub(crate) contradicted: AtomicU64,
}

/// Anchors the heads that the control plane does not know yet; `node` signed them.
pub(crate) async fn anchor(
    control: &Control,
    node: NodeId,
    heads: &[SignedTreeHead],
    counters: &AnchorCounters,
) {
    let changes = control.read(|state| {
        let news = heads.iter().filter_map(|signed| {
            let head = &signed.head;
            let known = state.audit_heads().get(&head.shard);
            if known.is_some_and(|known| known.size == head.size && known.root.0 == head.root) {
                return None;
            }
            let epoch = state.shards().get(&head.shard)?.epoch;
            Some(AuditHeadChange {
                node,
                holding: Holding { shard: head.shard, epoch },
                size: head.size,
                root: Digest32::new(head.root),
                signed: Blob(signed.encode().to_vec()),
            })
        });
        news.collect::<Vec<_>>()
    });
    let proposals = changes.into_iter().map(|change| propose(control, change, counters));
    join_all(proposals).await;
}

async fn propose(control: &Control, change: AuditHeadChange, counters: &AnchorCounters) {
    let (shard, size) = (change.holding.shard.0, change.size);
    match control.propose(Command::AnchorAuditHead(change)).await {
        Ok(_) => {
            counters.anchored.fetch_add(1, Ordering::Relaxed);
        }
        Err(refused) if is_contradiction(refused.word) => {
            counters.contradicted.fetch_add(1, Ordering::Relaxed);
            let (code, reason) = (ErrorCode::AuditBroken, refused.message);
            tracing::error!(%code, shard, size, reason, "an audit log is not what it was (AUD-2)");
        }
        // Moved meanwhile, or no majority now: the next turn anchors it.
        Err(refused) => tracing::debug!(reason = refused.message, "a head is not anchored yet"),
    }
}

fn is_contradiction(word: &str) -> bool {
    word == "audit-head-behind" || word == "audit-head-forked"
}

/// The heads that the cluster remembers.
pub(crate) fn remembered(control: &Control) -> Vec<SignedTreeHead> {
    control.read(|state| {
        let heads = state.audit_heads().values();
        heads.filter_map(|head| SignedTreeHead::decode(&head.signed.0).ok()).collect()
    })
}
