//! The work of the store in steps, where there are no threads: the caller of `commit` does them at
//! once, or a driver does them when it likes. What the steps do is what the threads do.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::core::{Core, Room, Written};
use crate::limits::{PART_ROWS_AT_ONCE_MAX, SYNC_BATCHES_MAX};
use crate::store::StageGuard;
use crate::writer::Writer;

/// A part of the store's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Writes what waits to the log, as one batch, and does not sync it.
    Write,
    /// Syncs what was written; then it is seen, and its commits are answered (ACK-1).
    Sync,
    /// Writes memory that is full to the index, and merges runs of the index.
    Checkpoint,
    /// Makes log segments ready, and merges what is in memory.
    Upkeep,
}

impl Stage {
    /// All, in the order in which a commit meets them.
    pub const ALL: [Self; 4] = [Self::Write, Self::Sync, Self::Upkeep, Self::Checkpoint];
}

/// Tells a driver that there may be work for a stage. Called by whoever made it, also from within
/// a step, so it must not step itself.
pub type Wake = Box<dyn Fn(Stage) + Send + Sync>;

/// Decides when the work of a store is done. May have several stores, at once or one after another.
pub trait Driver: Send + Sync + 'static {
    /// Takes over a store that is being opened. After each call of what it gives back it must
    /// step that stage until there is nothing to do, in its own time; until then commits wait.
    /// When the store is gone, so is what the weak reference leads to.
    fn drive(&self, stages: Weak<Stages>) -> Wake;
}

/// The stages of one store. Steps from several threads go one after another.
pub struct Stages {
    core: Arc<Core>,
    state: Mutex<State>,
    /// Who sends a commit does all that it brings.
    at_once: bool,
}

struct State {
    writer: Writer,
    /// Batches between the first two stages, at most [`SYNC_BATCHES_MAX`].
    written: VecDeque<Written>,
}

impl Stages {
    pub(crate) fn new(core: Arc<Core>, writer: Writer, at_once: bool) -> Self {
        let state = Mutex::new(State { writer, written: VecDeque::new() });
        Self { core, state, at_once }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one step of a stage on the calling thread; false when there was nothing that could be
    /// done. What a step could not do for another stage's sake is told again when it can be.
    pub fn step(&self, stage: Stage) -> bool {
        let mut state = self.state();
        let _guard = StageGuard(&self.core);
        match stage {
            Stage::Write => self.write(&mut state),
            Stage::Sync => self.sync(&mut state),
            Stage::Checkpoint => {
                self.core.maintain();
                self.tell_writer();
                false
            }
            Stage::Upkeep => {
                self.core.upkeep();
                false
            }
        }
    }

    fn write(&self, state: &mut State) -> bool {
        if state.written.len() >= SYNC_BATCHES_MAX {
            return false;
        }
        if self.core.room() == Room::Awaited {
            self.core.want_checkpoint();
            return false;
        }
        let Some(waiting) = self.core.queue.take_now() else { return false };
        state.written.push_back(state.writer.write(&self.core, waiting));
        self.core.merge_parts(PART_ROWS_AT_ONCE_MAX);
        self.core.wake(Stage::Sync);
        true
    }

    fn sync(&self, state: &mut State) -> bool {
        let group: Vec<Written> = state.written.drain(..).collect();
        if group.is_empty() {
            return false;
        }
        self.core.sync(group);
        self.tell_writer();
        true
    }

    /// The write stage may have waited for another.
    fn tell_writer(&self) {
        if !self.core.queue.is_empty() {
            self.core.wake(Stage::Write);
        }
    }

    /// Sees to a commit that was queued.
    pub(crate) fn arrived(&self) {
        if self.at_once {
            self.drain();
        } else {
            self.core.wake(Stage::Write);
        }
    }

    fn is_idle(&self) -> bool {
        self.core.queue.is_empty() && self.state().written.is_empty()
    }

    /// Does everything that waits.
    fn drain(&self) {
        while !self.is_idle() {
            for stage in Stage::ALL {
                self.step(stage);
            }
        }
    }

    /// Does everything that waits, for the last time, and marks the end of the log.
    pub(crate) fn finish(&self) {
        self.drain();
        let mut state = self.state();
        if !self.core.set_closed() {
            state.writer.finish(&self.core, |written| self.core.sync(vec![written]));
        }
    }
}
