//! Which lanes of commits have failed (see [`CommitLane`]), for adapters that decide about
//! commits one after the other. Queues and threads are the adapters'.

use std::collections::BTreeMap;

use crate::error::CommitError;
use crate::limits::LANES_MAX;
use crate::port::CommitLane;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lane {
    generation: u64,
    failed: bool,
}

/// The lanes that were seen, at most [`LANES_MAX`] (LIM-1).
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: BTreeMap<u64, Lane>,
}

impl Lanes {
    /// Whether a commit of this lane may be tried; one without a lane always may.
    ///
    /// # Errors
    /// [`CommitError::Abandoned`] when its generation failed or is over;
    /// [`CommitError::Invalid`] when there are too many lanes.
    pub fn admit(&mut self, lane: Option<CommitLane>) -> Result<(), CommitError> {
        let Some(CommitLane { id, generation }) = lane else { return Ok(()) };
        let Some(seen) = self.lanes.get_mut(&id) else {
            if self.lanes.len() >= LANES_MAX {
                return Err(CommitError::Invalid { reason: "there are too many lanes" });
            }
            self.lanes.insert(id, Lane { generation, failed: false });
            return Ok(());
        };
        if generation > seen.generation {
            *seen = Lane { generation, failed: false };
        }
        let is_stopped = seen.failed && !node_env::planted!("lane-goes-on-after-failure");
        if is_stopped || generation < seen.generation {
            return Err(CommitError::Abandoned);
        }
        Ok(())
    }

    /// Notes that a commit of this generation failed. Does nothing when a higher one has begun.
    pub fn fail(&mut self, lane: Option<CommitLane>) {
        let Some(CommitLane { id, generation }) = lane else { return };
        if let Some(seen) = self.lanes.get_mut(&id)
            && seen.generation == generation
        {
            seen.failed = true;
        }
    }

    /// Passes a result on; an error is noted as by [`Lanes::fail`].
    ///
    /// # Errors
    /// That of the result.
    pub fn settle<T>(
        &mut self,
        lane: Option<CommitLane>,
        result: Result<T, CommitError>,
    ) -> Result<T, CommitError> {
        if result.is_err() {
            self.fail(lane);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(id: u64, generation: u64) -> Option<CommitLane> {
        Some(CommitLane { id, generation })
    }

    #[test]
    fn a_failed_generation_stays_failed_until_a_higher_one() {
        let mut lanes = Lanes::default();
        for (step, (of, fails, expected)) in [
            (lane(1, 5), false, Ok(())),
            (lane(1, 5), true, Ok(())),
            (lane(1, 5), false, Err(CommitError::Abandoned)),
            (lane(1, 4), false, Err(CommitError::Abandoned)),
            (lane(2, 5), false, Ok(())),
            (None, true, Ok(())),
            (None, false, Ok(())),
            (lane(1, 6), false, Ok(())),
            (lane(1, 5), true, Err(CommitError::Abandoned)),
            (lane(1, 6), false, Ok(())),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(lanes.admit(of), expected, "step {step}");
            if fails {
                let lost: Result<(), _> = lanes.settle(of, Err(CommitError::NoSpace));
                assert_eq!(lost, Err(CommitError::NoSpace));
            }
        }
    }

    #[test]
    fn lanes_are_bounded() {
        let mut lanes = Lanes::default();
        for id in 0..LANES_MAX as u64 {
            assert_eq!(lanes.admit(lane(id, 0)), Ok(()));
        }
        let one_more = lanes.admit(lane(u64::MAX, 0));
        assert!(matches!(one_more, Err(CommitError::Invalid { .. })));
        assert_eq!(lanes.admit(lane(0, 0)), Ok(()));
    }
}
