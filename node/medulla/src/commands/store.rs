//! `medulla store`: serves the embedded store to several nodes, for a development cluster without
//! FoundationDB.

use crate::environment;
use crate::failure::Failure;
use crate::screen::{Screen, output};
use crate::serve::Interrupts;
use node_store_embedded::{EmbeddedStore, Environment, OpenError, Options};
use node_store_remote::{RemoteServer, ServedStore, ServerConfig};
use schema_types::error_code::ErrorCode;
use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::sync::Arc;

/// Serve one embedded store to several nodes, for development; it is not highly available
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Example:\n  medulla store --data ./shared-store --listen 127.0.0.1:7400\n  \
    medulla serve --insecure-dev --store tcp://127.0.0.1:7400 --form \\\n    \
    --peer 127.0.0.1:7101 --raft 127.0.0.1:7201"
)]
pub(crate) struct StoreArguments {
    /// Data directory; created when missing
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Address for nodes; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7400")]
    listen: String,
}

/// The folder of the store within the data directory, as a node with a store of its own has it,
/// so that offline checks find it.
use node_app::offline::STORE_FOLDER;

/// Runs the command.
pub(crate) async fn run(arguments: StoreArguments, screen: Screen) -> Result<(), Failure> {
    check_loopback(&arguments.listen)?;
    let mut interrupts = Interrupts::new()?;
    let store = open(&arguments.data)?;
    let served = ServedStore::new(Arc::clone(&store) as Arc<dyn actors_store::Store>);
    let listening =
        RemoteServer::listen(Arc::clone(&served), &arguments.listen, ServerConfig::default());
    let server = listening.await.map_err(|error| Failure::Failed {
        code: (error.kind() == std::io::ErrorKind::AddrInUse)
            .then(|| ErrorCode::AddressInUse.as_str().to_owned()),
        message: format!("{}: {error}", arguments.listen),
    })?;
    screen.note(
        "warning: one process, one disk, no TLS: when this store ends, the cluster stands still; \
         for development only",
    );
    let address = server.local_address().map(|address| address.to_string());
    output(&format!("listening store={}", address.unwrap_or_default()));
    let stopped = tokio::select! {
        reason = served.until_stopped() => Some(reason),
        () = interrupts.wait() => None,
    };
    if !server.shut_down().await {
        tracing::warn!("not every session ended in time");
    }
    store.close();
    match stopped {
        None => Ok(()),
        Some(message) => {
            let code = Some(ErrorCode::StoreStopped.as_str().to_owned());
            Err(Failure::Failed { code, message: format!("the store stopped: {message}") })
        }
    }
}

fn open(data: &std::path::Path) -> Result<Arc<EmbeddedStore>, Failure> {
    let real = environment::real();
    let failed = |error: OpenError| Failure::from(node_app::NodeError::from(error));
    real.disk.create_dir(data).map_err(|error| Failure::from(node_app::NodeError::from(error)))?;
    let outside = Environment {
        disk: real.disk,
        clock: real.clock,
        rng: real.rng,
        execution: real.execution,
    };
    let options = Options::new(data.join(STORE_FOLDER));
    Ok(Arc::new(EmbeddedStore::open(outside, &options).map_err(failed)?))
}

/// Whoever reaches the address reads and writes everything.
fn check_loopback(address: &str) -> Result<(), Failure> {
    let found = address.to_socket_addrs();
    let mut found = found.map_err(|_| Failure::usage(format!("not an address: {address}")))?;
    if found.all(|address| address.ip().is_loopback()) {
        return Ok(());
    }
    let message = format!("the store is plain text and listens on loopback only, not on {address}");
    Err(Failure::Usage { code: Some(ErrorCode::TransportSecurityRequired), message })
}
