//! Raft over mutual TLS.

use super::{Authority, Metrics, config, counted, plaintext, soon, until};
use crate::peer::strangers::{closed, shake_hands_as};
use consensus_raft::{
    ClusterId, Config, Connection, ControlPlane, Environment, Execution, Machine, Options,
    RestoreError, Role, Transport,
};
use node_env::real::{RealDisk, RealRng, ThreadSpawner};
use node_rpc::peer::{PeerStartError, TlsFiles};
use node_rpc::secured::{RaftTransport, SecuredConfig};
use schema_types::cluster::NodeId;
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);

fn local() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

async fn bind(id: NodeId, config: SecuredConfig) -> RaftTransport {
    RaftTransport::bind(id, local(), config).await.unwrap()
}

/// Node 1, whose connections are taken and given out in a task of their own.
struct Listening {
    address: SocketAddr,
    metrics: Metrics,
    accepted: tokio::sync::mpsc::Receiver<Connection>,
}

async fn listen(config: SecuredConfig) -> Listening {
    let transport = bind(ONE, config).await;
    let (address, metrics) = (transport.local_address(), transport.metrics());
    let (sender, accepted) = tokio::sync::mpsc::channel(64);
    tokio::spawn(async move {
        loop {
            let connection = transport.accept().await.unwrap();
            if sender.send(connection).await.is_err() {
                return;
            }
        }
    });
    Listening { address, metrics, accepted }
}

/// Sends a word each way.
async fn greet(near: &mut Connection, far: &mut Connection) {
    let mut word = [0; 4];
    near.stream.write_all(b"ping").await.unwrap();
    near.stream.flush().await.unwrap();
    soon(far.stream.read_exact(&mut word)).await.unwrap();
    far.stream.write_all(b"pong").await.unwrap();
    far.stream.flush().await.unwrap();
    soon(near.stream.read_exact(&mut word)).await.unwrap();
    assert_eq!(&word, b"pong");
}

