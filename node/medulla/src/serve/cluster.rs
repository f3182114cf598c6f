//! `[cluster]` of the configuration, and how a new node asks to be let in.

use crate::client::remote::Api;
use crate::failure::Failure;
use futures::future::BoxFuture;
use node_app::StoreConfig;
use node_app::cluster::{ClusterConfig, Join, JoinError, Membership, PeerSecurity, TlsFiles};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;

/// The name of the store in a FoundationDB cluster.
const FDB_PREFIX: &str = "medulla";

/// `[cluster]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClusterSection {
    /// Makes a new cluster of this node, unless its data directory is in one.
    pub(crate) form: bool,
    /// Address of a node that lets this one in, unless its data directory is in a cluster.
    pub(crate) join: String,
    /// Address at which other nodes reach this one's entities; empty: the node is in no cluster.
    pub(crate) peer: String,
    /// Address at which other nodes reach this one's Raft log.
    pub(crate) raft: String,
    /// What may fail together with this node.
    pub(crate) zone: String,
    /// Authorities of the cluster's certificates, PEM; with it connections between nodes and to
    /// the store are mutual TLS.
    pub(crate) authorities: String,
    /// This node's certificate and what lies between it and an authority, PEM.
    pub(crate) certificate: String,
    /// The key of the certificate, PEM.
    pub(crate) private_key: String,
    /// Public keys, in hexadecimal, under which audit heads count that nodes signed which this
    /// cluster does not know: `audit-signing.pub` of each node of a cluster that was lost.
    trusted_audit_keys: Vec<String>,
    /// Voters of the control plane to strive for: 1, 3 or 5.
    voters_max: usize,
    /// Whether shards move, split and merge for balance.
    balances: bool,
    /// Milliseconds that a node which ends gives others to take its shards.
    drain_ms: u64,
    /// How long a node's lease stands still before its shards go to others, milliseconds; for who
    /// forms the cluster.
    lease_ms: u64,
    /// After how long a step of a hand-off is helped on, milliseconds; for who forms the cluster.
    step_patience_ms: u64,
}

impl Default for ClusterSection {
    fn default() -> Self {
        let unset = SocketAddr::from(([127, 0, 0, 1], 0));
        let cluster = ClusterConfig::new(Membership::Form, unset, unset);
        Self {
            form: false,
            join: String::new(),
            peer: String::new(),
            raft: String::new(),
            zone: cluster.zone,
            authorities: String::new(),
            certificate: String::new(),
            private_key: String::new(),
            trusted_audit_keys: Vec::new(),
            voters_max: cluster.voters_max,
            balances: cluster.balances,
            drain_ms: cluster.drain_ms,
            lease_ms: cluster.timeouts.lease_ms,
            step_patience_ms: cluster.timeouts.step_patience_ms,
        }
    }
}

impl ClusterSection {
    /// What the node is told; nothing when it is in no cluster.
    pub(crate) fn config(&self) -> Result<Option<ClusterConfig>, Failure> {
        if self.peer.is_empty() && self.raft.is_empty() {
            let is_asked = self.form || !self.join.is_empty();
            let message = "--form and --join need --peer and --raft, the node's own addresses";
            return if is_asked { Err(Failure::usage(message)) } else { Ok(None) };
        }
        if !matches!(self.voters_max, 1 | 3 | 5) {
            return Err(Failure::usage("voters_max is 1, 3 or 5"));
        }
        let membership = match (self.form, &self.join[..]) {
            (true, "") => Membership::Form,
            (false, "") => Membership::Join(Arc::new(Nobody)),
            (false, url) => {
                let api = Api::new(url, Some("node".to_owned()), "HSYSADMIN".to_owned())?;
                Membership::Join(Arc::new(HttpJoin(api)))
            }
            (true, _) => return Err(Failure::usage("either --form or --join, not both")),
        };
        let (peer, raft) = (fixed_address(&self.peer)?, fixed_address(&self.raft)?);
        let mut config = ClusterConfig::new(membership, peer, raft);
        config.zone.clone_from(&self.zone);
        config.security = security([&self.authorities, &self.certificate, &self.private_key])?;
        config.voters_max = self.voters_max;
        config.balances = self.balances;
        config.drain_ms = self.drain_ms;
        config.timeouts.lease_ms = self.lease_ms;
        config.timeouts.step_patience_ms = self.step_patience_ms;
        Ok(Some(config))
    }
}

impl ClusterSection {
    /// The audit keys as bytes.
    pub(crate) fn audit_keys(&self) -> Result<Vec<[u8; 32]>, Failure> {
        let wrong = |key: &String| Failure::usage(format!("not a key of 64 digits: {key}"));
        let read = |key: &String| {
            let digits = |at: usize| u8::from_str_radix(key.get(at..at + 2)?, 16).ok();
            let bytes: Option<Vec<u8>> = (0..64).step_by(2).map(digits).collect();
            bytes.filter(|_| key.len() == 64).and_then(|bytes| bytes.try_into().ok())
        };
        self.trusted_audit_keys.iter().map(|key| read(key).ok_or_else(|| wrong(key))).collect()
    }
}

