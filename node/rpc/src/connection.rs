//! One connection: what it holds and what it may hold (LIM-1). Lives on one thread.

use crate::access::{Access, Need};
use crate::failure::Failure;
use crate::service::{Counters, Service};
use schema_types::ids::EntityId;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// The name under which refused calls about no entity are audited.
const DESK: &str = "sessions";
/// Their operation in the audit log.
const REFUSED: &str = "rpc-call";

/// A counted resource of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Call,
    Items(usize),
    Capability,
    Subscription,
}

/// What a connection holds.
pub(crate) struct Connection {
    pub(crate) service: Arc<Service>,
    calls: Cell<usize>,
    items: Cell<usize>,
    capabilities: Cell<usize>,
    subscriptions: Cell<usize>,
    active_at: Cell<Instant>,
    logged_in: Cell<bool>,
}

/// A place that is given back when it is dropped.
pub(crate) struct Place {
    connection: Rc<Connection>,
    held: Held,
}

impl Connection {
    pub(crate) fn new(service: Arc<Service>) -> Rc<Self> {
        Rc::new(Self {
            service,
            calls: Cell::new(0),
            items: Cell::new(0),
            capabilities: Cell::new(0),
            subscriptions: Cell::new(0),
            active_at: Cell::new(Instant::now()),
            logged_in: Cell::new(false),
        })
    }

    /// Notes that the other side lives.
    pub(crate) fn touch(&self) {
        self.active_at.set(Instant::now());
    }

    pub(crate) fn log_in(&self) {
        self.logged_in.set(true);
    }

    /// When the connection is to be closed if nothing happens until then.
    pub(crate) fn ends_at(&self, opened_at: Instant) -> Instant {
        let limits = &self.service.limits;
        if !self.logged_in.get() {
            return opened_at + Duration::from_millis(limits.login_ms_max);
        }
        let idle = Duration::from_millis(limits.idle_ms_max);
        let busy = self.calls.get() > 0 || self.subscriptions.get() > 0;
        if busy { Instant::now() + idle } else { self.active_at.get() + idle }
    }

    fn take(self: &Rc<Self>, held: Held) -> Result<Place, Failure> {
        let limits = &self.service.limits;
        let (cell, count, max, reason) = match held {
            Held::Call => {
                let reason = "too many calls in flight on this connection";
                (&self.calls, 1, limits.calls_in_flight_max, reason)
            }
            Held::Items(count) => {
                let reason = "too many items in flight on this connection";
                (&self.items, count, limits.items_in_flight_max, reason)
            }
            Held::Capability => {
                let reason = "too many capabilities held by this connection";
                (&self.capabilities, 1, limits.capabilities_max, reason)
            }
            Held::Subscription => {
                let reason = "too many subscriptions of this connection";
                (&self.subscriptions, 1, limits.subscriptions_max, reason)
            }
        };
        if cell.get().saturating_add(count) > max {
            Counters::add(&self.service.counters.overloaded);
            return Err(Failure::overloaded(reason));
        }
        cell.set(cell.get() + count);
        if held == Held::Call {
            self.service.in_flight.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Place { connection: Rc::clone(self), held })
    }

    /// Begins a call: checks the capability and takes a place for it.
    ///
    /// # Errors
    /// What [`Access::check`] refuses, once the attempt is on record (AUD-1).
    pub(crate) async fn begin(
        self: &Rc<Self>,
        access: &Access,
        need: Need,
    ) -> Result<Place, Failure> {
        let desk = || self.service.gateway.facility(DESK);
        self.begin_on(access, need, desk).await
    }

    /// Like [`Connection::begin`], for a call about one entity, in whose trail a refusal stands.
    pub(crate) async fn begin_on(
        self: &Rc<Self>,
        access: &Access,
        need: Need,
        subject: impl FnOnce() -> EntityId,
    ) -> Result<Place, Failure> {
        let place = self.begin_free()?;
        let Err(failure) = access.check(need) else { return Ok(place) };
        let what = (subject(), need.action(), REFUSED);
        let record = async { Ok(self.service.refuse(&access.caller, what, failure).await) };
        // Rare and large: on the heap, so that the usual call stays small.
        let recorded = Box::pin(self.service.within(0, record)).await;
        Err(recorded.unwrap_or_else(|unrecorded| unrecorded))
    }

    /// A call that needs no capability but the connection.
    pub(crate) fn begin_free(self: &Rc<Self>) -> Result<Place, Failure> {
        self.touch();
        Counters::add(&self.service.counters.calls);
        self.take(Held::Call)
    }

    /// Room for the items of a batch.
    pub(crate) fn items(self: &Rc<Self>, count: usize) -> Result<Place, Failure> {
        self.take(Held::Items(count))
    }

    /// Room for a capability.
    pub(crate) fn capability(self: &Rc<Self>) -> Result<Place, Failure> {
        self.take(Held::Capability)
    }

    /// Room for a subscription.
    pub(crate) fn subscription(self: &Rc<Self>) -> Result<Place, Failure> {
        self.take(Held::Subscription)
    }
}

impl Place {
    pub(crate) const fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let connection = &self.connection;
        let (cell, count) = match self.held {
            Held::Call => {
                connection.service.in_flight.fetch_sub(1, Ordering::Relaxed);
                connection.touch();
                (&connection.calls, 1)
            }
            Held::Items(count) => (&connection.items, count),
            Held::Capability => (&connection.capabilities, 1),
            Held::Subscription => (&connection.subscriptions, 1),
        };
        cell.set(cell.get().saturating_sub(count));
    }
}
