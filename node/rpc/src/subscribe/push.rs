//! Pushing with bounded unacknowledged items (LIM-1): the return of a push is its acknowledgement.
//! Who acknowledges too slowly is told and cut; a revoked or expired capability ends its
//! subscriptions too.

use crate::access::{Access, Need};
use crate::connection::{Connection, Place};
use crate::failure::Failure;
use crate::limits::{FAREWELL_MS, PUSHES_UNACKNOWLEDGED_MAX};
use crate::service::Counters;
use capnp::capability::Promise;
use schema_types::error_code::ErrorCode;
use schema_wire::rpc_capnp as wire;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;

/// How often a quiet subscription looks whether its capability still holds.
const CHECK_MS: u64 = 1_000;

/// Where items come from and how they are written.
pub(crate) trait Source: 'static {
    type Item: 'static;
    type Subscriber: Clone + 'static;

    /// The next items, none when only the position moved. Durable facts only (ACK-1). Not to be
    /// called again after it was dropped half-way.
    async fn next(&mut self) -> Result<Vec<Self::Item>, Failure>;

    /// Where everything given out by `next` lies behind.
    fn position(&self) -> Vec<u8>;

    /// Sends items at once; the promise is kept when they are acknowledged.
    fn push(
        subscriber: &Self::Subscriber,
        items: &[Self::Item],
        position: &[u8],
    ) -> Promise<(), capnp::Error>;

    /// Says why nothing more comes.
    async fn end(subscriber: &Self::Subscriber, failure: &Failure);
}

/// A push that is on its way.
struct Pushed {
    position: Vec<u8>,
    is_acknowledged: bool,
}

/// What the pushing side and the subscription's handle share.
struct Window {
    connection: Rc<Connection>,
    /// Oldest first; the number of the first is `first`.
    pushed: RefCell<VecDeque<Pushed>>,
    first: Cell<u64>,
    acknowledged: RefCell<Vec<u8>>,
    /// Why nothing more can be pushed.
    broken: RefCell<Option<Option<Failure>>>,
    changed: Notify,
    cancelled: Notify,
}

impl Window {
    fn acknowledge(&self, number: u64) {
        let mut pushed = self.pushed.borrow_mut();
        let place = usize::try_from(number - self.first.get()).unwrap_or(usize::MAX);
        if let Some(one) = pushed.get_mut(place) {
            one.is_acknowledged = true;
        }
        while pushed.front().is_some_and(|one| one.is_acknowledged) {
            if let Some(one) = pushed.pop_front() {
                self.first.set(self.first.get() + 1);
                self.acknowledged.replace(one.position);
            }
        }
        drop(pushed);
        self.connection.touch();
        self.changed.notify_one();
    }

    fn break_off(&self, reason: Option<Failure>) {
        self.broken.borrow_mut().get_or_insert(reason);
        self.changed.notify_one();
    }

    /// Waits until another push may be sent.
    async fn room(&self) -> Result<(), Option<Failure>> {
        loop {
            if let Some(reason) = self.broken.borrow().clone() {
                return Err(reason);
            }
            if self.pushed.borrow().len() < PUSHES_UNACKNOWLEDGED_MAX {
                return Ok(());
            }
            self.changed.notified().await;
        }
    }

    /// Waits until nothing can be pushed any more.
    async fn broken(&self) -> Option<Failure> {
        loop {
            if let Some(reason) = self.broken.borrow().clone() {
                return reason;
            }
            self.changed.notified().await;
        }
    }
}

