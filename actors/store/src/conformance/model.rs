//! The random case: the same operations on the adapter and on the reference model must give
//! the same answers. Seeded, so a failure comes back.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use node_env::Clock;

use super::{Case, Outcome, Subject, equal, text};
use crate::memory::MemoryStore;
use crate::mutation::{KeyRange, Mutation};
use crate::port::{CommitRequest, RangeQuery, Snapshot, Store};

pub(super) const CASES: [(&str, Case); 1] =
    [("random operations agree with the reference model", |subject| random(subject).boxed())];

const STEPS: usize = 1_500;
const SNAPSHOTS_HELD_MAX: usize = 6;

/// A clock that stands still: the window never passes in the reference model.
struct StillClock;

impl Clock for StillClock {
    fn wall_unix_micros(&self) -> i64 {
        0
    }

    fn monotonic_micros(&self) -> u64 {
        0
    }
}

/// A linear congruential generator (Knuth's MMIX constants); quality hardly matters here.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0).checked_rem(bound).unwrap_or(0)
    }

    /// Few and short keys, so that operations meet.
    fn key(&mut self) -> Bytes {
        let length = 1 + self.below(2);
        Bytes::from((0..length).map(|_| [0, b'a', b'b', 0xFF][self.below(4)]).collect::<Vec<_>>())
    }

    fn range(&mut self) -> KeyRange {
        let (first, second) = (self.key(), self.key());
        if self.below(4) == 0 {
            return KeyRange::single(&first);
        }
        KeyRange::new(first.clone().min(second.clone()), first.max(second))
    }

    fn mutation(&mut self, step: usize) -> Mutation {
        match self.below(10) {
            0 | 1 => Mutation::clear(self.key()),
            2 => Mutation::ClearRange { range: self.range() },
            3 => Mutation::Add { key: self.key(), delta: 3 - i64::from(self.below(7) == 0) },
            _more => Mutation::set(self.key(), format!("value {step}").into_bytes()),
        }
    }

    fn query(&mut self) -> RangeQuery {
        let range = if self.below(3) == 0 { KeyRange::prefix(b"") } else { self.range() };
        let (limit, reverse) = (1 + self.below(8), self.below(2) == 0);
        RangeQuery { begin: range.begin, end: range.end, limit, reverse }
    }
}

type Pair = (Arc<dyn Snapshot>, Arc<dyn Snapshot>);

async fn random(subject: &dyn Subject) -> Outcome {
    let tested = subject.store();
    let model: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(StillClock)));
    let mut draw = Draw(42);
    let mut held: Vec<Pair> = Vec::new();
    for step in 0..STEPS {
        if held.is_empty() || draw.below(4) == 0 {
            let pair = (tested.begin().await.map_err(text)?, model.begin().await.map_err(text)?);
            held.push(pair);
            if held.len() > SNAPSHOTS_HELD_MAX {
                held.remove(0);
            }
        }
        let chosen = draw.below(held.len());
        let pair = &held[chosen];
        if draw.below(2) == 0 {
            commit_both(&mut draw, step, pair, (&tested, &model)).await?;
        } else {
            read_both(&mut draw, step, pair).await?;
        }
    }
    Ok(())
}

async fn commit_both(
    draw: &mut Draw,
    step: usize,
    pair: &Pair,
    stores: (&Arc<dyn Store>, &Arc<dyn Store>),
) -> Outcome {
    let mutations = (0..draw.below(4)).map(|_| draw.mutation(step)).collect();
    let read_conflicts = (0..draw.below(3)).map(|_| draw.range()).collect();
    let write_conflicts = (0..draw.below(2)).map(|_| draw.range()).collect();
    let read_version = pair.0.version();
    let request =
        CommitRequest { read_version, read_conflicts, write_conflicts, mutations, lane: None };
    let expected = CommitRequest { read_version: pair.1.version(), ..request.clone() };
    let expected = stores.1.commit(expected).await.map(|_| ());
    let found = stores.0.commit(request).await.map(|_| ());
    equal(&format!("commit of step {step}"), &found, &expected)
}

async fn read_both(draw: &mut Draw, step: usize, pair: &Pair) -> Outcome {
    let key = draw.key();
    let found = pair.0.get(&key).await.map_err(text)?;
    let expected = pair.1.get(&key).await.map_err(text)?;
    equal(&format!("get of step {step}"), &found, &expected)?;
    let query = draw.query();
    let found = pair.0.range(query.clone()).await.map_err(text)?;
    let expected = pair.1.range(query).await.map_err(text)?;
    equal(&format!("range of step {step}"), &found.items, &expected.items)
}
