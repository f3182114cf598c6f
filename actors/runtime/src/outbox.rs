//! The outbox dispatcher: hands stored messages to their receivers until each has had its effect.
//!
//! A message is a row written with its cause. The receiver's commit clears the row and requires
//! that it is still there, so that the effect happens exactly once (ONCE-1) however often the
//! message is handed over. Messages of one sender keep their order (ORD-1): they share a lane.

use crate::audit_log::entity_ref;
use crate::blob;
use crate::error::SubmitError;
use crate::limits::{OUTBOX_LANE_MAX, OUTBOX_LANES, PAGE_ITEMS_MAX};
use crate::node::NodeInner;
use crate::submit::Attachments;
use crate::unit::{OutboxSend, Precondition};
use actors_core::{Envelope, Notice};
use actors_store::keys::Family;
use actors_store::{Mutation, RangeQuery, keys};
use bytes::Bytes;
use schema_types::ids::{CommandId, EntityId, MessageDigest, PrincipalId, SourceId};
use schema_wire::journal::StoredNotice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

/// How long a lane waits before it tries a refused delivery again.
const RETRY_MS: u64 = 100;
/// How often the store is searched for messages that found no room in a lane.
const SWEEP_MS: u64 = 500;
/// Turns after which the store is searched whether anybody asked for it or not: a commit whose
/// result was unknown may come through after every search that followed it (LIVE-1).
const TURNS_UNTIL_SWEEP: u32 = 10;
/// Messages in memory up to which the store is searched: a search offers those again.
const QUEUED_FOR_SWEEP_MAX: usize = OUTBOX_LANES * OUTBOX_LANE_MAX / 8;
/// Messages in memory at which a search ends: there is hardly room for more.
const QUEUED_IN_SWEEP_MAX: usize = OUTBOX_LANES * OUTBOX_LANE_MAX / 2;
/// The purpose under which entities act on each other.
pub(crate) const SYSTEM_PURPOSE: &str = "TREAT";

/// Where the committer offers messages whose cause is durable.
#[derive(Clone)]
pub(crate) struct OutboxHandle {
    lanes: Arc<Vec<mpsc::Sender<OutboxSend>>>,
    overflowed: Arc<AtomicBool>,
}

/// The receiving ends, for [`start`].
pub(crate) struct OutboxLanes(Vec<mpsc::Receiver<OutboxSend>>);

/// Lanes and the handle that feeds them.
pub(crate) fn lanes() -> (OutboxHandle, OutboxLanes) {
    let (senders, receivers) = (0..OUTBOX_LANES).map(|_| mpsc::channel(OUTBOX_LANE_MAX)).unzip();
    let handle =
        OutboxHandle { lanes: Arc::new(senders), overflowed: Arc::new(AtomicBool::new(false)) };
    (handle, OutboxLanes(receivers))
}

impl OutboxHandle {
    /// Asks for a look into the store: somebody else may have left messages there.
    pub(crate) fn sweep(&self) {
        self.overflowed.store(true, Ordering::Release);
    }

    /// Offers a message. A full lane is no loss: the row is in the store and the sweep finds it.
    pub(crate) fn offer(&self, send: OutboxSend) {
        let lanes = u64::try_from(self.lanes.len()).unwrap_or(1);
        let by_message = node_env::planted!("outbox-lane-by-message");
        let last = send.key.last().map_or(0, |byte| u64::from(*byte));
        let spread = if by_message { send.sender.hash() ^ last } else { send.sender.hash() };
        let lane = usize::try_from(spread % lanes).unwrap_or(0);
        let is_full = self.lanes[lane].try_send(send).is_err();
        if is_full && !node_env::planted!("outbox-overflow-forgotten") {
            self.overflowed.store(true, Ordering::Release);
        }
    }

    /// Messages that wait in memory.
    fn queued(&self) -> usize {
        self.lanes.iter().map(|lane| lane.max_capacity() - lane.capacity()).sum()
    }
}

/// Starts the lanes and the sweep; they end with the node.
pub(crate) fn start(node: &Arc<NodeInner>, lanes: OutboxLanes) {
    for lane in lanes.0 {
        let node = Arc::clone(node);
        tokio::spawn(run_lane(node, lane));
    }
    let node = Arc::clone(node);
    tokio::spawn(async move {
        // What an earlier run of the node left undelivered comes first.
        sweep(&node).await;
        let mut turns = 0;
        while node.wait_ms(SWEEP_MS).await {
            turns += 1;
            if node.outbox.queued() > QUEUED_FOR_SWEEP_MAX {
                continue;
            }
            let is_asked = node.outbox.overflowed.swap(false, Ordering::AcqRel);
            if is_asked || turns >= TURNS_UNTIL_SWEEP {
                turns = 0;
                sweep(&node).await;
            }
        }
    });
}

async fn run_lane(node: Arc<NodeInner>, mut lane: mpsc::Receiver<OutboxSend>) {
    let mut ending = node.ending();
    loop {
        let send = tokio::select! {
            biased;
            _ = ending.wait_for(|ending| *ending) => return,
            send = lane.recv() => send,
        };
        let Some(send) = send else { return };
        while !deliver(&node, &send).await {
            if !node.wait_ms(RETRY_MS).await {
                return;
            }
        }
    }
}

