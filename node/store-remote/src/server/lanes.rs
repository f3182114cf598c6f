//! Lanes of the served store for the lanes of sessions. Clients choose lane ids as they like;
//! each (session, lane) gets a lane of the store that nobody else has, and gives it back, with a
//! higher generation, when the session is over.

use std::collections::BTreeMap;

use actors_store::limits::LANES_MAX;
use actors_store::{CommitError, CommitLane, Committed, Lanes};

use crate::limits::RETRY_AFTER_MS;

/// Lanes of the store that no session has.
#[derive(Debug, Default)]
pub(crate) struct LanePool {
    /// Lanes that were used, each with the generation at which it goes on.
    free: Vec<CommitLane>,
    /// Ids from here on were never used.
    fresh: u64,
}

impl LanePool {
    /// One lane, for [`SessionLanes::admit`].
    pub(crate) fn lend(&mut self) -> Option<CommitLane> {
        if let Some(lane) = self.free.pop() {
            return Some(lane);
        }
        if self.fresh >= LANES_MAX as u64 {
            return None;
        }
        let id = self.fresh;
        self.fresh += 1;
        Some(CommitLane { id, generation: 0 })
    }
}

#[derive(Debug)]
struct Mapped {
    /// Generation of the client that the lane of the store stands for now.
    generation: u64,
    store: CommitLane,
}

/// The lanes of one session.
#[derive(Debug, Default)]
pub(crate) struct SessionLanes {
    lanes: Lanes,
    mapped: BTreeMap<u64, Mapped>,
}

impl SessionLanes {
    /// The lane of the store for a lane of the client.
    ///
    /// # Errors
    /// As [`Lanes::admit`]; `Overloaded` when the store has no lane left.
    pub(crate) fn admit(
        &mut self,
        lane: Option<CommitLane>,
        pool: impl FnOnce() -> Option<CommitLane>,
    ) -> Result<Option<CommitLane>, CommitError> {
        self.lanes.admit(lane)?;
        let Some(CommitLane { id, generation }) = lane else { return Ok(None) };
        if let Some(mapped) = self.mapped.get_mut(&id) {
            if generation > mapped.generation {
                mapped.generation = generation;
                mapped.store.generation += 1;
            }
            return Ok(Some(mapped.store));
        }
        let Some(store) = pool() else {
            self.lanes.fail(lane);
            return Err(CommitError::Overloaded { retry_after_ms: RETRY_AFTER_MS });
        };
        self.mapped.insert(id, Mapped { generation, store });
        Ok(Some(store))
    }

    /// Notes a failure, as [`Lanes::settle`] does.
    pub(crate) fn settle(
        &mut self,
        lane: Option<CommitLane>,
        result: Result<Committed, CommitError>,
    ) -> Result<Committed, CommitError> {
        self.lanes.settle(lane, result)
    }

    /// Gives all lanes back. Nothing of the session may be under way.
    pub(crate) fn release(&mut self, pool: &mut LanePool) {
        for (_, mapped) in std::mem::take(&mut self.mapped) {
            let CommitLane { id, generation } = mapped.store;
            pool.free.push(CommitLane { id, generation: generation + 1 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(id: u64, generation: u64) -> Option<CommitLane> {
        Some(CommitLane { id, generation })
    }

    #[test]
    fn sessions_with_the_same_lane_get_different_lanes_of_the_store() {
        let mut pool = LanePool::default();
        let (mut first, mut second) = (SessionLanes::default(), SessionLanes::default());
        assert_eq!(first.admit(lane(7, 40), || pool.lend()), Ok(lane(0, 0)));
        assert_eq!(second.admit(lane(7, 40), || pool.lend()), Ok(lane(1, 0)));
        assert_eq!(first.admit(lane(7, 44), || pool.lend()), Ok(lane(0, 1)));
        assert_eq!(first.admit(lane(7, 44), || pool.lend()), Ok(lane(0, 1)));
        assert_eq!(first.admit(lane(7, 40), || pool.lend()), Err(CommitError::Abandoned));
        assert_eq!(first.admit(None, || pool.lend()), Ok(None));
        first.release(&mut pool);
        let mut third = SessionLanes::default();
        assert_eq!(third.admit(lane(9, 1), || pool.lend()), Ok(lane(0, 2)), "used again, higher");
    }

    #[test]
    fn a_refusal_of_the_server_ends_the_generation() {
        let mut pool = LanePool::default();
        let mut lanes = SessionLanes::default();
        assert_eq!(lanes.admit(lane(1, 1), || pool.lend()), Ok(lane(0, 0)));
        let refused = lanes.settle(lane(1, 1), Err(CommitError::NoSpace));
        assert_eq!(refused, Err(CommitError::NoSpace));
        assert_eq!(lanes.admit(lane(1, 1), || pool.lend()), Err(CommitError::Abandoned));
        assert_eq!(lanes.admit(lane(1, 2), || pool.lend()), Ok(lane(0, 1)));
    }

    #[test]
    fn lanes_are_bounded_over_all_sessions_lim_1() {
        let mut pool = LanePool::default();
        let (mut first, mut second) = (SessionLanes::default(), SessionLanes::default());
        for id in 0..LANES_MAX as u64 {
            assert!(first.admit(lane(id, 1), || pool.lend()).is_ok());
        }
        let refused = second.admit(lane(1, 1), || pool.lend());
        assert!(matches!(refused, Err(CommitError::Overloaded { .. })));
        assert_eq!(second.admit(lane(1, 1), || pool.lend()), Err(CommitError::Abandoned));
        first.release(&mut pool);
        assert!(second.admit(lane(1, 2), || pool.lend()).is_ok());
    }
}
