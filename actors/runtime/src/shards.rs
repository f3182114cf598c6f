//! The shards that this node serves, as every command sees them: which hash belongs to which
//! shard, and whether commands are taken for it. What the store says decides (OWN-1); this table
//! only keeps work away that would be refused there.

use crate::error::SubmitError;
use arc_swap::ArcSwap;
use schema_types::cluster::HashRange;
use schema_types::ids::ShardId;
use std::sync::{Mutex, PoisonError};

/// One shard of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    range: HashRange,
    shard: ShardId,
    /// Whether commands are taken; a shard that closes only finishes what it began.
    is_open: bool,
}

/// The shards of this node in the order of their ranges. Ranges do not overlap.
#[derive(Debug, Default)]
pub(crate) struct Served {
    places: ArcSwap<Vec<Place>>,
    /// Held while the table changes; readers do not wait.
    change: Mutex<()>,
}

impl Served {
    fn place_of(places: &[Place], hash: u64) -> Option<Place> {
        let after = places.partition_point(|place| place.range.first() <= hash);
        let place = places.get(after.checked_sub(1)?)?;
        place.range.contains(hash).then_some(*place)
    }

    /// The shard that holds `hash`, if it is here, also while it closes.
    pub(crate) fn shard_of(&self, hash: u64) -> Option<ShardId> {
        Self::place_of(&self.places.load(), hash).map(|place| place.shard)
    }

    /// Whether commands for `hash` are taken here.
    ///
    /// # Errors
    /// [`SubmitError::NotServed`].
    pub(crate) fn admit(&self, hash: u64) -> Result<(), SubmitError> {
        match Self::place_of(&self.places.load(), hash) {
            Some(place) if place.is_open => Ok(()),
            Some(place) => Err(SubmitError::NotServed { shard: Some(place.shard.0) }),
            None => Err(SubmitError::NotServed { shard: None }),
        }
    }

    /// The shards that take commands.
    pub(crate) fn open_shards(&self) -> Vec<ShardId> {
        let places = self.places.load();
        places.iter().filter(|place| place.is_open).map(|place| place.shard).collect()
    }

    /// The range of a shard that is here.
    pub(crate) fn range_of(&self, shard: ShardId) -> Option<HashRange> {
        self.places.load().iter().find(|place| place.shard == shard).map(|place| place.range)
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Place>)) {
        let _alone = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places = Vec::clone(&self.places.load());
        change(&mut places);
        places.sort_unstable_by_key(|place| place.range);
        debug_assert!(
            places.windows(2).all(|pair| !pair[0].range.overlaps(pair[1].range)),
            "OWN-1: a hash belongs to one shard"
        );
        self.places.store(places.into());
    }

    /// Takes commands for a shard from now on.
    pub(crate) fn open(&self, shard: ShardId, range: HashRange) {
        self.change(|places| {
            places.retain(|place| place.shard != shard);
            places.push(Place { range, shard, is_open: true });
        });
    }

    /// Takes no further commands for a shard.
    pub(crate) fn close(&self, shard: ShardId) {
        self.change(|places| {
            for place in places.iter_mut().filter(|place| place.shard == shard) {
                place.is_open = false;
            }
        });
    }

    /// Forgets a shard.
    pub(crate) fn remove(&self, shard: ShardId) {
        self.change(|places| places.retain(|place| place.shard != shard));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_admitted_only_while_its_shard_is_open() {
        let served = Served::default();
        let range = |first, last| HashRange::new(first, last).unwrap();
        served.open(ShardId(4), range(100, 199));
        served.open(ShardId(2), range(300, u64::MAX));
        let elsewhere = Err(SubmitError::NotServed { shard: None });
        for (hash, shard) in [(99, None), (100, Some(4)), (199, Some(4)), (200, None)] {
            assert_eq!(served.shard_of(hash), shard.map(ShardId), "{hash}");
            assert_eq!(
                served.admit(hash),
                if shard.is_some() { Ok(()) } else { elsewhere.clone() }
            );
        }
        assert_eq!(served.shard_of(u64::MAX), Some(ShardId(2)));
        served.close(ShardId(4));
        assert_eq!(served.admit(150), Err(SubmitError::NotServed { shard: Some(4) }));
        assert_eq!(served.shard_of(150), Some(ShardId(4)), "what began is finished");
        assert_eq!(served.open_shards(), [ShardId(2)]);
        served.remove(ShardId(4));
        assert_eq!((served.shard_of(150), served.admit(150)), (None, elsewhere));
        assert_eq!(served.range_of(ShardId(2)), Some(range(300, u64::MAX)));
    }
}
