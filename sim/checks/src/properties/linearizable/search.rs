//! The search for an order: calls and returns in a linked list by time; a call may be put next when
//! no return stands before it; what was put and the state that it led to are remembered, so that no
//! such pair is tried twice. A call without a return may be put anywhere after its begin or never.

use crate::history::Micros;
use crate::limits::{LINEARIZABLE_COMMANDS_MAX, LINEARIZABLE_STEPS_MAX};
use std::collections::BTreeSet;

/// What calls act on.
pub(super) trait Model: Clone + Ord {
    /// A call with its answer.
    type Call;

    /// The state after the call; `None` when its answer cannot come from this state.
    fn step(&self, call: &Self::Call) -> Option<Self>;
}

/// A call and when it was.
#[derive(Debug, Clone)]
pub(super) struct Timed<C> {
    pub(super) call: C,
    pub(super) invoked_at: Micros,
    /// Absent: it may have taken effect at any time since, or not at all.
    pub(super) returned_at: Option<Micros>,
}

/// What the search found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is an order.
    Linearizable,
    /// There is none; the longest that was tried has so many answered calls.
    Violated { longest: usize },
    /// It took too long.
    GaveUp,
}

const WORDS: usize = LINEARIZABLE_COMMANDS_MAX.div_ceil(64);

/// Which calls were put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Put([u64; WORDS]);

impl Put {
    fn toggle(&mut self, call: usize) {
        if let Some(word) = self.0.get_mut(call / 64) {
            *word ^= 1 << (call % 64);
        }
    }
}

/// A place in the list; 0 is its head.
type Place = usize;

#[derive(Debug, Clone, Copy)]
struct Entry {
    call: usize,
    /// Where the call's return stands; `None` in a return, and the head for none at all.
    returns_at: Option<Place>,
    before: Place,
    after: Place,
}

/// Calls and returns by time, as a ring through its head.
struct Line(Vec<Entry>);

const HEAD: Place = 0;

impl Line {
    /// At one instant calls stand before returns: they may overlap.
    fn of<C>(calls: &[Timed<C>]) -> Self {
        let mut moments: Vec<(Micros, bool, usize)> = Vec::with_capacity(calls.len() * 2);
        for (number, call) in calls.iter().enumerate() {
            moments.push((call.invoked_at, false, number));
            moments.extend(call.returned_at.map(|at| (at.max(call.invoked_at), true, number)));
        }
        moments.sort_unstable();
        let head = Entry { call: usize::MAX, returns_at: None, before: moments.len(), after: 1 };
        let mut entries = vec![head];
        let mut called_at = vec![HEAD; calls.len()];
        for (place, (_, is_return, call)) in (1..).zip(&moments) {
            let returns_at = (!is_return).then_some(HEAD);
            let after = if place == moments.len() { HEAD } else { place + 1 };
            entries.push(Entry { call: *call, returns_at, before: place - 1, after });
            if *is_return {
                entries[called_at[*call]].returns_at = Some(place);
            } else {
                called_at[*call] = place;
            }
        }
        entries[HEAD].after = if moments.is_empty() { HEAD } else { 1 };
        Self(entries)
    }

    fn first(&self) -> Place {
        self.0[HEAD].after
    }

    fn take_out(&mut self, place: Place) {
        let Entry { before, after, .. } = self.0[place];
        self.0[before].after = after;
        self.0[after].before = before;
    }

    /// The reverse of [`Self::take_out`], in the reverse order.
    fn put_back(&mut self, place: Place) {
        let Entry { before, after, .. } = self.0[place];
        self.0[before].after = place;
        self.0[after].before = place;
    }

    fn lift(&mut self, place: Place) {
        self.take_out(place);
        if let Some(returns) = self.0[place].returns_at.filter(|returns| *returns != HEAD) {
            self.take_out(returns);
        }
    }

    fn unlift(&mut self, place: Place) {
        if let Some(returns) = self.0[place].returns_at.filter(|returns| *returns != HEAD) {
            self.put_back(returns);
        }
        self.put_back(place);
    }
}

