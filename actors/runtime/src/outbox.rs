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
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, mpsc};

/// How long a lane waits before it tries a refused delivery again.
const RETRY_MS: u64 = 100;
/// How often the store is searched for messages that found no room in a lane.
const SWEEP_MS: u64 = 500;
/// How soon it is searched when somebody asks: lanes hold new messages back until then.
const SWEEP_SOON_MS: u64 = 5;
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
    lanes: Arc<Vec<Lane>>,
    overflowed: Arc<AtomicBool>,
    asked: Arc<Notify>,
}

/// A lane, and whether it has all that is stored for it. When it has not, what is new must not
/// overtake what is only in the store (ORD-1): it comes by a sweep as well.
struct Lane {
    sender: mpsc::Sender<OutboxSend>,
    behind: Mutex<Behind>,
}

#[derive(Default)]
struct Behind {
    is_behind: bool,
    /// Messages, or reasons to expect some, that a sweep has to look for.
    missed: u64,
}

impl Lane {
    fn behind(&self) -> MutexGuard<'_, Behind> {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fall_behind(&self) {
        let mut behind = self.behind();
        *behind = Behind { is_behind: true, missed: behind.missed + 1 };
    }

    /// Takes what is new, unless something older is only in the store or there is no room.
    fn take(&self, send: OutboxSend) -> bool {
        let mut behind = self.behind();
        let is_taken = !behind.is_behind && self.sender.try_send(send).is_ok();
        if !is_taken {
            *behind = Behind { is_behind: true, missed: behind.missed + 1 };
        }
        is_taken
    }

    /// A sweep that began at `missed` offered all that it found.
    fn caught_up(&self, missed: u64) -> bool {
        let mut behind = self.behind();
        behind.is_behind &= behind.missed != missed;
        !behind.is_behind
    }
}

/// The receiving ends, for [`start`].
pub(crate) struct OutboxLanes(Vec<mpsc::Receiver<OutboxSend>>);

/// Lanes and the handle that feeds them.
pub(crate) fn lanes() -> (OutboxHandle, OutboxLanes) {
    let (senders, receivers) = (0..OUTBOX_LANES)
        .map(|_| {
            let (sender, receiver) = mpsc::channel(OUTBOX_LANE_MAX);
            (Lane { sender, behind: Mutex::default() }, receiver)
        })
        .unzip();
    let handle = OutboxHandle {
        lanes: Arc::new(senders),
        overflowed: Arc::new(AtomicBool::new(false)),
        asked: Arc::default(),
    };
    (handle, OutboxLanes(receivers))
}

impl OutboxHandle {
    /// Asks for a look into the store: somebody else may have left messages there, and they come
    /// before what is offered from now on.
    pub(crate) fn sweep(&self) {
        self.lanes.iter().for_each(Lane::fall_behind);
        self.sweep_soon();
    }

    fn sweep_soon(&self) {
        self.overflowed.store(true, Ordering::Release);
        self.asked.notify_one();
    }

    /// Offers a message. A full lane is no loss: the row is in the store and the sweep finds it.
    pub(crate) fn offer(&self, send: OutboxSend) {
        let is_taken = self.lanes[self.lane_of(&send)].take(send);
        if !is_taken && !node_env::planted!("outbox-overflow-forgotten") {
            self.overflowed.store(true, Ordering::Release);
        }
    }

    fn lane_of(&self, send: &OutboxSend) -> usize {
        let lanes = u64::try_from(self.lanes.len()).unwrap_or(1);
        let by_message = node_env::planted!("outbox-lane-by-message");
        let last = send.key.last().map_or(0, |byte| u64::from(*byte));
        let spread = if by_message { send.sender.hash() ^ last } else { send.sender.hash() };
        usize::try_from(spread % lanes).unwrap_or(0)
    }

