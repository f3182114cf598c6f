//! `medulla store`: serves the embedded store to several nodes, for a development cluster without
//! FoundationDB.

use crate::environment;
use crate::failure::Failure;
use crate::screen::{Screen, output};
use crate::serve::{Interrupts, security};
use node_app::offline::STORE_FOLDER;
use node_rpc::peer::PeerStartError;
use node_rpc::secured::{SecuredConfig, StoreAcceptor};
use node_store_embedded::{EmbeddedStore, Environment, OpenError, Options};
use node_store_remote::{RemoteServer, ServedStore, ServerConfig};
use schema_types::error_code::ErrorCode;
use std::io::ErrorKind;
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
    /// Authorities of the cluster's certificates, PEM; with it nodes connect by mutual TLS
    #[arg(long, value_name = "FILE", requires = "certificate", default_value = "")]
    authorities: String,
    /// Certificate for the name medulla-store and what lies between it and an authority, PEM
    #[arg(long, value_name = "FILE", requires = "private_key", default_value = "")]
    certificate: String,
    /// The key of the certificate, PEM
    #[arg(long, value_name = "FILE", requires = "authorities", default_value = "")]
    private_key: String,
}

/// Runs the command.
pub(crate) async fn run(arguments: StoreArguments, screen: Screen) -> Result<(), Failure> {
    let files = [&arguments.authorities, &arguments.certificate, &arguments.private_key];
    let security = security(files.map(|file| &file[..]))?;
    let mut interrupts = Interrupts::new()?;
    let store = open(&arguments.data)?;
    let served = ServedStore::new(Arc::clone(&store) as Arc<dyn actors_store::Store>);
    let address = arguments.listen.to_socket_addrs().ok().and_then(|mut found| found.next());
    let address =
        address.ok_or_else(|| Failure::usage(format!("not an address: {}", arguments.listen)))?;
    let real = environment::real();
    let secured = SecuredConfig::new(security, (real.clock, real.network));
    let acceptor = StoreAcceptor::bind(address, secured).await.map_err(not_listening)?;
    screen.note(
        "warning: one process, one disk: when this store ends, the cluster stands still; for \
         development only",
    );
    output(&format!("listening store={}", acceptor.local_address()));
    let server = RemoteServer::start(Arc::clone(&served), acceptor, ServerConfig::default());
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

fn not_listening(error: PeerStartError) -> Failure {
    let code = match &error {
        PeerStartError::NotLoopback(_) => Some(ErrorCode::TransportSecurityRequired),
        PeerStartError::Listen { source, .. } if source.kind() == ErrorKind::AddrInUse => {
            Some(ErrorCode::AddressInUse)
        }
        PeerStartError::Listen { .. }
        | PeerStartError::Config(_)
        | PeerStartError::Certificates(_)
        | PeerStartError::Gateway(_) => None,
    };
    let code = code.map(|code| code.as_str().to_owned());
    Failure::Failed { code, message: error.to_string() }
}
