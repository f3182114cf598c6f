//! The network as the world holds it: who is up, how the links are, and what arrives when.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::link::{Link, Profile};
use super::state::{HostState, NetCounts, State};
use crate::seed::Seed;
use crate::trace::Trace;

/// The network of a world; clones are the same network.
#[derive(Clone)]
pub struct SimNet {
    state: Arc<Mutex<State>>,
}

/// A locked network; wakes who is to be woken when the lock is gone.
pub(super) struct Locked<'a> {
    guard: Option<MutexGuard<'a, State>>,
}

impl std::ops::Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.guard.as_ref().unwrap_or_else(|| unreachable!("held until the drop"))
    }
}

impl std::ops::DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.guard.as_mut().unwrap_or_else(|| unreachable!("held until the drop"))
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let Some(mut guard) = self.guard.take() else { return };
        let wakers = std::mem::take(&mut guard.wakers);
        drop(guard);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl SimNet {
    /// A network without hosts.
    #[must_use]
    pub fn new(seed: Seed, profile: Profile, trace: Arc<Trace>) -> Self {
        let state = State::empty(seed.stream("net"), profile, trace);
        Self { state: Arc::new(Mutex::new(state)) }
    }

    pub(super) fn lock(&self) -> Locked<'_> {
        Locked { guard: Some(self.state.lock().unwrap_or_else(PoisonError::into_inner)) }
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> NetCounts {
        self.lock().counts
    }

    /// Streams that somebody holds, or that something is on its way in.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.lock().streams.len()
    }

    /// Sets how the way from one host to another is.
    pub fn set_link(&self, from: u8, to: u8, link: Link) {
        self.lock().links.insert((from, to), link);
    }

    /// Mends all links and makes the ordinary days good ones.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.links.clear();
        state.profile.loss_permille = 0;
        state.profile.tail_permille = 0;
    }

    /// Breaks all streams between two hosts, at both ends.
    pub fn reset_between(&self, one: u8, other: u8) {
        let mut state = self.lock();
        let between: Vec<u64> = (state.streams.iter())
            .filter(|(_, stream)| {
                let hosts = stream.ends.map(|end| end.host);
                hosts == [one, other] || hosts == [other, one]
            })
            .map(|(id, _)| *id)
            .collect();
        for id in between {
            state.break_end(id, 0);
            state.break_end(id, 1);
        }
    }

    /// A host begins to run.
    pub(crate) fn host_up(&self, host: u8) {
        let mut state = self.lock();
        let known = state.hosts.entry(host);
        let known = known.or_insert(HostState { is_up: false, incarnation: 0, next_port: 20_000 });
        known.is_up = true;
        known.incarnation += 1;
    }

    /// A host no longer runs. Its kernel tells the other ends, or nobody does (`silently`).
    pub(crate) fn host_down(&self, host: u8, silently: bool) {
        let mut state = self.lock();
        if let Some(known) = state.hosts.get_mut(&host) {
            known.is_up = false;
        }
        state.listeners.retain(|_, listener| listener.host != host);
        let touched: Vec<(u64, usize)> = (state.streams.iter())
            .flat_map(|(id, stream)| (0..2).map(move |end| (*id, end, stream.ends[end].host)))
            .filter(|(_, _, of)| *of == host)
            .map(|(id, end, _)| (id, end))
            .collect();
        for (id, end) in touched {
            if let Some(stream) = state.streams.get_mut(&id) {
                stream.ends[end].is_reset = true;
                stream.ends[end].is_gone = true;
            }
            if !silently {
                state.tell_reset(id, 1 - end);
            }
        }
    }

    /// When the next segment arrives, microseconds.
    #[must_use]
    pub fn next_micros(&self) -> Option<u64> {
        self.lock().next_micros()
    }

    /// Lets everything arrive that is due, and promises that nothing sent from now on arrives
    /// before `horizon_micros`.
    pub(crate) fn deliver(&self, now_micros: u64, horizon_micros: u64) {
        let mut state = self.lock();
        state.horizon_micros = horizon_micros;
        state.arrive_until(now_micros);
    }
}
