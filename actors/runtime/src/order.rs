//! Commands of one source to one entity, in the order in which they came (ORD-1), also while the
//! entity's shard moves and each of them is tried again until it meets an owner. A command that is
//! in no mailbox yet holds back those behind it; what is in the mailbox of an actor of this node
//! holds back nobody, since the actor takes it in order.
//!
//! Only for nodes that send commands on: alone, a node refuses what it does not serve.

use crate::error::SubmitError;
use crate::limits::{ORDER_LINE_MAX, ORDER_TABLES, RETRY_AFTER_MS};
use schema_types::ids::{EntityId, SourceId};
use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Where a command is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Into the mailbox of an actor of this node.
    Here,
    /// To another node.
    There,
}

struct Waiting {
    number: u64,
    /// In a mailbox of this node.
    is_handed: bool,
    turn: Option<Arc<Notify>>,
}

/// Commands of one source to one entity that are not settled, oldest first.
#[derive(Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    next: u64,
}

impl Line {
    /// Only the first that is not in a mailbox can have become able to go.
    fn wake(&self) {
        let first = self.waiting.iter().find(|one| !one.is_handed);
        if let Some(turn) = first.and_then(|one| one.turn.as_ref()) {
            turn.notify_one();
        }
    }

    fn find(&mut self, number: u64) -> Option<&mut Waiting> {
        self.waiting.iter_mut().find(|one| one.number == number)
    }
}

type Table = BTreeMap<u64, Line>;

/// All lines of a node. Two that share a number by chance wait for each other, no more.
pub(crate) struct Order {
    tables: Vec<Mutex<Table>>,
}

impl Default for Order {
    fn default() -> Self {
        Self { tables: (0..ORDER_TABLES).map(|_| Mutex::default()).collect() }
    }
}

impl Order {
    fn table(&self, key: u64) -> MutexGuard<'_, Table> {
        let count = u64::try_from(self.tables.len()).unwrap_or(1);
        let place = usize::try_from(key % count).unwrap_or(0);
        // A table is consistent between statements.
        self.tables[place].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place behind the commands of the source to the entity that are not settled. What
    /// has no effect (`once` is off) follows them, and nobody waits for it if there are none.
    ///
    /// # Errors
    /// [`SubmitError::Overloaded`] when too many wait already (LIM-1).
    pub(crate) fn enter(
        self: &Arc<Self>,
        (source, entity): (&SourceId, &EntityId),
        once: bool,
    ) -> Result<Option<Ticket>, SubmitError> {
        let mut hasher = DefaultHasher::new();
        source.as_str().hash(&mut hasher);
        hasher.write_u64(entity.hash());
        let key = hasher.finish();
        let mut table = self.table(key);
        if !once && !table.contains_key(&key) {
            return Ok(None);
        }
        let line = table.entry(key).or_default();
        if line.waiting.len() >= ORDER_LINE_MAX {
            let what = "commands of one source to one entity";
            return Err(SubmitError::Overloaded { what, retry_after_ms: RETRY_AFTER_MS });
        }
        let number = line.next;
        line.next += 1;
        line.waiting.push_back(Waiting { number, is_handed: false, turn: None });
        drop(table);
        Ok(Some(Ticket { order: Arc::clone(self), key, number }))
    }
}

/// The place of one command; given up when it is settled.
pub(crate) struct Ticket {
    order: Arc<Order>,
    key: u64,
    number: u64,
}

impl Ticket {
    /// Whether it is the command's turn; else what tells that it may be.
    pub(crate) fn turn(&self, way: Way) -> Result<(), Arc<Notify>> {
        let mut table = self.order.table(self.key);
        let Some(line) = table.get_mut(&self.key) else { return Ok(()) };
        let mut ahead = line.waiting.iter().take_while(|one| one.number != self.number);
        let may_go = match way {
            Way::Here => ahead.all(|one| one.is_handed),
            // What is in a mailbox may come back from there when the shard is lost.
            Way::There => ahead.next().is_none(),
        };
        match line.find(self.number) {
            Some(own) if !may_go => Err(Arc::clone(own.turn.get_or_insert_default())),
            Some(_) | None => Ok(()),
        }
    }

    /// The command is in a mailbox, or came back from there.
    pub(crate) fn set_handed(&self, is_handed: bool) {
        let mut table = self.order.table(self.key);
        let Some(line) = table.get_mut(&self.key) else { return };
        if let Some(own) = line.find(self.number) {
            own.is_handed = is_handed;
        }
        line.wake();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut table = self.order.table(self.key);
        let Some(line) = table.get_mut(&self.key) else { return };
        line.waiting.retain(|one| one.number != self.number);
        if line.waiting.is_empty() {
            table.remove(&self.key);
        } else {
            line.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema_types::ids::{EntityKind, TenantId};

    fn names() -> (SourceId, EntityId) {
        (SourceId::new("s"), EntityId::new(TenantId::new("t"), EntityKind::Patient, "p"))
    }

    #[test]
    fn only_what_is_in_a_mailbox_holds_back_nobody_here_ord_1() {
        let (order, (source, entity)) = (Arc::new(Order::default()), names());
        let enter = |once| order.enter((&source, &entity), once).unwrap();
        assert!(enter(false).is_none(), "a read alone waits for nobody");
        let (first, second, read) = (enter(true).unwrap(), enter(true).unwrap(), enter(false));
        assert!(first.turn(Way::There).is_ok() && first.turn(Way::Here).is_ok());
        assert!(second.turn(Way::Here).is_err());
        first.set_handed(true);
        assert!(second.turn(Way::Here).is_ok());
        assert!(second.turn(Way::There).is_err(), "the first may come back");
        assert!(read.as_ref().unwrap().turn(Way::Here).is_err());
        first.set_handed(false);
        assert!(second.turn(Way::Here).is_err());
        drop(first);
        assert!(second.turn(Way::There).is_ok());
        drop((second, read));
        assert!(order.tables.iter().all(|table| table.lock().unwrap().is_empty()));
    }

    #[test]
    fn a_line_is_bounded_lim_1() {
        let (order, (source, entity)) = (Arc::new(Order::default()), names());
        let enter = || order.enter((&source, &entity), true);
        let full: Vec<_> = (0..ORDER_LINE_MAX).map(|_| enter().unwrap()).collect();
        assert!(matches!(enter(), Err(SubmitError::Overloaded { retry_after_ms: 1.., .. })));
        drop(full);
        assert!(enter().is_ok());
    }
}