/// Starts a subscription and gives its handle.
pub(crate) fn start<S: Source>(
    place: Place,
    (access, need): (Access, Need),
    source: S,
    subscriber: S::Subscriber,
) -> wire::subscription::Client {
    let window = Rc::new(Window {
        connection: Rc::clone(place.connection()),
        pushed: RefCell::default(),
        first: Cell::new(0),
        acknowledged: RefCell::new(source.position()),
        broken: RefCell::new(None),
        changed: Notify::new(),
        cancelled: Notify::new(),
    });
    let server = SubscriptionServer { window: Rc::clone(&window) };
    tokio::task::spawn_local(async move {
        let _place = place;
        let work = run(&window, (access, need), source, &subscriber);
        let reason = tokio::select! {
            () = window.cancelled.notified() => None,
            reason = work => reason,
        };
        if let Some(failure) = reason {
            let farewell = Duration::from_millis(FAREWELL_MS);
            drop(tokio::time::timeout(farewell, S::end(&subscriber, &failure)).await);
        }
    });
    capnp_rpc::new_client(server)
}

/// Pushes until there is a reason not to; no reason: the subscriber is gone.
async fn run<S: Source>(
    window: &Rc<Window>,
    (access, need): (Access, Need),
    mut source: S,
    subscriber: &S::Subscriber,
) -> Option<Failure> {
    let service = std::sync::Arc::clone(&window.connection.service);
    loop {
        if let Err(failure) = access.check(need) {
            return Some(failure);
        }
        if let Err(reason) = window.room().await {
            return reason;
        }
        let next = {
            let mut next = std::pin::pin!(service.inside(source.next()));
            loop {
                tokio::select! {
                    next = &mut next => break next,
                    reason = window.broken() => return reason,
                    () = tokio::time::sleep(Duration::from_millis(CHECK_MS)) => {
                        if let Err(failure) = access.check(need) {
                            return Some(failure);
                        }
                    }
                }
            }
        };
        match next {
            Ok(items) if items.is_empty() => {
                if window.pushed.borrow().is_empty() {
                    window.acknowledged.replace(source.position());
                }
                tokio::task::yield_now().await;
            }
            Ok(items) => push::<S>(window, subscriber, &items, source.position()),
            // Items read and not pushed would be lost to a second try from this source.
            Err(failure) => return Some(failure),
        }
    }
}

fn push<S: Source>(
    window: &Rc<Window>,
    subscriber: &S::Subscriber,
    items: &[S::Item],
    position: Vec<u8>,
) {
    let sent = S::push(subscriber, items, &position);
    let number = {
        let mut pushed = window.pushed.borrow_mut();
        pushed.push_back(Pushed { position, is_acknowledged: false });
        window.first.get() + u64::try_from(pushed.len()).unwrap_or(1) - 1
    };
    let window = Rc::clone(window);
    let service = std::sync::Arc::clone(&window.connection.service);
    Counters::add(&service.counters.pushes);
    tokio::task::spawn_local(async move {
        let limit = Duration::from_millis(service.limits.subscriber_stall_ms_max);
        match tokio::time::timeout(limit, sent).await {
            Ok(Ok(())) => window.acknowledge(number),
            // It refused, or the connection is gone.
            Ok(Err(_)) => window.break_off(None),
            Err(_) => {
                Counters::add(&service.counters.slow_subscribers);
                let reason = "the subscriber did not acknowledge in time";
                window.break_off(Some(Failure::new(ErrorCode::SubscriberSlow, reason)));
            }
        }
    });
}

/// The handle that a subscriber holds; dropping it cancels.
struct SubscriptionServer {
    window: Rc<Window>,
}

impl wire::subscription::Server for SubscriptionServer {
    async fn position(
        self: Rc<Self>,
        _: wire::subscription::PositionParams,
        mut results: wire::subscription::PositionResults,
    ) -> Result<(), capnp::Error> {
        results.get().set_position(&self.window.acknowledged.borrow());
        Ok(())
    }

    async fn cancel(
        self: Rc<Self>,
        _: wire::subscription::CancelParams,
        _: wire::subscription::CancelResults,
    ) -> Result<(), capnp::Error> {
        self.window.cancelled.notify_one();
        Ok(())
    }
}

impl Drop for SubscriptionServer {
    fn drop(&mut self) {
        self.window.cancelled.notify_one();
    }
}