async fn meets(dialler: &RaftTransport, listening: &mut Listening) -> [Option<NodeId>; 2] {
    let address = listening.address.to_string();
    let mut near = soon(dialler.connect(ONE, &address)).await.unwrap();
    let mut far = soon(listening.accepted.recv()).await.unwrap();
    greet(&mut near, &mut far).await;
    [near.proved_peer, far.proved_peer]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_prove_who_they_are() {
    let authority = Authority::new();
    let mut listening = listen(config(authority.files(1))).await;
    let two = bind(TWO, config(authority.files(2))).await;
    assert_eq!(meets(&two, &mut listening).await, [Some(ONE), Some(TWO)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_development_nobody_is_proven_and_nobody_comes_from_afar() {
    let mut listening = listen(plaintext()).await;
    assert_eq!(meets(&bind(TWO, plaintext()).await, &mut listening).await, [None, None]);
    let everywhere = RaftTransport::bind(TWO, "0.0.0.0:0".parse().unwrap(), plaintext()).await;
    assert!(matches!(everywhere.err(), Some(PeerStartError::NotLoopback(_))));
}

#[tokio::test]
async fn a_certificate_for_another_node_or_for_two_is_not_started_with() {
    let authority = Authority::new();
    let two = authority.files_for(&["medulla-node-1", "medulla-node-2"], 2099);
    for files in [authority.files(2), authority.files_for(&["medulla-store"], 2099), two] {
        let refused = RaftTransport::bind(ONE, local(), config(files)).await.err();
        assert!(matches!(refused, Some(PeerStartError::Certificates(_))), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_not_meant_is_not_connected_to() {
    let (authority, foreign) = (Authority::new(), Authority::new());
    let dialler = bind(TWO, config(authority.files(2))).await;
    let cases = [
        (NodeId(3), authority.files(1), "wrong identity"),
        (ONE, foreign.files(1), "foreign authority"),
        (ONE, authority.files_until(1, 2002), "expired"),
    ];
    for (meant, shown, expected) in cases {
        let server = listen(config(shown)).await;
        let dialled = soon(dialler.connect(meant, &server.address.to_string())).await;
        assert_eq!(dialled.err().unwrap().to_string(), expected);
    }
    let plain = listen(plaintext()).await;
    let address = plain.address.to_string();
    let mut quick = config(authority.files(2));
    quick.handshake_ms_max = 300;
    let dialled = soon(bind(TWO, quick).await.connect(ONE, &address)).await;
    assert!(dialled.is_err(), "a server without TLS was taken for node 1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_refused_by_cause_and_a_node_still_gets_in() {
    let (authority, foreign) = (Authority::new(), Authority::new());
    let trusted = authority.files(1);
    let mut listening = listen(config(authority.files(1))).await;
    let raft = Some("medulla-raft/1");
    let shown: [(Option<TlsFiles>, Option<&str>, &str); 6] = [
        (None, raft, "no_certificate"),
        (Some(foreign.files(2)), raft, "foreign_authority"),
        (Some(authority.files_until(2, 2002)), raft, "expired"),
        (Some(authority.files_for(&["medulla-store"], 2099)), raft, "wrong_identity"),
        (Some(authority.files(2)), Some("medulla-peer/1"), "tls_failed"),
        (Some(authority.files(2)), None, "other_network"),
    ];
    for (files, protocol, fault) in shown {
        let certificates = (&trusted, files.as_ref());
        let target = ("medulla-node-1", protocol);
        if let Ok(mut stream) = shake_hands_as(listening.address, certificates, target).await {
            closed(&mut stream).await;
        }
        counted(&listening.metrics, "raft", fault).await;
    }
    let mut plain = TcpStream::connect(listening.address).await.unwrap();
    plain.write_all(b"MRFT\x01\0 and no TLS at all").await.unwrap();
    closed(&mut plain).await;
    counted(&listening.metrics, "raft", "not_tls").await;
    assert!(listening.accepted.try_recv().is_err(), "a stranger got in");
    let two = bind(TWO, config(authority.files(2))).await;
    assert_eq!(meets(&two, &mut listening).await, [Some(ONE), Some(TWO)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_silent_keep_nobody_out_live_1() {
    let authority = Authority::new();
    let mut patient = config(authority.files(1));
    // So long that only handshakes side by side, and making room, can let anybody in.
    patient.handshake_ms_max = 60_000;
    patient.handshakes_max = 4;
    let mut listening = listen(patient).await;
    let mut crowd = Vec::new();
    for _ in 0..6 {
        crowd.push(TcpStream::connect(listening.address).await.unwrap());
    }
    let name = "medulla_raft_fault_no_room_total";
    until("two were put out", || super::count(&listening.metrics, name) == 2).await;
    let two = bind(TWO, config(authority.files(2))).await;
    assert_eq!(meets(&two, &mut listening).await, [Some(ONE), Some(TWO)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_silent_are_closed_in_time() {
    let authority = Authority::new();
    let mut quick = config(authority.files(1));
    quick.handshake_ms_max = 50;
    let listening = listen(quick).await;
    let mut silent = TcpStream::connect(listening.address).await.unwrap();
    closed(&mut silent).await;
    counted(&listening.metrics, "raft", "timeout").await;
}

/// Adds numbers up.
#[derive(Debug, Default)]
struct Sum(u64);

impl Machine for Sum {
    type Command = u64;
    type Outcome = u64;

    fn apply(&mut self, _index: u64, command: u64) -> u64 {
        self.0 += command;
        self.0
    }

    fn snapshot(&self) -> Vec<u8> {
        self.0.to_le_bytes().to_vec()
    }

    fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        let sum = bytes.try_into().map(u64::from_le_bytes);
        sum.map(Self).map_err(|_| RestoreError { reason: "short".to_owned() })
    }
}

type Plane = ControlPlane<Sum>;

async fn plane(folder: &std::path::Path, id: NodeId, files: TlsFiles) -> (Plane, String) {
    let transport = bind(id, config(files)).await;
    let address = transport.local_address().to_string();
    let environment = Environment {
        disk: Arc::new(RealDisk),
        rng: Arc::new(RealRng),
        execution: Execution::Threads(Arc::new(ThreadSpawner)),
        transport: Arc::new(transport),
    };
    let options = Options {
        cluster: ClusterId([7; 16]),
        node: id,
        address: address.clone(),
        directory: folder.join(id.to_string()),
        config: Config::default(),
    };
    (Plane::start(environment, options, Sum::default()).await.unwrap(), address)
}

/// The place of a plane that leads.
async fn leader(planes: &[Plane]) -> usize {
    let found = Cell::new(None);
    let looks = async {
        let mut pauses = tokio::time::interval(std::time::Duration::from_millis(10));
        while found.get().is_none() {
            pauses.tick().await;
            for (at, plane) in planes.iter().enumerate() {
                if plane.status().await.is_ok_and(|status| status.role == Role::Leader) {
                    found.set(Some(at));
                }
            }
        }
    };
    soon(looks).await;
    found.get().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_elect_a_leader_and_another_after_it() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let mut planes = Vec::new();
    for id in 1..=3 {
        let (plane, address) = plane(folder.path(), NodeId(id), authority.files(id)).await;
        planes.push(plane);
        let first = &planes[0];
        if id == 1 {
            first.initialize().await.unwrap();
        } else {
            soon(first.add_learner(NodeId(id), &address)).await.unwrap();
        }
    }
    soon(planes[0].set_voters([1, 2, 3].map(NodeId))).await.unwrap();
    for (at, sum) in [(0, 1), (1, 3), (2, 6)] {
        let added = u64::try_from(at).unwrap() + 1;
        assert_eq!(soon(planes[at].propose(&added)).await.unwrap(), sum);
    }
    let first = leader(&planes).await;
    planes.remove(first).shutdown().await;
    let next = leader(&planes).await;
    assert_eq!(soon(planes[next].propose(&4)).await.unwrap(), 10);
}
