//! Room that is counted, per peer and for the whole network at once (LIM-1).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// So much may be taken at a time, of this and of what it is a part of.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicU64,
    max: u64,
    whole: Option<Arc<Budget>>,
}

/// What was taken; given back when dropped.
#[derive(Debug)]
pub(crate) struct Room {
    budget: Arc<Budget>,
    amount: u64,
}

impl Budget {
    pub(crate) fn new(max: u64) -> Arc<Self> {
        Arc::new(Self { used: AtomicU64::new(0), max, whole: None })
    }

    /// A budget whose room is also room of this one.
    pub(crate) fn part(self: &Arc<Self>, max: u64) -> Arc<Self> {
        Arc::new(Self { used: AtomicU64::new(0), max, whole: Some(Arc::clone(self)) })
    }

    /// Takes room, if there is any.
    pub(crate) fn enter(self: &Arc<Self>, amount: u64) -> Option<Room> {
        self.take(amount).then(|| Room { budget: Arc::clone(self), amount })
    }

    /// What is taken now.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn take(&self, amount: u64) -> bool {
        let more = |used: u64| used.checked_add(amount).filter(|sum| *sum <= self.max);
        if self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            return false;
        }
        let fits = self.whole.as_ref().is_none_or(|whole| whole.take(amount));
        if !fits {
            self.used.fetch_sub(amount, Ordering::Relaxed);
        }
        fits
    }

    fn give_back(&self, amount: u64) {
        self.used.fetch_sub(amount, Ordering::Relaxed);
        if let Some(whole) = &self.whole {
            whole.give_back(amount);
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.budget.give_back(self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_of_the_part_and_of_the_whole_and_given_back_to_both() {
        let whole = Budget::new(10);
        let (one, two) = (whole.part(8), whole.part(8));
        let large = one.enter(8).unwrap();
        assert!(one.enter(1).is_none(), "the part is full");
        assert!(two.enter(3).is_none(), "the whole is full");
        assert_eq!((one.used(), two.used(), whole.used()), (8, 0, 8));
        let small = two.enter(2).unwrap();
        assert!(two.enter(u64::MAX).is_none(), "sums do not wrap");
        drop(large);
        assert_eq!((one.used(), two.used(), whole.used()), (0, 2, 2));
        drop(small);
        assert_eq!(whole.used(), 0);
    }
}
