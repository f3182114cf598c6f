//! Nodes as a cluster: any node takes any message, nodes come and go, and operators are answered.

use crate::cluster_world::{Cluster, Setting, until};
use actors_runtime::trail;
use node_app::NodeError;
use node_ingest::hl7::Disposition;
use node_ingest::operations::Operation;
use schema_types::error_code::ErrorCode;

const fn plain(_: &mut Setting) {}

/// Shards are where operators put them.
const fn still(setting: &mut Setting) {
    setting.balances = false;
}

/// Sends results of `patients` patients through every node in turn.
fn send_all(cluster: &Cluster, patients: u32, minute: u32) {
    for number in 0..patients {
        let running: Vec<_> = cluster.nodes.iter().flatten().collect();
        let node = running[usize::try_from(number).unwrap() % running.len()];
        let sent = node.send(&format!("c{number}"), &format!("C{number}-{minute}"), minute);
        assert_eq!(sent, Disposition::Accepted, "patient {number} in minute {minute}");
    }
}

fn check_all(cluster: &Cluster, patients: u32, each: u64) {
    let node = cluster.nodes.iter().flatten().next().unwrap();
    for number in 0..patients {
        assert_eq!(node.observations(&format!("c{number}")), each, "patient {number}");
    }
}

fn audit_verifies(cluster: &Cluster) {
    let node = cluster.nodes.iter().flatten().next().unwrap();
    let anchors = node.operations.audit_anchors();
    node.runtime().block_on(async {
        let runtime = &node.gateway.runtime;
        let snapshot = runtime.snapshot().await.unwrap();
        let keys = runtime.audit_public_keys();
        for shard in trail::shards(&*snapshot).await.unwrap() {
            let report = trail::verify_shard(&*snapshot, shard, &keys, &anchors).await.unwrap();
            assert!(report.ok, "AUD-2: shard {shard}: {report:?}");
        }
    });
}

#[test]
fn any_node_takes_any_message_while_nodes_come_and_go_ack_1_own_1() {
    const PATIENTS: u32 = 24;
    let mut cluster = Cluster::start(3, plain);
    until("every node owns shards", || (0..3).all(|at| !cluster.shards_of(0, at).is_empty()));
    send_all(&cluster, PATIENTS, 1);
    check_all(&cluster, PATIENTS, 1);

    assert!(cluster.terminate(1), "what was in flight is finished");
    assert!(cluster.shards_of(0, 1).is_empty(), "a node that ends has no shards");
    send_all(&cluster, PATIENTS, 2);
    cluster.run(1).unwrap();
    cluster.settle();

    cluster.kill(2);
    until("the lease of the killed node is over", || cluster.shards_of(0, 2).is_empty());
    send_all(&cluster, PATIENTS, 3);

    cluster.run(2).unwrap();
    cluster.settle();
    send_all(&cluster, PATIENTS, 4);
    check_all(&cluster, PATIENTS, 4);
    until("every head is remembered by the cluster", || {
        let known: usize = cluster.node(0).operations.audit_anchors().len();
        let used = cluster.node(0).operations.shards().len();
        known == used
    });
    audit_verifies(&cluster);
}

#[test]
fn shards_split_merge_and_move_for_an_operator() {
    const PATIENTS: u32 = 24;
    let cluster = Cluster::start(2, still);
    send_all(&cluster, PATIENTS, 1);
    let shard = cluster.shards_of(0, 0)[0];
    let split = cluster.operate(1, Operation::Split { shard, at: None }).unwrap();
    let upper = u16::try_from(split["shard"].as_u64().unwrap()).unwrap();
    cluster.settle();
    send_all(&cluster, PATIENTS, 2);

    let to = "n2".to_owned();
    cluster.operate(1, Operation::Move { shard: upper, to }).unwrap();
    until("the upper half is with the other node", || cluster.shards_of(0, 1).contains(&upper));
    cluster.settle();
    send_all(&cluster, PATIENTS, 3);

    let refused = cluster.operate(0, Operation::Merge { lower: shard, upper }).unwrap_err();
    assert!(refused.starts_with("MED-CLUS-001 owners-differ"), "{refused}");
    let to = "n1".to_owned();
    cluster.operate(0, Operation::Move { shard: upper, to }).unwrap();
    cluster.settle();
    until("both halves are with one node", || cluster.shards_of(1, 0).contains(&upper));
    cluster.operate(0, Operation::Merge { lower: shard, upper }).unwrap();
    cluster.settle();
    send_all(&cluster, PATIENTS, 4);
    check_all(&cluster, PATIENTS, 4);
    audit_verifies(&cluster);
}

#[test]
fn a_fresh_disk_is_a_new_node_and_a_taken_name_is_refused() {
    let mut cluster = Cluster::start(2, plain);
    let namesake = cluster.add(|setting| setting.name = "n2".to_owned());
    let refused = cluster.run(namesake).err();
    assert!(matches!(&refused, Some(NodeError::Cluster(_))), "{refused:?}");
    assert_eq!(refused.unwrap().code(), ErrorCode::ClusterRefused);

    cluster.kill(1);
    until("the killed node is down", || {
        cluster.node(0).operations.nodes().iter().any(|node| node["state"] == "down")
    });
    let missing = cluster.operate(0, Operation::Leave { node: "n9".to_owned() }).unwrap_err();
    assert!(missing.contains("no such node"), "{missing}");
    cluster.operate(0, Operation::Leave { node: "n2".to_owned() }).unwrap();
    std::fs::remove_dir_all(&cluster.settings[1].data).unwrap();
    cluster.run(1).unwrap();
    cluster.settle();
    let nodes = cluster.node(0).operations.nodes();
    let ids: Vec<_> =
        nodes.iter().map(|node| (node["id"].as_u64(), node["state"].clone())).collect();
    assert_eq!(ids, [(Some(1), "up".into()), (Some(2), "left".into()), (Some(3), "up".into())]);
}
