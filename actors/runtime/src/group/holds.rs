//! The entities of this node that are held for groups of other nodes, by the name of the hold.
//! Bounded (LIM-1); whatever is asked twice, or too late, is done once or not at all.

use crate::error::SubmitError;
use crate::limits::{
    GROUP_HOLD_NAME_BYTES_MAX, GROUP_HOLDS_MAX, GROUP_HOLDS_REMEMBERED_MAX, RETRY_AFTER_MS,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// What there is no room for when a hold is refused.
pub(crate) const HELD_ENTITIES: &str = "entities held for groups";

/// What became of a group, for those who hold its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Verdict {
    /// It is durable.
    Committed,
    /// It had no effect and never will.
    GivenUp,
    /// Nobody knows: the store has to be asked.
    Unknown,
}

enum Hold {
    /// The entity's actor was asked and has not decided yet.
    Asked,
    /// The entity waits for the verdict.
    Held(oneshot::Sender<Verdict>),
    /// The group is committed by this node, once.
    Committing(oneshot::Sender<Verdict>),
}

#[derive(Default)]
struct Table {
    holds: BTreeMap<String, Hold>,
    /// Names of holds that are over, oldest first, and the same to look one up.
    over: VecDeque<String>,
    known_over: BTreeSet<String>,
}

impl Table {
    fn note_over(&mut self, name: &str) {
        if !self.known_over.insert(name.to_owned()) {
            return;
        }
        self.over.push_back(name.to_owned());
        if self.over.len() > GROUP_HOLDS_REMEMBERED_MAX
            && let Some(oldest) = self.over.pop_front()
        {
            self.known_over.remove(&oldest);
        }
    }
}

/// The holds of this node.
#[derive(Default)]
pub(crate) struct Holds {
    table: Mutex<Table>,
}

/// A hold that is asked for; over when this is dropped before the entity is held.
pub(crate) struct Asked<'a> {
    holds: &'a Holds,
    name: &'a str,
    is_held: bool,
}

impl Holds {
    fn table(&self) -> MutexGuard<'_, Table> {
        // The table is consistent between statements.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Entities that are held, or about to be.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table().holds.len()
    }

    /// Begins a hold.
    ///
    /// # Errors
    /// [`SubmitError::OutcomeUnknown`] for a name that was used before: that call has the answer.
    /// [`SubmitError::Overloaded`] when too many entities are held.
    pub(crate) fn ask<'a>(&'a self, name: &'a str) -> Result<Asked<'a>, SubmitError> {
        if name.len() > GROUP_HOLD_NAME_BYTES_MAX {
            return Err(SubmitError::TooLarge { bytes: name.len() });
        }
        let mut table = self.table();
        if table.holds.contains_key(name) || table.known_over.contains(name) {
            return Err(SubmitError::OutcomeUnknown);
        }
        if table.holds.len() >= GROUP_HOLDS_MAX {
            let (what, retry_after_ms) = (HELD_ENTITIES, RETRY_AFTER_MS);
            return Err(SubmitError::Overloaded { what, retry_after_ms });
        }
        table.holds.insert(name.to_owned(), Hold::Asked);
        Ok(Asked { holds: self, name, is_held: false })
    }

    /// Ends a hold, known or not: a call for it that is still on its way does nothing.
    pub(crate) fn settle(&self, name: &str, verdict: Verdict) {
        let mut table = self.table();
        table.note_over(name);
        if let Some(Hold::Held(told) | Hold::Committing(told)) = table.holds.remove(name) {
            // An entity that stopped waiting asks the store.
            let _is_heard = told.send(verdict).is_ok();
        }
    }

    /// The entity waits no longer.
    pub(crate) fn forget(&self, name: &str) {
        let mut table = self.table();
        table.holds.remove(name);
        table.note_over(name);
    }

    /// Takes the right to commit the group of a held entity on this node; it is given once.
    pub(crate) fn begin_commit(&self, name: &str) -> bool {
        let mut table = self.table();
        match table.holds.remove(name) {
            Some(Hold::Held(told)) => {
                table.holds.insert(name.to_owned(), Hold::Committing(told));
                true
            }
            Some(other @ (Hold::Asked | Hold::Committing(_))) => {
                table.holds.insert(name.to_owned(), other);
                false
            }
            None => false,
        }
    }
}

impl Asked<'_> {
    /// The entity waits for the verdict from now on. `false` when it was given already.
    pub(crate) fn hold(mut self, told: oneshot::Sender<Verdict>) -> bool {
        let mut table = self.holds.table();
        let Some(hold) = table.holds.get_mut(self.name) else {
            let _is_heard = told.send(Verdict::GivenUp).is_ok();
            return false;
        };
        *hold = Hold::Held(told);
        self.is_held = true;
        true
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if !self.is_held {
            self.holds.forget(self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_told_once_and_a_name_is_used_once_once_1() {
        let holds = Holds::default();
        let (told, mut heard) = oneshot::channel();
        assert!(holds.ask("a:1:1").unwrap().hold(told));
        assert_eq!(holds.ask("a:1:1").err(), Some(SubmitError::OutcomeUnknown));
        assert!(holds.begin_commit("a:1:1"));
        assert!(!holds.begin_commit("a:1:1"), "a group commits once");
        holds.settle("a:1:1", Verdict::Committed);
        holds.settle("a:1:1", Verdict::GivenUp);
        assert_eq!(heard.try_recv(), Ok(Verdict::Committed));
        assert_eq!(holds.ask("a:1:1").err(), Some(SubmitError::OutcomeUnknown));
        assert_eq!(holds.len(), 0);
    }

    #[test]
    fn what_is_given_up_before_it_is_held_is_never_held() {
        let holds = Holds::default();
        let asked = holds.ask("a:1:1").unwrap();
        holds.settle("a:1:1", Verdict::GivenUp);
        let (told, mut heard) = oneshot::channel();
        assert!(!asked.hold(told));
        assert_eq!(heard.try_recv(), Ok(Verdict::GivenUp));
        // The verdict overtook the question.
        holds.settle("a:1:2", Verdict::GivenUp);
        assert_eq!(holds.ask("a:1:2").err(), Some(SubmitError::OutcomeUnknown));
        drop(holds.ask("a:1:3").unwrap());
        assert!(!holds.begin_commit("a:1:3"));
        assert_eq!(holds.len(), 0);
    }

    #[test]
    fn holds_and_what_is_remembered_of_them_are_bounded_lim_1() {
        let holds = Holds::default();
        let names: Vec<_> = (0..GROUP_HOLDS_MAX).map(|number| format!("a:1:{number}")).collect();
        let mut heard = Vec::new();
        for name in &names {
            let (told, hears) = oneshot::channel();
            assert!(holds.ask(name).unwrap().hold(told));
            heard.push(hears);
        }
        assert!(matches!(holds.ask("b").err(), Some(SubmitError::Overloaded { .. })));
        holds.forget(&names[0]);
        assert!(holds.ask("b").is_ok());
        for number in 0..3 * GROUP_HOLDS_REMEMBERED_MAX {
            holds.settle(&format!("c:{number}"), Verdict::GivenUp);
        }
        let table = holds.table();
        assert_eq!(table.over.len(), GROUP_HOLDS_REMEMBERED_MAX);
        assert_eq!(table.known_over.len(), GROUP_HOLDS_REMEMBERED_MAX);
        drop(table);
        let long = "x".repeat(GROUP_HOLD_NAME_BYTES_MAX + 1);
        assert!(matches!(holds.ask(&long).err(), Some(SubmitError::TooLarge { .. })));
    }
}
