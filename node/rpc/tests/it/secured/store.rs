//! The development store over mutual TLS.

use super::{Authority, config, counted, plaintext, soon};
use crate::peer::strangers::{closed, shake_hands_as};
use actors_store::{CommitRequest, MemoryStore, Mutation, Store};
use node_env::fake::ManualClock;
use node_env::real::RealRng;
use node_rpc::peer::{PeerId, PeerStartError, TlsFiles};
use node_rpc::secured::{SecuredConfig, StoreAcceptor, StoreConnector};
use node_store_remote::{
    ClientConfig, ClientId, ClientIdentity, RemoteServer, RemoteStore, ServedStore, ServerConfig,
};
use std::net::SocketAddr;
use std::sync::Arc;

fn local() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn store_files(authority: &Authority) -> TlsFiles {
    authority.files_for(&["medulla-store"], 2099)
}

fn client(name: &str) -> ClientConfig {
    let identity = ClientIdentity { client_id: ClientId::from_name(name), incarnation: 1 };
    ClientConfig { first_connect_ms_max: 1_500, ..ClientConfig::new(identity, Arc::new(RealRng)) }
}

struct Serving {
    _server: RemoteServer,
    address: SocketAddr,
    metrics: super::Metrics,
}

async fn serve(config: SecuredConfig) -> Serving {
    let memory = MemoryStore::new(Arc::new(ManualClock::new(0)));
    let acceptor = StoreAcceptor::bind(local(), config).await.unwrap();
    let (address, metrics) = (acceptor.local_address(), acceptor.metrics());
    let served = ServedStore::new(Arc::new(memory));
    let server = RemoteServer::start(served, acceptor, ServerConfig::default());
    Serving { _server: server, address, metrics }
}

fn connector(serving: &Serving, id: u64, config: SecuredConfig) -> Arc<StoreConnector> {
    let address = serving.address.to_string();
    Arc::new(StoreConnector::new(PeerId::new(id), address, config).unwrap())
}

async fn writes_and_reads(connector: Arc<StoreConnector>, name: &str) {
    let store = RemoteStore::start(connector, client(name));
    soon(store.wait_connected()).await.unwrap();
    let key = name.as_bytes().to_vec();
    let request = CommitRequest {
        mutations: vec![Mutation::Set { key: key.clone().into(), value: "here".into() }],
        ..CommitRequest::default()
    };
    soon(store.commit(request)).await.unwrap();
    let snapshot = soon(store.begin()).await.unwrap();
    assert_eq!(soon(snapshot.get(&key)).await.unwrap().unwrap(), "here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_with_certificates_use_the_store() {
    let authority = Authority::new();
    let serving = serve(config(store_files(&authority))).await;
    for (id, name) in [(1, "n1"), (2, "n2")] {
        writes_and_reads(connector(&serving, id, config(authority.files(id))), name).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_development_it_is_plaintext_on_loopback_only() {
    let serving = serve(plaintext()).await;
    writes_and_reads(connector(&serving, 1, plaintext()), "n1").await;
    let everywhere = StoreAcceptor::bind("0.0.0.0:0".parse().unwrap(), plaintext()).await;
    assert!(matches!(everywhere.err(), Some(PeerStartError::NotLoopback(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_the_store_gets_no_client() {
    let (authority, foreign) = (Authority::new(), Authority::new());
    let node = StoreAcceptor::bind(local(), config(authority.files(2))).await.err();
    assert!(matches!(node, Some(PeerStartError::Certificates(_))), "{node:?}");
    let serving = serve(config(store_files(&foreign))).await;
    let store =
        RemoteStore::start(connector(&serving, 1, config(authority.files(1))), client("n1"));
    assert!(soon(store.wait_connected()).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_no_node_of_the_cluster_gets_no_session() {
    let (authority, foreign) = (Authority::new(), Authority::new());
    let serving = serve(config(store_files(&authority))).await;
    let trusted = authority.files(1);
    let cases = [
        (None, "no_certificate"),
        (Some(foreign.files(1)), "foreign_authority"),
        (Some(authority.files_until(1, 2002)), "expired"),
        (Some(store_files(&authority)), "wrong_identity"),
    ];
    for (shown, fault) in cases {
        let certificates = (&trusted, shown.as_ref());
        let target = ("medulla-store", Some("medulla-store/1"));
        if let Ok(mut stream) = shake_hands_as(serving.address, certificates, target).await {
            closed(&mut stream).await;
        }
        counted(&serving.metrics, "store", fault).await;
    }
    writes_and_reads(connector(&serving, 1, config(authority.files(1))), "n1").await;
}
