//! A peer process that is killed, and one that is stopped and goes on.

use super::child::PeerProcess;
use super::world::{Authority, LONG, Node, config, soon, until};
use futures::future::join_all;
use node_rpc::peer::{CallOutcome, PeerError, PeerFault, PeerId};

const TWO: PeerId = PeerId::new(2);

async fn with_process(authority: &Authority) -> (Node, PeerProcess, tempfile::TempDir) {
    let one = Node::start(config(1, authority.files(1))).await;
    let (process, folder) = join(&one, authority);
    until("connected", || one.is_connected_to(TWO)).await;
    (one, process, folder)
}

fn join(one: &Node, authority: &Authority) -> (PeerProcess, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let own = one.network.address().to_string();
    let process = PeerProcess::start(folder.path(), &authority.files(2), &own);
    one.network.set_peers(&[(TWO, process.address.clone())].into());
    (process, folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_peer_ends_its_calls_unknown_and_its_next_life_is_met() {
    let authority = Authority::new();
    let (one, process, _folder) = with_process(&authority).await;
    let echoes = (0..200).map(|number| format!("e{number}").into_bytes());
    let calls = echoes.map(|request| (one.network.call(TWO, &request, LONG), request));
    let calls: Vec<_> = calls.collect();
    for (call, request) in calls {
        assert_eq!(soon(call).await, Ok(request));
    }
    let waiting: Vec<_> = (0..50).map(|_| one.network.call(TWO, b"wait", LONG)).collect();
    process.signal("-KILL");
    for result in soon(join_all(waiting)).await {
        let error = result.unwrap_err();
        assert!(matches!(error, PeerError::ConnectionLost(_)), "{error}");
        assert_eq!(error.outcome(), CallOutcome::Unknown);
    }
    drop(process);
    let (_process, _folder) = join(&one, &authority);
    until("its next life", || one.is_connected_to(TWO)).await;
    assert_eq!(soon(one.network.call(TWO, b"who", LONG)).await, Ok(b"n1".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_peer_is_dead_until_it_goes_on() {
    let authority = Authority::new();
    let (one, process, _folder) = with_process(&authority).await;
    process.signal("-STOP");
    let calls: Vec<_> = (0..10).map(|_| one.network.call(TWO, b"never", LONG)).collect();
    for result in soon(join_all(calls)).await {
        assert_eq!(result.unwrap_err(), PeerError::ConnectionLost(PeerFault::Dead));
    }
    assert!(!one.is_connected_to(TWO));
    process.signal("-CONT");
    until("back", || one.is_connected_to(TWO)).await;
    assert_eq!(soon(one.network.call(TWO, b"who", LONG)).await, Ok(b"n1".to_vec()));
}