/// Searches an order in which every answered call gets its answer, at most
/// [`LINEARIZABLE_COMMANDS_MAX`] of them.
pub(super) fn search<M: Model>(initial: M, calls: &[Timed<M::Call>]) -> Verdict {
    let is_answered = |call: usize| calls[call].returned_at.is_some();
    let answered = calls.iter().filter(|call| call.returned_at.is_some()).count();
    let mut line = Line::of(calls);
    let mut tried: BTreeSet<(Put, M)> = BTreeSet::new();
    let (mut state, mut put) = (initial, Put::default());
    let mut stack: Vec<(Place, M)> = Vec::new();
    let (mut settled, mut longest) = (0, 0);
    let mut place = line.first();
    for _ in 0..LINEARIZABLE_STEPS_MAX {
        if settled == answered {
            return Verdict::Linearizable;
        }
        let entry = line.0[place];
        if entry.returns_at.is_some() {
            let next = state.step(&calls[entry.call].call);
            let mut with = put;
            with.toggle(entry.call);
            if let Some(next) = next.filter(|next| tried.insert((with, next.clone()))) {
                stack.push((place, std::mem::replace(&mut state, next)));
                put = with;
                settled += usize::from(is_answered(entry.call));
                longest = longest.max(settled);
                line.lift(place);
                place = line.first();
            } else {
                place = entry.after;
            }
            continue;
        }
        // A return of a call that was not put, or the end: the last choice was wrong.
        let Some((last, before)) = stack.pop() else { return Verdict::Violated { longest } };
        let entry = line.0[last];
        state = before;
        put.toggle(entry.call);
        settled -= usize::from(is_answered(entry.call));
        line.unlift(last);
        place = entry.after;
    }
    Verdict::GaveUp
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A register with unique writes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    struct Register(u64);

    #[derive(Debug, Clone, Copy)]
    enum Ask {
        Write(u64),
        Read(u64),
    }

    impl Model for Register {
        type Call = Ask;

        fn step(&self, call: &Ask) -> Option<Self> {
            match *call {
                Ask::Write(value) => Some(Self(value)),
                Ask::Read(value) => (value == self.0).then_some(*self),
            }
        }
    }

    fn timed(call: Ask, invoked_at: u64, returned_at: Option<u64>) -> Timed<Ask> {
        Timed { call, invoked_at, returned_at }
    }

    fn is_right(calls: &[Timed<Ask>]) -> bool {
        search(Register(0), calls) == Verdict::Linearizable
    }

    /// Every order of the calls that respects time, tried one by one.
    fn is_right_by_trial(state: Register, calls: &[Timed<Ask>]) -> bool {
        if calls.iter().all(|call| call.returned_at.is_none()) {
            return true;
        }
        let first_return = calls.iter().filter_map(|call| call.returned_at).min();
        (0..calls.len()).any(|next| {
            let mut rest = calls.to_vec();
            let call = rest.remove(next);
            first_return.is_none_or(|at| call.invoked_at <= at)
                && state.step(&call.call).is_some_and(|state| is_right_by_trial(state, &rest))
        })
    }

    #[test]
    fn known_histories() {
        use Ask::{Read, Write};
        let cases: [(&str, Vec<Timed<Ask>>, bool); 6] = [
            ("nothing", vec![], true),
            ("stale", vec![timed(Write(1), 0, Some(1)), timed(Read(0), 2, Some(3))], false),
            ("overlap", vec![timed(Write(1), 0, Some(3)), timed(Read(0), 1, Some(2))], true),
            ("unknown, seen", vec![timed(Write(1), 0, None), timed(Read(1), 5, Some(6))], true),
            ("unknown, not seen", vec![timed(Write(1), 0, None), timed(Read(0), 5, Some(6))], true),
            (
                "seen and gone",
                vec![
                    timed(Write(1), 0, None),
                    timed(Read(1), 5, Some(6)),
                    timed(Read(0), 7, Some(8)),
                ],
                false,
            ),
        ];
        for (name, calls, expected) in cases {
            assert_eq!(is_right(&calls), expected, "{name}");
            assert_eq!(is_right_by_trial(Register(0), &calls), expected, "{name}");
        }
    }

    #[test]
    fn many_calls_that_overlap_end_in_time() {
        let mut calls = Vec::new();
        for number in 0..100_u64 {
            calls.push(timed(Ask::Write(number + 1), number * 10, Some(number * 10 + 35)));
            calls.push(timed(Ask::Read(number + 1), number * 10 + 30, Some(number * 10 + 36)));
        }
        assert_ne!(search(Register(0), &calls), Verdict::GaveUp);
    }

    proptest! {
        #[test]
        fn agrees_with_trying_every_order(
            drawn in proptest::collection::vec(
                (0..3_u64, any::<bool>(), 0..12_u64, 0..6_u64, 0..5_u8),
                0..7,
            )
        ) {
            let calls: Vec<Timed<Ask>> = drawn
                .into_iter()
                .map(|(value, is_read, at, lasts, fate)| {
                    let call = if is_read { Ask::Read(value) } else { Ask::Write(value) };
                    timed(call, at, (fate > 0 || is_read).then_some(at + lasts))
                })
                .collect();
            prop_assert_eq!(is_right(&calls), is_right_by_trial(Register(0), &calls));
        }
    }
}
