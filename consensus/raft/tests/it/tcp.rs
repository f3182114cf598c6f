//! The same over loopback, real files and threads of their own, as in production.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use consensus_raft::{Config, ControlPlane, Environment, Execution, Options, PlainTransport, Role};
use node_env::real::{RealDisk, RealRng, TcpNetwork, ThreadSpawner};
use schema_types::cluster::NodeId;

use crate::ledger::Ledger;
use crate::world::{CLUSTER, Plane, node, put, until};

struct Real {
    directory: tempfile::TempDir,
    addresses: BTreeMap<NodeId, String>,
    planes: BTreeMap<NodeId, Plane>,
}

async fn start(directory: &Path, id: NodeId, address: &str) -> (Plane, String) {
    let transport = PlainTransport::bind(Arc::new(TcpNetwork), address).await.unwrap();
    let address = transport.local_address().unwrap().to_string();
    let environment = Environment {
        disk: Arc::new(RealDisk),
        rng: Arc::new(RealRng),
        execution: Execution::Threads(Arc::new(ThreadSpawner)),
        transport: Arc::new(transport),
    };
    let options = Options {
        cluster: CLUSTER,
        node: id,
        address: address.clone(),
        directory: directory.join(id.to_string()),
        config: Config::default(),
    };
    let plane = ControlPlane::start(environment, options, Ledger::default()).await.unwrap();
    (plane, address)
}

impl Real {
    async fn three() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (mut addresses, mut planes) = (BTreeMap::new(), BTreeMap::new());
        for id in [1, 2, 3].map(node) {
            let (plane, address) = start(directory.path(), id, "127.0.0.1:0").await;
            planes.insert(id, plane);
            addresses.insert(id, address);
        }
        let real = Self { directory, addresses, planes };
        let first = &real.planes[&node(1)];
        first.initialize().await.unwrap();
        for id in [2, 3].map(node) {
            first.add_learner(id, &real.addresses[&id]).await.unwrap();
        }
        first.set_voters([1, 2, 3].map(node)).await.unwrap();
        real
    }

    async fn leader(&self) -> NodeId {
        let found = std::cell::Cell::new(None);
        until("there is a leader", || async {
            for (&id, plane) in &self.planes {
                if plane.status().await.is_ok_and(|status| status.role == Role::Leader) {
                    found.set(Some(id));
                }
            }
            found.get().is_some()
        })
        .await;
        found.get().unwrap()
    }
}

#[tokio::test]
async fn a_cluster_over_loopback_survives_its_leader_and_a_restart() {
    let mut real = Real::three().await;
    for number in 0..9 {
        put(&real.planes[&node(1 + number % 3)], number).await.unwrap();
    }
    let leader = real.leader().await;
    real.planes.remove(&leader).unwrap().shutdown().await;
    let other = real.leader().await;
    put(&real.planes[&other], 9).await.unwrap();
    let (plane, _) = start(real.directory.path(), leader, &real.addresses[&leader]).await;
    put(&plane, 10).await.unwrap();
    let numbers = plane.read_linearizable(|ledger| ledger.numbers.clone()).await.unwrap();
    assert_eq!(numbers, (0..=10).collect::<Vec<u64>>());
}

#[tokio::test]
async fn garbage_on_the_port_harms_nobody() {
    let real = Real::three().await;
    let mut streams = Vec::new();
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xFF; 64], b"MRFT\x01\0\xff\xff\xff\x7f"] {
        for address in real.addresses.values() {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(garbage).unwrap();
            streams.push(stream);
        }
    }
    for number in 0..6 {
        put(&real.planes[&node(1 + number % 3)], number).await.unwrap();
    }
    drop(streams);
    put(&real.planes[&node(2)], 6).await.unwrap();
}
