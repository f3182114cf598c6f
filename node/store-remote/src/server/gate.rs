//! One client's gate to the store (OWN-1). Only the client's newest session passes; a newer one
//! closes the gate behind the older at once and is let in when nothing of the older is under way
//! any more. So whatever a lost connection left open is settled before its successor's first read.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::error::Farewell;
use crate::message::Hello;

/// Number of a session, unique and growing within its client.
pub(crate) type SessionNumber = u64;

#[derive(Debug, Default)]
struct State {
    /// The newest greeting.
    incarnation: u64,
    instance: u64,
    connection: u64,
    /// The session of the newest greeting; 0 before the first one.
    current: SessionNumber,
    /// Commits that the store has and has not answered.
    commits: usize,
    /// Sessions that have not ended.
    sessions: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ClientGate {
    state: Mutex<State>,
    changed: Notify,
}

impl ClientGate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a greeting the newest one. From now on nothing of an earlier session reaches the
    /// store.
    pub(crate) fn take_over(&self, hello: &Hello) -> Result<SessionNumber, Farewell> {
        let mut state = self.state();
        if state.current > 0 {
            if hello.incarnation < state.incarnation {
                return Err(Farewell::Superseded);
            }
            let is_same = hello.incarnation == state.incarnation;
            if is_same && hello.instance != state.instance {
                return Err(Farewell::SameIncarnation);
            }
            if is_same && hello.connection <= state.connection {
                return Err(Farewell::Reconnected);
            }
        }
        state.incarnation = hello.incarnation;
        state.instance = hello.instance;
        state.connection = hello.connection;
        state.current += 1;
        state.sessions += 1;
        let session = state.current;
        drop(state);
        self.changed.notify_waiters();
        Ok(session)
    }

    /// Hands a commit to the store, unless the session is no longer the newest. The check and the
    /// hand-over are one step: no commit of a session can follow its successor's greeting.
    pub(crate) fn submit<T>(
        &self,
        session: SessionNumber,
        hand_over: impl FnOnce() -> T,
    ) -> Option<T> {
        let mut state = self.state();
        if state.current != session {
            return None;
        }
        state.commits += 1;
        Some(hand_over())
    }

    /// The store has answered a commit that was handed over.
    pub(crate) fn finished(&self) {
        let mut state = self.state();
        node_env::always!(state.commits > 0, "OWN-1", "a commit is finished once");
        state.commits = state.commits.saturating_sub(1);
        let is_drained = state.commits == 0;
        drop(state);
        if is_drained {
            self.changed.notify_waiters();
        }
    }

    /// Ends when the store has nothing of this client under way.
    pub(crate) async fn drained(&self) {
        self.until(|state| (state.commits == 0).then_some(())).await;
    }

    /// Ends when the session is no longer the newest, with the reason for it.
    pub(crate) async fn superseded(&self, session: SessionNumber, incarnation: u64) -> Farewell {
        let reason = |state: &State| {
            let is_newer = state.incarnation > incarnation;
            let reason = if is_newer { Farewell::Superseded } else { Farewell::Reconnected };
            (state.current != session).then_some(reason)
        };
        self.until(reason).await
    }

    async fn until<T>(&self, mut holds: impl FnMut(&State) -> Option<T>) -> T {
        let mut changed = std::pin::pin!(self.changed.notified());
        loop {
            changed.as_mut().enable();
            if let Some(found) = holds(&self.state()) {
                return found;
            }
            changed.as_mut().await;
            changed.set(self.changed.notified());
        }
    }

    /// A session has ended. Gives whether nothing is left of the client: no session and no commit.
    pub(crate) fn leave(&self) -> bool {
        let mut state = self.state();
        state.sessions = state.sessions.saturating_sub(1);
        state.sessions == 0 && state.commits == 0
    }

    /// Whether no session and no commit is left.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state();
        state.sessions == 0 && state.commits == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn hello(incarnation: u64, instance: u64, connection: u64) -> Hello {
        Hello { client_id: 1, incarnation, instance, connection }
    }

    #[test]
    fn only_newer_greetings_take_over_own_1() {
        let gate = ClientGate::default();
        for (step, (incarnation, instance, connection, expected)) in [
            (5, 1, 1, Ok(1)),
            (5, 1, 1, Err(Farewell::Reconnected)),
            (5, 1, 2, Ok(2)),
            (5, 1, 1, Err(Farewell::Reconnected)),
            (5, 2, 3, Err(Farewell::SameIncarnation)),
            (4, 1, 9, Err(Farewell::Superseded)),
            (6, 2, 1, Ok(3)),
            (5, 1, 10, Err(Farewell::Superseded)),
        ]
        .into_iter()
        .enumerate()
        {
            let found = gate.take_over(&hello(incarnation, instance, connection));
            assert_eq!(found, expected, "step {step}");
        }
    }

    #[test]
    fn nothing_of_an_earlier_session_passes_and_a_later_one_waits_own_1() {
        let gate = ClientGate::default();
        let old = gate.take_over(&hello(1, 1, 1)).unwrap();
        assert_eq!(gate.submit(old, || "first"), Some("first"));
        let mut superseded = std::pin::pin!(gate.superseded(old, 1));
        assert_eq!(superseded.as_mut().now_or_never(), None);
        let new = gate.take_over(&hello(2, 2, 1)).unwrap();
        assert_eq!(superseded.now_or_never(), Some(Farewell::Superseded));
        assert_eq!(gate.submit(old, || "second"), None);
        let mut drained = std::pin::pin!(gate.drained());
        assert_eq!(drained.as_mut().now_or_never(), None);
        gate.finished();
        assert_eq!(drained.now_or_never(), Some(()));
        assert_eq!(gate.submit(new, || "third"), Some("third"));
        assert!(!gate.leave(), "the newer session is there");
        gate.finished();
        assert!(gate.leave());
    }
}
