//! The words of a cluster: nodes, epochs, ranges of the hash space and the shard map as a value.
//! Actors and the control plane share these and nothing else; nothing here decides anything.

use crate::ids::{ShardCount, ShardId};
use std::fmt;

/// A node of a cluster, for ever: a node with a fresh disk gets a new id, and no id returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "n{}", self.0)
    }
}

/// A term of ownership of one shard. Each owner gets one above all that the shard had before, so
/// that the store can refuse the commits of earlier owners (OWN-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch after this one; stays at the end of the numbers.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "e{}", self.0)
    }
}

/// A range of the 64-bit hash space that holds at least one hash. Both ends belong to it, because
/// the end of the whole space is one past the largest `u64`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashRange {
    first: u64,
    last: u64,
}

impl HashRange {
    /// The whole hash space.
    pub const WHOLE: Self = Self { first: 0, last: u64::MAX };

    /// The range from `first` to `last`, both in it; nothing when they are in the wrong order.
    #[must_use]
    pub const fn new(first: u64, last: u64) -> Option<Self> {
        if first <= last { Some(Self { first, last }) } else { None }
    }

    /// The range of one of `count` equal shards, as [`ShardCount::shard_of`] places hashes;
    /// nothing when there is no such shard.
    #[must_use]
    pub fn equal(count: ShardCount, shard: ShardId) -> Option<Self> {
        if shard.0 >= count.0 {
            return None;
        }
        let shards = u128::from(count.0);
        let start = |number: u128| (number << 64).div_ceil(shards);
        let first = u64::try_from(start(u128::from(shard.0))).ok()?;
        let last = u64::try_from(start(u128::from(shard.0) + 1) - 1).ok()?;
        Self::new(first, last)
    }

    /// The first hash of the range.
    #[must_use]
    pub const fn first(self) -> u64 {
        self.first
    }

    /// The last hash of the range, in it.
    #[must_use]
    pub const fn last(self) -> u64 {
        self.last
    }

    /// How many hashes the range holds.
    #[must_use]
    pub fn width(self) -> u128 {
        u128::from(self.last - self.first) + 1
    }

    /// Whether the range holds `hash`.
    #[must_use]
    pub const fn contains(self, hash: u64) -> bool {
        self.first <= hash && hash <= self.last
    }

    /// Whether some hash is in both.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// The first hash of the upper half; nothing when the range holds one hash only.
    #[must_use]
    pub const fn middle(self) -> Option<u64> {
        let half = (self.last - self.first) / 2;
        if self.first == self.last { None } else { Some(self.first + half + 1) }
    }

    /// The two ranges that together are this one, the upper of which starts with `at`; nothing
    /// when one of them would be empty.
    #[must_use]
    pub const fn split_at(self, at: u64) -> Option<(Self, Self)> {
        if at <= self.first || at > self.last {
            return None;
        }
        Some((Self { first: self.first, last: at - 1 }, Self { first: at, last: self.last }))
    }

    /// This range and the one that follows it as one; nothing when `upper` does not follow.
    #[must_use]
    pub const fn join(self, upper: Self) -> Option<Self> {
        match self.last.checked_add(1) {
            Some(next) if next == upper.first => Some(Self { first: self.first, last: upper.last }),
            Some(_) | None => None,
        }
    }
}

impl fmt::Debug for HashRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}..={:016x}", self.first, self.last)
    }
}

impl fmt::Display for HashRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

/// Where one shard is, according to the control plane. The plan, not the truth: what the store
/// says under `own/{shard}` decides whose commits succeed (OWN-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardPlace {
    /// Which shard.
    pub shard: ShardId,
    /// The hashes in it.
    pub range: HashRange,
    /// The newest epoch that was given out.
    pub epoch: Epoch,
    /// Who has that epoch; nobody while no node could be found.
    pub owner: Option<NodeId>,
    /// Whether the owner serves. While it does not, requests wait at the edge.
    pub is_open: bool,
}