    /// Messages that wait in memory.
    fn queued(&self) -> usize {
        let waiting = |lane: &Lane| lane.sender.max_capacity() - lane.sender.capacity();
        self.lanes.iter().map(waiting).sum()
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
        while wait_for_sweep(&node).await {
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

/// Waits until it is time to look whether a sweep is due; `false` when the node ends.
async fn wait_for_sweep(node: &NodeInner) -> bool {
    tokio::select! {
        goes_on = node.wait_ms(SWEEP_MS) => goes_on,
        () = node.outbox.asked.notified() => node.wait_ms(SWEEP_SOON_MS).await,
    }
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

/// A look through the store for messages that found no room in a lane.
struct Sweep<'a> {
    outbox: &'a OutboxHandle,
    /// What each lane had missed when it began.
    missed: Vec<u64>,
    /// Lanes that had no room: what follows must wait for the next look, or it would overtake.
    full: Vec<bool>,
}

impl<'a> Sweep<'a> {
    fn new(outbox: &'a OutboxHandle) -> Self {
        let missed = outbox.lanes.iter().map(|lane| lane.behind().missed).collect();
        Self { outbox, missed, full: vec![false; outbox.lanes.len()] }
    }

    /// Offers a stored message; those of one sender come in the order of their sequence.
    fn offer(&mut self, send: OutboxSend) {
        let lane = self.outbox.lane_of(&send);
        if !self.full[lane] {
            self.full[lane] = self.outbox.lanes[lane].sender.try_send(send).is_err();
        }
    }

    /// All that was stored was found. Lanes that have it all take what is new again.
    fn finish(self) {
        for ((lane, missed), is_full) in self.outbox.lanes.iter().zip(self.missed).zip(self.full) {
            if is_full {
                self.outbox.overflowed.store(true, Ordering::Release);
            } else if !lane.caught_up(missed) {
                self.outbox.sweep_soon();
            }
        }
    }
}

/// Offers stored messages again, as many as there is room for. Duplicates are harmless: the row is
/// gone after the first.
pub(crate) async fn sweep(node: &Arc<NodeInner>) {
    if !try_sweep(node).await {
        node.outbox.overflowed.store(true, Ordering::Release);
    }
}

/// Whether all that is stored was looked at.
async fn try_sweep(node: &Arc<NodeInner>) -> bool {
    // Before the store is read: what is missed from now on may not be in the snapshot.
    let mut sweep = Sweep::new(&node.outbox);
    let Ok(snapshot) = node.store.begin().await else { return false };
    let mut query = Some(RangeQuery::forward(keys::family_range(Family::Outbox), PAGE_ITEMS_MAX));
    while let Some(current) = query {
        if node.outbox.queued() > QUEUED_IN_SWEEP_MAX {
            return false;
        }
        let Ok(page) = snapshot.range(current.clone()).await else { return false };
        for (key, value) in &page.items {
            let Ok(content) = blob::unpack(&*snapshot, value).await else {
                tracing::error!("outbox row is damaged");
                continue;
            };
            match schema_wire::journal::decode_outbox(&content) {
                // The owner of the sender's shard delivers.
                Ok(record) if node.shard_of(&record.sender).is_err() => {}
                Ok(record) => sweep.offer(OutboxSend {
                    key: key.clone(),
                    sender: record.sender,
                    record: Bytes::from(content),
                }),
                Err(error) => tracing::error!(error = %error, "outbox row does not decode"),
            }
        }
        query = current.after(&page);
    }
    sweep.finish();
    true
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

#[cfg(test)]
mod tests {
    use super::*;
    use schema_types::ids::{EntityKind, TenantId};

    fn send(sequence: u64) -> OutboxSend {
        let sender = EntityId::new(TenantId::new("t"), EntityKind::Patient, "p");
        OutboxSend { key: row_key(&sender, sequence), sender, record: Bytes::new() }
    }

    fn taken(lanes: &mut OutboxLanes, outbox: &OutboxHandle) -> Vec<Bytes> {
        let lane = &mut lanes.0[outbox.lane_of(&send(0))];
        std::iter::from_fn(|| lane.try_recv().ok()).map(|send| send.key).collect()
    }

    fn keys(sequences: impl Iterator<Item = u64>) -> Vec<Bytes> {
        sequences.map(|sequence| send(sequence).key).collect()
    }

    #[test]
    fn what_is_new_does_not_overtake_what_found_no_room_ord_1() {
        let (outbox, mut lanes) = lanes();
        let most = OUTBOX_LANE_MAX as u64;
        (0..=most).for_each(|sequence| outbox.offer(send(sequence)));
        assert_eq!(taken(&mut lanes, &outbox), keys(0..most));
        outbox.offer(send(most + 1));
        assert_eq!(taken(&mut lanes, &outbox), keys(0..0), "the one before is in the store only");
        let mut sweep = Sweep::new(&outbox);
        sweep.offer(send(most));
        outbox.offer(send(most + 2));
        sweep.offer(send(most + 1));
        sweep.finish();
        outbox.offer(send(most + 3));
        assert_eq!(taken(&mut lanes, &outbox), keys(most..most + 2), "not all of it was found");
        assert!(outbox.overflowed.load(Ordering::Acquire), "so somebody looks again");
        let mut sweep = Sweep::new(&outbox);
        (most + 2..most + 4).for_each(|sequence| sweep.offer(send(sequence)));
        sweep.finish();
        outbox.offer(send(most + 4));
        assert_eq!(taken(&mut lanes, &outbox), keys(most + 2..most + 5));
    }

    #[test]
    fn a_sweep_leaves_no_gap_in_a_full_lane_ord_1() {
        let (outbox, mut lanes) = lanes();
        let most = OUTBOX_LANE_MAX as u64;
        outbox.sweep();
        let mut sweep = Sweep::new(&outbox);
        (0..=most).for_each(|sequence| sweep.offer(send(sequence)));
        assert_eq!(taken(&mut lanes, &outbox), keys(0..most));
        sweep.offer(send(most + 1));
        sweep.finish();
        outbox.offer(send(most + 2));
        assert_eq!(taken(&mut lanes, &outbox), keys(0..0));
    }

    #[test]
    fn what_an_earlier_owner_left_comes_first_ord_1() {
        let (outbox, mut lanes) = lanes();
        outbox.sweep();
        outbox.offer(send(9));
        assert_eq!(taken(&mut lanes, &outbox), keys(0..0));
    }
}
