//! A load of observations of any size: a window of items in flight, and the return of `push` as
//! flow control. Items that find no room are tried again here, so that a load slows down instead
//! of failing.

use crate::access::{Access, Need};
use crate::connection::{Connection, Place};
use crate::failure::Failure;
use crate::limits::{BATCH_ITEMS_MAX, RETRY_AFTER_MS, STREAM_FAILURES_MAX, STREAM_ITEMS_MAX};
use crate::observe::{self, Done};
use crate::session::key;
use crate::show;
use schema_types::error_code::ErrorCode;
use schema_types::ids::EntityId;
use schema_wire::rpc_capnp::observation_stream;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Tries of an item that finds no room.
const TRIES_MAX: u32 = 100;

/// What became of the items so far.
#[derive(Default)]
struct Tally {
    recorded: u64,
    repeated: u64,
    failed: u64,
    failures: Vec<(u64, Failure)>,
}

impl Tally {
    fn add(&mut self, index: u64, result: Result<Done, Failure>) {
        match result {
            Ok(done) if done.is_repeat() => self.repeated += 1,
            Ok(_) => self.recorded += 1,
            Err(failure) => {
                self.failed += 1;
                if self.failures.len() < STREAM_FAILURES_MAX {
                    self.failures.push((index, failure));
                }
            }
        }
    }
}

/// One load.
pub(crate) struct StreamServer {
    connection: Rc<Connection>,
    access: Access,
    window: Arc<Semaphore>,
    pushed: Cell<u64>,
    is_finished: Cell<bool>,
    tally: Rc<RefCell<Tally>>,
    _place: Place,
}

impl StreamServer {
    pub(crate) fn new(connection: &Rc<Connection>, access: Access) -> Result<Self, Failure> {
        Ok(Self {
            connection: Rc::clone(connection),
            access,
            window: Arc::new(Semaphore::new(STREAM_ITEMS_MAX)),
            pushed: Cell::new(0),
            is_finished: Cell::new(false),
            tally: Rc::default(),
            _place: connection.capability()?,
        })
    }

    fn next_index(&self) -> u64 {
        let index = self.pushed.get();
        self.pushed.set(index + 1);
        index
    }
}

/// Submits an item, again and again while there is no room.
async fn settle(
    connection: &Connection,
    access: &Access,
    (patient, taken): (EntityId, Result<observe::Taken, Failure>),
) -> Result<Done, Failure> {
    let service = &connection.service;
    let mut tries = 0;
    loop {
        tries += 1;
        let one = observe::observe(service, access, (patient.clone(), taken.clone()));
        match Box::pin(service.within(0, one)).await {
            Err(failure) if failure.code == ErrorCode::Overloaded && tries < TRIES_MAX => {
                let wait = Duration::from_millis(failure.retry_after_ms.max(RETRY_AFTER_MS));
                tokio::time::sleep(wait).await;
            }
            result => return result,
        }
    }
}

impl observation_stream::Server for StreamServer {
    async fn push(
        self: Rc<Self>,
        params: observation_stream::PushParams,
        _: observation_stream::PushResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.connection.begin(&self.access, Need::Write).await?;
        let items = params.get()?.get_items()?;
        if self.is_finished.get() {
            return Err(Failure::bad_request("the stream is finished").into());
        }
        if usize::try_from(items.len()).unwrap_or(usize::MAX) > BATCH_ITEMS_MAX {
            return Err(Failure::bad_request("a push has at most 1024 items").into());
        }
        let service = &self.connection.service;
        for item in items {
            let index = self.next_index();
            let patient = match key(item.get_patient()) {
                Ok(key) => service.gateway.patient(key),
                Err(failure) => {
                    self.tally.borrow_mut().add(index, Err(failure));
                    continue;
                }
            };
            let command_id = item.get_command_id()?.to_str().map_err(Failure::from)?;
            let stated = (item.get_observation()?, command_id);
            let taken = observe::take(service, &self.access, &patient, stated);
            let window = Arc::clone(&self.window);
            let permit = window.acquire_owned().await.map_err(|_| Failure::deadline())?;
            let (connection, access) = (Rc::clone(&self.connection), self.access.clone());
            let tally = Rc::clone(&self.tally);
            tokio::task::spawn_local(async move {
                let result = settle(&connection, &access, (patient, taken)).await;
                tally.borrow_mut().add(index, result);
                drop(permit);
            });
        }
        Ok(())
    }

    async fn finish(
        self: Rc<Self>,
        _: observation_stream::FinishParams,
        mut results: observation_stream::FinishResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.connection.begin(&self.access, Need::Life).await?;
        self.is_finished.set(true);
        let all = u32::try_from(STREAM_ITEMS_MAX).unwrap_or(u32::MAX);
        let settled = self.window.acquire_many(all).await;
        settled.map_err(|_| Failure::deadline())?.forget();
        let tally = self.tally.borrow();
        let mut summary = results.get().init_summary();
        summary.set_recorded(tally.recorded);
        summary.set_repeated(tally.repeated);
        summary.set_failed(tally.failed);
        let mut list = summary.init_failures(show::count(tally.failures.len()));
        for (place, (index, failure)) in (0..).zip(&tally.failures) {
            let mut shown = list.reborrow().get(place);
            shown.set_index(*index);
            failure.write(shown.init_failure());
        }
        Ok(())
    }
}
