//! `medulla serve`: runs a node until it is asked to stop or its store fails.

mod cluster;
mod config;
mod telemetry;

use crate::environment;
use crate::failure::Failure;
use crate::screen::Screen;
pub(crate) use cluster::{security, store};
use config::ServeConfig;
use node_app::{Node, NodeConfig, assemble};
use schema_types::error_code::ErrorCode;
use std::net::ToSocketAddrs;
use std::path::PathBuf;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Run a node
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  medulla serve --insecure-dev --data ./medulla-data\n  \
    medulla serve --config medulla.toml --dump-config\n  \
    medulla serve --insecure-dev --store tcp://127.0.0.1:7400 --name a --form \\\n    \
    --peer 127.0.0.1:7101 --raft 127.0.0.1:7201")]
pub(crate) struct ServeArguments {
    /// Configuration file (TOML); options given here stand above it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data directory; created when missing [default: ./medulla-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address for HL7 v2 over MLLP; port 0 takes a free one [default: 127.0.0.1:2575]
    #[arg(long, value_name = "ADDR")]
    mllp: Option<String>,
    /// Address for HTTP; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Address for Cap'n Proto RPC; port 0 takes a free one [default: no RPC]
    #[arg(long, value_name = "ADDR")]
    rpc: Option<String>,
    /// Where the data are: `embedded` in the data directory, `tcp://host:port` of `medulla store`,
    /// `fdb` or `fdb:/path/of/cluster.file` [default: embedded]
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// The node's name, unique in its cluster [default: node-1]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Address at which other nodes reach this one's entities; with it the node is in a cluster
    #[arg(long, value_name = "ADDR")]
    peer: Option<String>,
    /// Address at which other nodes reach this one's Raft log
    #[arg(long, value_name = "ADDR")]
    raft: Option<String>,
    /// What may fail together with this node: a rack, a room, a site
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// Make a new cluster of this node, unless its data directory is in one
    #[arg(long)]
    form: bool,
    /// Ask this node's HTTP address to be let into its cluster, unless the data directory is in one
    #[arg(long, value_name = "URL")]
    join: Option<String>,
    /// Address of an OpenTelemetry collector (OTLP over HTTP) for traces of requests, without
    /// patient data, for example http://127.0.0.1:4318 [default: no traces]
    #[arg(long, value_name = "URL")]
    otlp: Option<String>,
    /// Of a million requests so many are traced [default: 10000]
    #[arg(long, value_name = "N")]
    traces_per_million: Option<u32>,
    /// Plain text without authentication, on loopback addresses only; never with real patients
    #[arg(long)]
    insecure_dev: bool,
    /// Print the configuration that results, and end
    #[arg(long)]
    dump_config: bool,
}

impl ServeArguments {
    fn config(self) -> Result<ServeConfig, Failure> {
        let mut config = match &self.config {
            Some(path) => ServeConfig::read(path)?,
            None => ServeConfig::default(),
        };
        config.data = self.data.unwrap_or(config.data);
        config.mllp = self.mllp.unwrap_or(config.mllp);
        config.http = self.http.unwrap_or(config.http);
        config.rpc = self.rpc.unwrap_or(config.rpc);
        config.store = self.store.unwrap_or(config.store);
        config.runtime.node = self.name.unwrap_or(config.runtime.node);
        config.cluster.peer = self.peer.unwrap_or(config.cluster.peer);
        config.cluster.raft = self.raft.unwrap_or(config.cluster.raft);
        config.cluster.zone = self.zone.unwrap_or(config.cluster.zone);
        config.cluster.form |= self.form;
        config.cluster.join = self.join.unwrap_or(config.cluster.join);
        config.telemetry.otlp = self.otlp.unwrap_or(config.telemetry.otlp);
        if let Some(traces_per_million) = self.traces_per_million {
            config.telemetry.traces_per_million = traces_per_million;
        }
        config.insecure_dev |= self.insecure_dev;
        Ok(config)
    }

    /// The configuration of a node that is not run now.
    pub(crate) fn node(self) -> Result<NodeConfig, Failure> {
        let config = self.config()?;
        check_transport(&config)?;
        config.node()
    }
}

