//! Proposals gather while an entry is committed and go together in the next one, because openraft
//! 0.9 waits for a sync per entry. No timer is involved: a lone command starts at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openraft::error::ClientWriteError;
use schema_types::cluster::NodeId;
use tokio::sync::{mpsc, oneshot};

use crate::codec::{self, Blob};
use crate::limits::{BATCH_BYTES_MAX, BATCH_COMMANDS_MAX};
use crate::net::message::{Refusal, not_leader};
use crate::raft_types::{Batch, Raft};

/// A command that waits for its entry.
pub(crate) struct Waiting {
    pub(crate) command: Vec<u8>,
    pub(crate) reply: oneshot::Sender<Result<Vec<u8>, Refusal>>,
}

impl Waiting {
    fn answer(self, answer: Result<Vec<u8>, Refusal>) {
        // A caller that gave up hears nothing.
        let _gone = self.reply.send(answer);
    }
}

/// Turns what waits into entries, one after the other, until nobody can send any more.
pub(crate) async fn run(raft: Raft, mut waiting: mpsc::Receiver<Waiting>, timeout: Duration) {
    let mut held = None;
    loop {
        let first = match held.take() {
            Some(first) => first,
            None => match waiting.recv().await {
                Some(first) => first,
                None => return,
            },
        };
        // One turn of the scheduler lets those in that are about to propose.
        tokio::task::yield_now().await;
        let (batch, rest) = gather(first, &mut waiting);
        held = rest;
        commit(&raft, batch, timeout).await;
    }
}

/// The commands of the next entry, and one that no longer fitted.
fn gather(
    first: Waiting,
    waiting: &mut mpsc::Receiver<Waiting>,
) -> (Vec<Waiting>, Option<Waiting>) {
    let mut bytes = first.command.len();
    let mut batch = vec![first];
    while batch.len() < BATCH_COMMANDS_MAX {
        let Ok(next) = waiting.try_recv() else { break };
        if next.reply.is_closed() {
            continue;
        }
        bytes += next.command.len();
        if bytes > BATCH_BYTES_MAX {
            return (batch, Some(next));
        }
        batch.push(next);
    }
    (batch, None)
}

async fn commit(raft: &Raft, mut batch: Vec<Waiting>, timeout: Duration) {
    let commands: Vec<Blob> =
        batch.iter_mut().map(|waiting| Blob(std::mem::take(&mut waiting.command))).collect();
    let outcome = match codec::encode(&commands) {
        Ok(encoded) => propose(raft, encoded, timeout).await,
        Err(_codec) => Err(Refusal::NotUnderstood),
    };
    match outcome {
        Ok(outcomes) if outcomes.len() == batch.len() => {
            for (waiting, outcome) in batch.into_iter().zip(outcomes) {
                waiting.answer(Ok(outcome));
            }
        }
        Ok(_wrong_count) => refuse(batch, Refusal::OutcomeUnknown),
        Err(refusal) => refuse(batch, refusal),
    }
}

fn refuse(batch: Vec<Waiting>, refusal: Refusal) {
    for waiting in batch {
        waiting.answer(Err(refusal));
    }
}

async fn propose(
    raft: &Raft,
    encoded: Vec<u8>,
    timeout: Duration,
) -> Result<Vec<Vec<u8>>, Refusal> {
    let logged = Arc::new(AtomicBool::new(false));
    let batch = Batch { commands: Arc::from(encoded), logged: Some(Arc::clone(&logged)) };
    let receiver = raft.client_write_ff(batch).await.map_err(|_fatal| Refusal::Stopped)?;
    let Ok(Ok(answer)) = tokio::time::timeout(timeout, receiver).await else {
        return Err(Refusal::OutcomeUnknown);
    };
    match answer {
        Ok(response) => Ok(response.data.0),
        // The same error is given for an entry that was never taken and for one that a later
        // leader replaced in this log but that may live on in another.
        Err(_) if logged.load(Ordering::Acquire) => Err(Refusal::OutcomeUnknown),
        Err(ClientWriteError::ForwardToLeader(forward)) => {
            Err(not_leader(forward.leader_id.map(NodeId)))
        }
        Err(ClientWriteError::ChangeMembershipError(_)) => Err(Refusal::OutcomeUnknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(bytes: usize) -> (Waiting, oneshot::Receiver<Result<Vec<u8>, Refusal>>) {
        let (reply, answer) = oneshot::channel();
        (Waiting { command: vec![0; bytes], reply }, answer)
    }

    #[test]
    fn a_batch_is_bounded_in_count_and_bytes_and_skips_who_gave_up() {
        let (sender, mut receiver) = mpsc::channel(BATCH_COMMANDS_MAX * 2);
        let mut answers = Vec::new();
        for _ in 0..BATCH_COMMANDS_MAX + 3 {
            let (next, answer) = waiting(1);
            answers.push(answer);
            assert!(sender.try_send(next).is_ok());
        }
        answers.remove(1);
        let first = receiver.try_recv().unwrap();
        let (batch, rest) = gather(first, &mut receiver);
        assert_eq!((batch.len(), rest.is_some()), (BATCH_COMMANDS_MAX, false));
        let (large, _answer) = waiting(BATCH_BYTES_MAX);
        let (batch, rest) = gather(large, &mut receiver);
        assert_eq!((batch.len(), rest.is_some()), (1, true));
    }
}