/// Offers stored messages again, as many as there is room for. Duplicates are harmless: the row is
/// gone after the first.
pub(crate) async fn sweep(node: &Arc<NodeInner>) {
    let Ok(snapshot) = node.store.begin().await else {
        node.outbox.sweep();
        return;
    };
    let mut query = Some(RangeQuery::forward(keys::family_range(Family::Outbox), PAGE_ITEMS_MAX));
    while let Some(current) = query {
        if node.outbox.queued() > QUEUED_IN_SWEEP_MAX {
            node.outbox.sweep();
            return;
        }
        let Ok(page) = snapshot.range(current.clone()).await else {
            node.outbox.sweep();
            return;
        };
        for (key, value) in &page.items {
            let Ok(content) = blob::unpack(&*snapshot, value).await else {
                tracing::error!("outbox row is damaged");
                continue;
            };
            match schema_wire::journal::decode_outbox(&content) {
                // The owner of the sender's shard delivers.
                Ok(record) if node.shard_of(&record.sender).is_err() => {}
                Ok(record) => node.outbox.offer(OutboxSend {
                    key: key.clone(),
                    sender: record.sender,
                    record: Bytes::from(content),
                }),
                Err(error) => tracing::error!(error = %error, "outbox row does not decode"),
            }
        }
        query = current.after(&page);
    }
}

/// Hands one message over; `true` when it needs no further try.
async fn deliver(node: &Arc<NodeInner>, send: &OutboxSend) -> bool {
    if !is_stored(node, send).await {
        return true;
    }
    let record = match schema_wire::journal::decode_outbox(&send.record) {
        Ok(record) => record,
        Err(error) => {
            tracing::error!(error = %error, "outbox message does not decode");
            return true;
        }
    };
    let attachments = Attachments {
        once: false,
        rows: match node_env::planted!("outbox-row-not-cleared") {
            true => Vec::new(),
            false => vec![Mutation::clear(send.key.clone())],
        },
        preconditions: match node_env::planted!("outbox-without-precondition") {
            true => Vec::new(),
            false => vec![Precondition::Present(send.key.clone())],
        },
        ..Attachments::default()
    };
    let sequence = record.sequence;
    let envelope = |receiver: EntityId, content: MessageDigest| Envelope {
        entity: receiver,
        source: SourceId::new(format!("outbox:{:016x}", send.sender.hash())),
        command_id: CommandId::new(sequence.to_string()),
        content,
        principal: PrincipalId::new("system:outbox"),
        purpose: SYSTEM_PURPOSE.to_owned(),
        now: node.now(),
        message: None,
        command: (),
    };
    let content = MessageDigest::of(&send.record);
    let receiver = record.receiver.clone();
    let result = match record.notice {
        StoredNotice::Patient(notice) => {
            node.submit_notice::<actors_patient::Patient>(
                envelope(receiver, content),
                Notice::Patient(notice),
                attachments,
            )
            .await
        }
        StoredNotice::Device(notice) => {
            node.submit_notice::<actors_device::Device>(
                envelope(receiver, content),
                Notice::Device(notice),
                attachments,
            )
            .await
        }
        StoredNotice::Facility(notice) => {
            node.submit_notice::<actors_facility::Facility>(
                envelope(receiver, content),
                Notice::Facility(notice),
                attachments,
            )
            .await
        }
    };
    settle(node, &record.receiver, send, result).await
}

/// Whether the message was not delivered yet, as far as can be seen. The receiver would find out by
/// itself, but then everything it decided meanwhile would be thrown away.
async fn is_stored(node: &NodeInner, send: &OutboxSend) -> bool {
    let Ok(snapshot) = node.store.begin().await else { return true };
    !matches!(snapshot.get(&send.key).await, Ok(None))
}

async fn settle(
    node: &Arc<NodeInner>,
    receiver: &EntityId,
    send: &OutboxSend,
    result: Result<(), SubmitError>,
) -> bool {
    match result {
        Ok(()) => {
            node.metrics.outbox_delivered.add(1);
            true
        }
        // Delivered before: the row is gone.
        Err(SubmitError::Precondition) => true,
        Err(SubmitError::Rejected(rejection)) => {
            // The receiver cannot ever take it. The refusal is audited; the row must not wedge
            // the lane (LIVE-1), so it is cleared by a commit of its own.
            node.metrics.outbox_refused.add(1);
            let kind = receiver.kind().name();
            tracing::warn!(code = %rejection.code, kind, "outbox message refused");
            node.commit_rows(&send.sender, vec![Mutation::clear(send.key.clone())]).await.is_ok()
        }
        Err(error) => {
            tracing::debug!(code = %error.code(), "outbox delivery will be tried again");
            false
        }
    }
}

/// The sequence of an outbox message: the journal sequence that caused it and its place there.
pub(crate) fn send_sequence(journal_sequence: u64, place: usize) -> u64 {
    let place = if node_env::planted!("outbox-sequence-without-place") { 0 } else { place };
    (journal_sequence << 10) | u64::try_from(place).unwrap_or(u64::MAX)
}

/// The row key of an outbox message.
pub(crate) fn row_key(sender: &EntityId, sequence: u64) -> Bytes {
    keys::outbox(entity_ref(sender), sequence)
}