/// Runs the command.
pub(crate) async fn run(arguments: ServeArguments, screen: Screen) -> Result<(), Failure> {
    let dump = arguments.dump_config;
    let config = arguments.config()?;
    if dump {
        crate::screen::output(config.render()?.trim_end());
        return Ok(());
    }
    check_transport(&config)?;
    screen.note(
        "warning: --insecure-dev: no TLS and no authentication; whoever reaches these loopback \
         addresses reads and writes everything",
    );
    let mut interrupts = Interrupts::new()?;
    let outside = environment::real();
    let (tracer, telemetry) = config.telemetry.start(&outside, &config.runtime.node)?;
    let node = NodeConfig { tracer, ..config.node()? };
    // A node may wait for long to be let into its cluster.
    let node = tokio::select! {
        node = Box::pin(assemble(outside, node)) => node?,
        () = interrupts.wait() => return Err(Failure::failed("interrupted")),
    };
    crate::screen::output(&format!("listening {}", addresses(&node)));
    let failed = tokio::select! {
        reason = node.failed() => Some(reason),
        () = interrupts.wait() => None,
    };
    let is_drained = node.stop().await;
    if let Some(telemetry) = telemetry {
        telemetry.finish().await;
    }
    if !is_drained {
        tracing::warn!("work in flight was not finished in time");
    }
    match failed {
        None => Ok(()),
        Some(message) => {
            let code = Some(ErrorCode::StoreStopped.as_str().to_owned());
            Err(Failure::Failed { code, message: format!("the node had to end: {message}") })
        }
    }
}

/// Where a node listens, in the form that programs read.
pub(crate) fn addresses(node: &Node) -> String {
    let named =
        [("mllp", node.mllp_address()), ("http", node.http_address()), ("rpc", node.rpc_address())];
    let shown = named.iter().filter_map(|(name, address)| Some(format!("{name}={}", (*address)?)));
    shown.collect::<Vec<_>>().join(" ")
}

/// Plain text is for development on one machine only.
fn check_transport(config: &ServeConfig) -> Result<(), Failure> {
    let code = Some(ErrorCode::TransportSecurityRequired);
    if !config.insecure_dev {
        let message = "TLS and authentication are required and come with the security work; until \
                       then a node serves only with --insecure-dev, on loopback"
            .to_owned();
        return Err(Failure::Usage { code, message });
    }
    let rpc = (!config.rpc.is_empty()).then_some(&config.rpc);
    let cluster = [&config.cluster.peer, &config.cluster.raft];
    let cluster = cluster.into_iter().filter(|address| !address.is_empty());
    for address in [&config.mllp, &config.http].into_iter().chain(rpc).chain(cluster) {
        let resolved = address.to_socket_addrs();
        let mut resolved =
            resolved.map_err(|_| Failure::usage(format!("not an address: {address}")))?;
        if !resolved.all(|address| address.ip().is_loopback()) {
            let message = format!("--insecure-dev listens on loopback only, not on {address}");
            return Err(Failure::Usage { code, message });
        }
    }
    Ok(())
}

/// The signals that ask a process to stop.
pub(crate) struct Interrupts {
    terminate: Signal,
    interrupt: Signal,
}

impl Interrupts {
    pub(crate) fn new() -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::failed(format!("signals: {error}"));
        let terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        Ok(Self { terminate, interrupt })
    }

    /// Waits for SIGTERM or SIGINT.
    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(insecure_dev: bool, mllp: &str, http: &str) -> Option<Option<ErrorCode>> {
        let config = ServeConfig {
            insecure_dev,
            mllp: mllp.to_owned(),
            http: http.to_owned(),
            ..ServeConfig::default()
        };
        match check_transport(&config) {
            Ok(()) => None,
            Err(Failure::Usage { code, .. }) => Some(code),
            Err(other) => panic!("not a usage error: {other:?}"),
        }
    }

    #[test]
    fn plain_text_needs_the_flag_and_loopback() {
        let required = Some(Some(ErrorCode::TransportSecurityRequired));
        assert_eq!(checked(true, "127.0.0.1:0", "[::1]:0"), None);
        assert_eq!(checked(false, "127.0.0.1:0", "127.0.0.1:0"), required);
        assert_eq!(checked(true, "0.0.0.0:0", "127.0.0.1:0"), required);
        assert_eq!(checked(true, "127.0.0.1:0", "192.0.2.1:80"), required);
        assert_eq!(checked(true, "127.0.0.1", "127.0.0.1:0"), Some(None));
        let config = ServeConfig {
            insecure_dev: true,
            rpc: "0.0.0.0:0".to_owned(),
            ..ServeConfig::default()
        };
        assert!(check_transport(&config).is_err(), "RPC on loopback only, too");
    }
}
