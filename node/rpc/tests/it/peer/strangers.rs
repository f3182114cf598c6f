//! Who is not let in: each is refused, counted by cause, and the node goes on.

use super::world::{Authority, LONG, Node, config, connect, soon, until};
use node_rpc::peer::{PeerFault, PeerId, PeerLimits, PeerState, TlsFiles};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, version};

/// A TLS client that trusts an authority and shows the certificate in `files`, or none.
async fn shake_hands(
    address: SocketAddr,
    trusted: &TlsFiles,
    shown: Option<&TlsFiles>,
) -> std::io::Result<TlsStream<TcpStream>> {
    shake_hands_as(address, (trusted, shown), ("medulla-node-1", Some("medulla-peer/1"))).await
}

/// The same, for a server of this name and a protocol inside TLS.
pub(crate) async fn shake_hands_as(
    address: SocketAddr,
    (trusted, shown): (&TlsFiles, Option<&TlsFiles>),
    (name, protocol): (&'static str, Option<&str>),
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(trusted.authorities_pem.as_bytes()).unwrap();
    roots.add(authority).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let pem = files.certificate_chain_pem.as_bytes();
            let chain = CertificateDer::pem_slice_iter(pem).map(Result::unwrap).collect();
            let key = PrivateKeyDer::from_pem_slice(files.private_key_pem.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = protocol.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// The greeting of a node, as its layout is written down.
fn offer(from: u64, to: u64) -> Vec<u8> {
    let mut body = Vec::new();
    for number in [from, to, 11, 12] {
        body.extend_from_slice(&u64::to_le_bytes(number));
    }
    body.extend_from_slice(&[13; 16]);
    for number in [8_u32, 1 << 20, 1 << 20] {
        body.extend_from_slice(&number.to_le_bytes());
    }
    body.extend_from_slice(b"test");
    let mut bytes = b"MDPR\x01\x00\x01".to_vec();
    bytes.push(u8::try_from(body.len()).unwrap());
    bytes.extend_from_slice(&body);
    bytes
}

/// Node 1, which knows a node 2 that is not there.
async fn lonely(authority: &Authority) -> Node {
    let mut quick = config(1, authority.files(1));
    quick.times.handshake_ms_max = 1_000;
    quick.limits = PeerLimits { handshakes_max: 4, ..quick.limits };
    let node = Node::start(quick).await;
    node.network.set_peers(&[(PeerId::new(2), "127.0.0.1:1".to_owned())].into());
    node
}

/// Waits until the other side has closed.
pub(crate) async fn closed(stream: &mut (impl AsyncReadExt + Unpin)) {
    let mut bytes = [0; 1_024];
    soon(async { while let Ok(1..) = stream.read(&mut bytes).await {} }).await;
}

async fn counted(node: &Node, fault: &str) {
    until(fault, || node.counter(&format!("fault_{fault}")) >= 1).await;
    assert_eq!(node.counter("requests"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_strangers_are_refused() {
    let authority = Authority::new();
    let foreign = Authority::new();
    let trusted = authority.files(1);
    let cases = [
        (None, "no_certificate"),
        (Some(foreign.files(2)), "foreign_authority"),
        (Some(authority.files_until(2, 2002)), "expired"),
        // A node of this cluster that says it is another.
        (Some(authority.files(3)), "wrong_identity"),
        // A certificate with which a node could be two, and one of no node.
        (Some(authority.files_for(&["medulla-node-2", "medulla-node-3"], 2099)), "wrong_identity"),
        (Some(authority.files_for(&["medulla-store"], 2099)), "wrong_identity"),
    ];
    for (shown, fault) in cases {
        let node = lonely(&authority).await;
        let address = node.network.address();
        if let Ok(mut stream) = shake_hands(address, &trusted, shown.as_ref()).await {
            drop(stream.write_all(&offer(2, 1)).await);
            closed(&mut stream).await;
        }
        counted(&node, fault).await;
        assert!(!node.is_connected_to(PeerId::new(2)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_the_authority_that_nobody_named_is_refused_and_told() {
    let authority = Authority::new();
    let node = lonely(&authority).await;
    let files = authority.files(3);
    let mut stream = shake_hands(node.network.address(), &files, Some(&files)).await.unwrap();
    stream.write_all(&offer(3, 1)).await.unwrap();
    let mut answer = Vec::new();
    drop(soon(stream.read_to_end(&mut answer)).await);
    assert_eq!(answer, b"MDPR\x01\x00\x03\x01\x02");
    counted(&node, "unknown_peer").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_greeting_for_somebody_else_is_refused() {
    let authority = Authority::new();
    let node = lonely(&authority).await;
    let files = authority.files(2);
    let mut stream = shake_hands(node.network.address(), &files, Some(&files)).await.unwrap();
    stream.write_all(&offer(2, 5)).await.unwrap();
    closed(&mut stream).await;
    counted(&node, "other_network").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_for_another_protocol_or_for_none_is_refused() {
    let authority = Authority::new();
    let files = authority.files(2);
    for (protocol, fault) in [(None, "other_network"), (Some("medulla-raft/1"), "tls_failed")] {
        let node = lonely(&authority).await;
        let certificates = (&files, Some(&files));
        let target = ("medulla-node-1", protocol);
        if let Ok(mut stream) = shake_hands_as(node.network.address(), certificates, target).await {
            drop(stream.write_all(&offer(2, 1)).await);
            closed(&mut stream).await;
        }
        counted(&node, fault).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_not_tls_or_not_ours_are_refused() {
    let authority = Authority::new();
    let node = lonely(&authority).await;
    let files = authority.files(2);
    let mut plain = TcpStream::connect(node.network.address()).await.unwrap();
    plain.write_all(&offer(2, 1)).await.unwrap();
    closed(&mut plain).await;
    counted(&node, "not_tls").await;
    let mut stream = shake_hands(node.network.address(), &files, Some(&files)).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    closed(&mut stream).await;
    counted(&node, "malformed_hello").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proven_peer_that_breaks_the_framing_is_cut() {
    let authority = Authority::new();
    let files = authority.files(2);
    let oversized = (1_u64 << 40).to_be_bytes();
    let garbage = [&3_u64.to_be_bytes()[..], b"\x55\x55\x55"].concat();
    for (bytes, fault) in [(&oversized[..], "oversized_frame"), (&garbage, "malformed_frame")] {
        let node = lonely(&authority).await;
        let mut stream = shake_hands(node.network.address(), &files, Some(&files)).await.unwrap();
        stream.write_all(&[&offer(2, 1), bytes].concat()).await.unwrap();
        closed(&mut stream).await;
        counted(&node, fault).await;
        assert!(!node.is_connected_to(PeerId::new(2)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_slow_is_closed_and_keeps_nobody_else_out() {
    let authority = Authority::new();
    let node = lonely(&authority).await;
    let files = authority.files(2);
    let address = node.network.address();
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut mute = shake_hands(address, &files, Some(&files)).await.unwrap();
    let mut half = shake_hands(address, &files, Some(&files)).await.unwrap();
    half.write_all(&offer(2, 1)[..20]).await.unwrap();
    // They hold three of four places; a peer still gets in.
    let two = Node::start(config(2, authority.files(2))).await;
    two.network.set_peers(&[(node.id, address.to_string())].into());
    until("the peer is in", || two.is_connected_to(node.id)).await;
    closed(&mut silent).await;
    closed(&mut mute).await;
    closed(&mut half).await;
    until("three timeouts", || node.counter("fault_timeout") == 3).await;
    assert_eq!(soon(two.network.call(node.id, b"who", LONG)).await, Ok(b"n2".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_more_strangers_than_places_the_oldest_go_and_a_peer_gets_in() {
    let authority = Authority::new();
    let mut patient = config(1, authority.files(1));
    patient.limits = PeerLimits { handshakes_max: 4, ..patient.limits };
    // So long that only making room can let anybody in.
    patient.times.handshake_ms_max = 60_000;
    let node = Node::start(patient).await;
    node.network.set_peers(&[(PeerId::new(2), "127.0.0.1:1".to_owned())].into());
    let mut crowd = Vec::new();
    for _ in 0..6 {
        crowd.push(TcpStream::connect(node.network.address()).await.unwrap());
    }
    until("two had no room", || node.counter("fault_no_room") == 2).await;
    let two = Node::start(config(2, authority.files(2))).await;
    two.network.set_peers(&[(node.id, node.network.address().to_string())].into());
    until("the peer is in", || two.is_connected_to(node.id)).await;
    assert_eq!(node.counter("fault_timeout"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_the_peer_we_meant_is_refused() {
    let (authority, foreign) = (Authority::new(), Authority::new());
    let one = Node::start(config(1, authority.files(1))).await;
    let cases = [
        (config(3, authority.files(3)), PeerFault::WrongIdentity),
        (config(2, foreign.files(2)), PeerFault::ForeignAuthority),
    ];
    for (server, fault) in cases {
        let server = Node::start(server).await;
        let two = PeerId::new(2);
        one.network.set_peers(&[(two, server.network.address().to_string())].into());
        until("refused", || {
            matches!(one.state_of(two), PeerState::Disconnected { reason, .. } if reason == fault)
        })
        .await;
        one.network.set_peers(&[].into());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_all_that_peers_still_meet() {
    let authority = Authority::new();
    let node = lonely(&authority).await;
    let trusted = authority.files(1);
    for _ in 0..3 {
        if let Ok(mut stream) = shake_hands(node.network.address(), &trusted, None).await {
            closed(&mut stream).await;
        }
    }
    let two = Node::start(config(2, authority.files(2))).await;
    connect(&[&node, &two]).await;
    assert_eq!(soon(node.network.call(two.id, b"who", LONG)).await, Ok(b"n1".to_vec()));
}