/// Mutual TLS with the files of authorities, certificate and key; plain text without any.
pub(crate) fn security(files: [&str; 3]) -> Result<PeerSecurity, Failure> {
    if files.iter().all(|file| file.is_empty()) {
        return Ok(PeerSecurity::InsecureDevelopment);
    }
    let read = |file: &str| {
        let wrong = |what: &dyn std::fmt::Display| Failure::usage(format!("{file:?}: {what}"));
        std::fs::read_to_string(file).map_err(|error| wrong(&error.kind()))
    };
    let [authorities, certificate, key] = files;
    Ok(PeerSecurity::MutualTls(TlsFiles {
        authorities_pem: read(authorities)?,
        certificate_chain_pem: read(certificate)?,
        private_key_pem: read(key)?,
    }))
}

/// Others are told these addresses, so they have a port.
fn fixed_address(text: &str) -> Result<SocketAddr, Failure> {
    let address = text.to_socket_addrs().ok().and_then(|mut found| found.next());
    let address = address.ok_or_else(|| Failure::usage(format!("not an address: {text}")))?;
    if address.port() == 0 {
        return Err(Failure::usage(format!("other nodes must know the port: {text}")));
    }
    Ok(address)
}

/// The store that `--store` names.
pub(crate) fn store(text: &str) -> Result<StoreConfig, Failure> {
    match text.strip_prefix("tcp://") {
        Some(address) if !address.is_empty() => {
            Ok(StoreConfig::Remote { address: address.to_owned() })
        }
        None if text.is_empty() || text == "embedded" => Ok(StoreConfig::Embedded),
        None if text == "fdb" => Ok(fdb(None)),
        None if text.starts_with("fdb:/") => Ok(fdb(text.strip_prefix("fdb:").map(PathBuf::from))),
        Some(_) | None => Err(Failure::usage(format!(
            "--store is embedded, tcp://host:port, fdb or fdb:/path/of/cluster.file, not {text}"
        ))),
    }
}

fn fdb(cluster_file: Option<PathBuf>) -> StoreConfig {
    StoreConfig::Fdb { cluster_file, prefix: FDB_PREFIX.to_owned() }
}

/// Asks a node over its operators' interface.
struct HttpJoin(Api);

impl Join for HttpJoin {
    fn ask(&self, request: Value) -> BoxFuture<'_, Result<Value, JoinError>> {
        Box::pin(async move {
            let answer = self.0.post("/api/v1/nodes".to_owned(), &request).await;
            answer.map_err(|failure| match failure {
                Failure::Failed { code: Some(code), message } => {
                    // A refusal stands; everything else is a matter of time.
                    let may_repeat = code != "MED-CLUS-001" && code != "MED-NODE-013";
                    JoinError { reason: format!("{code}: {message}"), may_repeat }
                }
                other @ (Failure::Usage { .. } | Failure::Failed { .. } | Failure::Checked) => {
                    let reason = other.line().unwrap_or_default();
                    JoinError { reason, may_repeat: true }
                }
            })
        })
    }
}

/// For a data directory that is in a cluster already.
struct Nobody;

impl Join for Nobody {
    fn ask(&self, _request: Value) -> BoxFuture<'_, Result<Value, JoinError>> {
        let reason = "the data directory is in no cluster: --form or --join URL".to_owned();
        Box::pin(async move { Err(JoinError { reason, may_repeat: false }) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(form: bool, join: &str, peer: &str) -> ClusterSection {
        let (join, peer) = (join.to_owned(), peer.to_owned());
        ClusterSection { form, join, raft: peer.clone(), peer, ..ClusterSection::default() }
    }

    #[test]
    fn a_cluster_needs_addresses_that_others_can_know() {
        let peer = "127.0.0.1:7001";
        assert!(section(false, "", "").config().unwrap().is_none());
        assert!(section(true, "", peer).config().unwrap().is_some());
        assert!(section(false, "http://127.0.0.1:1", peer).config().unwrap().is_some());
        assert!(section(false, "", peer).config().unwrap().is_some(), "a node that is in one");
        let wrong = [
            section(true, "", ""),
            section(true, "http://127.0.0.1:1", peer),
            section(true, "", "127.0.0.1:0"),
            section(true, "", "nowhere"),
            section(false, "ftp://x", peer),
            ClusterSection { voters_max: 2, ..section(true, "", peer) },
        ];
        for section in wrong {
            assert!(section.config().is_err(), "{section:?}");
        }
    }

    #[test]
    fn audit_keys_are_64_digits() {
        let section = |key: &str| ClusterSection {
            trusted_audit_keys: vec![key.to_owned()],
            ..ClusterSection::default()
        };
        assert_eq!(section(&"0a".repeat(32)).audit_keys().unwrap(), [[10; 32]]);
        for key in ["", "0a", &"0g".repeat(32), &"é".repeat(32)] {
            assert!(section(key).audit_keys().is_err(), "{key}");
        }
    }

    #[test]
    fn a_store_is_embedded_or_served() {
        assert_eq!(store("").unwrap(), StoreConfig::Embedded);
        let address = "127.0.0.1:7400".to_owned();
        assert_eq!(store("tcp://127.0.0.1:7400").unwrap(), StoreConfig::Remote { address });
        assert_eq!(store("fdb").unwrap(), fdb(None));
        let file = Some(PathBuf::from("/etc/f.cluster"));
        assert_eq!(store("fdb:/etc/f.cluster").unwrap(), fdb(file));
        for text in ["tcp://", "fdb:", "127.0.0.1:1", "http://127.0.0.1:1"] {
            assert!(store(text).is_err(), "{text}");
        }
    }
}
