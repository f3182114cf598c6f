//! The client library of the process: found, asked for its version, and its network thread started
//! once and stopped once. The one place with unsafe code.

use std::sync::{Mutex, MutexGuard, PoisonError};

use foundationdb::api::{FdbApiBuilder, NetworkAutoStop, NetworkBuilder, get_max_api_version};
use foundationdb::options::NetworkOption;

use crate::config::FdbConfig;
use crate::error::FdbError;

/// API version that is asked for.
const API_VERSION: i32 = 730;
/// Release of the client library with that API version.
const RELEASE: &str = "7.3";
/// What the stand-in for the library says when there is none; see `shim/fdb_c.c`.
const NO_LIBRARY: i32 = 29_999;

enum Network {
    NotStarted,
    Running(NetworkAutoStop),
    Failed(FdbError),
    Stopped,
}

static NETWORK: Mutex<Network> = Mutex::new(Network::NotStarted);

fn network() -> MutexGuard<'static, Network> {
    NETWORK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the network thread unless it runs.
pub(crate) fn start(config: &FdbConfig) -> Result<(), FdbError> {
    let mut network = network();
    match &*network {
        Network::Running(_) => return Ok(()),
        Network::Stopped => return Err(FdbError::NetworkStopped),
        // The API version can be chosen once in a process.
        Network::Failed(error) => return Err(error.clone()),
        Network::NotStarted => {}
    }
    check_library()?;
    match build(config).and_then(boot) {
        Ok(running) => {
            *network = Network::Running(running);
            Ok(())
        }
        Err(error) => {
            *network = Network::Failed(error.clone());
            Err(error)
        }
    }
}

/// Stops the client's network thread and waits for its end. Call it after the stores were closed,
/// before the process ends; no store can be opened afterwards. A process that ends without it stops
/// the thread on its way out.
pub fn stop_network() {
    let mut network = network();
    if let Network::Running(running) = std::mem::replace(&mut *network, Network::Stopped) {
        drop(running);
    }
}

/// Asks for nothing that a missing library could not answer, so it can be repeated.
fn check_library() -> Result<(), FdbError> {
    match get_max_api_version() {
        0 => Err(FdbError::ClientLibraryMissing {
            reason: foundationdb::FdbError::from_code(NO_LIBRARY).message().to_owned(),
            release: RELEASE,
        }),
        found if found < API_VERSION => {
            Err(FdbError::ClientLibraryTooOld { found, needed: API_VERSION })
        }
        _newer => Ok(()),
    }
}

fn build(config: &FdbConfig) -> Result<NetworkBuilder, FdbError> {
    let mut builder = FdbApiBuilder::default().build().map_err(refused)?;
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let mut options = Vec::new();
    if let Some(folder) = &config.trace_directory {
        options.push(NetworkOption::TraceEnable(text(folder)));
    }
    if config.client_threads > 1
        && let Some(library) = &config.client_library
    {
        let threads = i32::try_from(config.client_threads).unwrap_or(i32::MAX);
        options.push(NetworkOption::ExternalClientLibrary(text(library)));
        options.push(NetworkOption::ClientThreadsPerVersion(threads));
    }
    for option in options {
        builder = builder.set_option(option).map_err(refused)?;
    }
    Ok(builder)
}

#[expect(unsafe_code, reason = "the binding has no safe way to start the network thread")]
fn boot(builder: NetworkBuilder) -> Result<NetworkAutoStop, FdbError> {
    // SAFETY: the network must be stopped before the process ends. The guard is kept in a static
    // and dropped by `stop_network`; if nobody calls that, the exit handler of the stand-in
    // library (`at_exit` in shim/fdb_c.c) stops the network and waits for its thread.
    let running = unsafe { builder.boot() };
    running.map_err(refused)
}

fn refused(error: foundationdb::FdbError) -> FdbError {
    FdbError::Client { reason: format!("{} ({})", error.message(), error.code()) }
}
