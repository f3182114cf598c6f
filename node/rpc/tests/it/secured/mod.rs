//! Mutual TLS under Raft and under the development store, over real sockets: who gets in, who does
//! not, and that those keep nobody else out.

mod raft;
mod store;

use crate::peer::world::{Authority, soon, until};
use node_env::real::{RealClock, TcpNetwork};
use node_env::{Clock, Network};
use node_rpc::peer::{PeerSecurity, TlsFiles};
use node_rpc::secured::SecuredConfig;
use std::sync::Arc;

fn config(files: TlsFiles) -> SecuredConfig {
    SecuredConfig::new(PeerSecurity::MutualTls(files), outside())
}

fn plaintext() -> SecuredConfig {
    SecuredConfig::new(PeerSecurity::InsecureDevelopment, outside())
}

fn outside() -> (Arc<dyn Clock>, Arc<dyn Network>) {
    (Arc::new(RealClock::new()), Arc::new(TcpNetwork))
}

type Metrics = Arc<dyn Fn() -> Vec<(String, u64)> + Send + Sync>;

fn count(metrics: &Metrics, name: &str) -> u64 {
    metrics().into_iter().find(|(known, _)| known == name).unwrap().1
}

/// Waits until a network has counted a fault once.
async fn counted(metrics: &Metrics, network: &str, fault: &str) {
    let name = format!("medulla_{network}_fault_{fault}_total");
    until(&name, || count(metrics, &name) == 1).await;
}
