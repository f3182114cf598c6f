//! Read versions, shared: who opens a snapshot while a few read versions are on their way joins the
//! next one. Never one that has left, which could show too little.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actors_store::ReadError;
use tokio::sync::oneshot;

use crate::client::Purpose;
use crate::code::Code;
use crate::core::{Core, Tries, within};
use crate::limits::{BEGINS_WAITING_MAX, READ_VERSIONS_IN_FLIGHT_MAX};

type Answer = Result<i64, ReadError>;

/// See the module.
pub(crate) struct Versions {
    core: Arc<Core>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    in_flight: usize,
    waiting: Vec<oneshot::Sender<Answer>>,
}

impl Versions {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A version that shows every commit acknowledged before this call.
    pub(crate) async fn take(self: &Arc<Self>) -> Answer {
        let (reply, answer) = oneshot::channel();
        {
            let mut state = self.state();
            if state.waiting.len() >= BEGINS_WAITING_MAX {
                let reason = "too many snapshots are being opened".to_owned();
                return Err(ReadError::Failed { reason });
            }
            state.waiting.push(reply);
            self.send(&mut state);
        }
        let lost = || ReadError::Failed { reason: "the store is being shut down".to_owned() };
        answer.await.unwrap_or_else(|_| Err(lost()))
    }

    fn send(self: &Arc<Self>, state: &mut State) {
        if state.in_flight >= READ_VERSIONS_IN_FLIGHT_MAX || state.waiting.is_empty() {
            return;
        }
        state.in_flight += 1;
        let waiting = std::mem::take(&mut state.waiting);
        let versions = Arc::clone(self);
        drop(self.core.runtime.spawn(async move {
            let answer = ask(&versions.core).await;
            for reply in waiting {
                // Who asked may be gone.
                let _is_heard = reply.send(answer.clone()).is_ok();
            }
            let mut state = versions.state();
            state.in_flight = state.in_flight.saturating_sub(1);
            versions.send(&mut state);
        }));
    }
}

async fn ask(core: &Core) -> Answer {
    let mut tries = Tries::within_ms(core.config.read_ms_max);
    loop {
        match ask_once(core).await {
            Ok(version) => return Ok(version),
            Err(code) if code.is_read_retryable() && tries.again(core).await => {}
            Err(code) => return Err(ReadError::Failed { reason: code.to_string() }),
        }
    }
}

pub(crate) async fn ask_once(core: &Core) -> Result<i64, Code> {
    core.counters.read_versions.add();
    let transaction = core.transaction(Purpose::Read)?;
    let version = within(core.config.read_ms_max, transaction.read_version()).await?;
    core.heard_of(version);
    Ok(version)
}