/// All shards in the order of their ranges, at one revision of the plan. The ranges cover the
/// whole space and do not overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardMap {
    revision: u64,
    places: Vec<ShardPlace>,
}

impl ShardMap {
    /// A map of places in any order; nothing when they do not cover the space exactly once.
    #[must_use]
    pub fn new(revision: u64, mut places: Vec<ShardPlace>) -> Option<Self> {
        places.sort_unstable_by_key(|place| place.range);
        let mut covered = places.first()?.range;
        if covered.first != 0 {
            return None;
        }
        for place in places.iter().skip(1) {
            covered = covered.join(place.range)?;
        }
        (covered == HashRange::WHOLE).then_some(Self { revision, places })
    }

    /// Grows with each change of the plan.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The places in the order of their ranges.
    #[must_use]
    pub fn places(&self) -> &[ShardPlace] {
        &self.places
    }

    /// The place of the shard that holds `hash`: a binary search.
    #[must_use]
    pub fn place_of(&self, hash: u64) -> &ShardPlace {
        let after = self.places.partition_point(|place| place.range.first <= hash);
        &self.places[after.saturating_sub(1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ranges_agree_with_shard_of() {
        for count in [1, 2, 3, 7, 16, 4_096, u16::MAX].map(ShardCount) {
            let mut covered: Option<HashRange> = None;
            for shard in (0..count.0).map(ShardId) {
                let range = HashRange::equal(count, shard).unwrap();
                assert_eq!(count.shard_of(range.first()), shard);
                assert_eq!(count.shard_of(range.last()), shard);
                covered = Some(covered.map_or(range, |covered| covered.join(range).unwrap()));
            }
            assert_eq!(covered, Some(HashRange::WHOLE));
            assert_eq!(HashRange::equal(count, ShardId(count.0)), None);
        }
    }

    #[test]
    fn a_split_joins_again() {
        let cases = [(0, u64::MAX), (5, 6), (0, 1), (u64::MAX - 1, u64::MAX), (10, 20)];
        for range in cases.map(|(first, last)| HashRange::new(first, last).unwrap()) {
            let (lower, upper) = range.split_at(range.middle().unwrap()).unwrap();
            assert_eq!(lower.join(upper), Some(range));
            assert_eq!(lower.width() + upper.width(), range.width());
            assert!(lower.width().abs_diff(upper.width()) <= 1);
            assert!(!lower.overlaps(upper) && lower.overlaps(range));
            assert_eq!(upper.join(lower), None);
            assert_eq!(range.split_at(range.first()), None);
        }
        let single = HashRange::new(7, 7).unwrap();
        assert_eq!((single.middle(), single.width()), (None, 1));
        assert_eq!(HashRange::new(2, 1), None);
        assert_eq!(HashRange::WHOLE.width(), 1 << 64);
    }

    #[test]
    fn a_map_covers_the_space_and_finds_each_hash() {
        let place = |shard: u16, first, last| ShardPlace {
            shard: ShardId(shard),
            range: HashRange::new(first, last).unwrap(),
            epoch: Epoch(1),
            owner: Some(NodeId(1)),
            is_open: true,
        };
        let map = ShardMap::new(3, vec![place(4, 100, u64::MAX), place(9, 0, 99)]).unwrap();
        assert_eq!(map.revision(), 3);
        let cases = [(0, 9), (99, 9), (100, 4), (u64::MAX, 4)];
        for (hash, shard) in cases {
            assert_eq!(map.place_of(hash).shard, ShardId(shard), "{hash}");
        }
        assert_eq!(map.places().len(), 2);
        let broken = [
            vec![],
            vec![place(1, 0, 99)],
            vec![place(1, 1, u64::MAX)],
            vec![place(1, 0, 99), place(2, 101, u64::MAX)],
            vec![place(1, 0, 100), place(2, 100, u64::MAX)],
        ];
        for places in broken {
            assert_eq!(ShardMap::new(1, places), None);
        }
    }
}
