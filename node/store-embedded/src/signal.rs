//! A bell for a thread that works when there is work: rung any number of times, heard once.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct State {
    rung: bool,
    closed: bool,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

impl Signal {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that there is work.
    pub(crate) fn ring(&self) {
        let mut state = self.state();
        if !std::mem::replace(&mut state.rung, true) {
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Says that the thread should end.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// Waits for work; false when the thread should end.
    pub(crate) fn wait(&self) -> bool {
        let idle = |state: &mut State| !state.rung && !state.closed;
        let state = self.changed.wait_while(self.state(), idle);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        state.rung = false;
        !state.closed
    }
}
