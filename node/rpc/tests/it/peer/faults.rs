//! Connections that are cut, clogged, replaced and taken away, within one process.

use super::lines::Line;
use super::world::{
    Authority, LONG, Node, SWOLLEN_BYTES, config, connect, introduce, pair, soon, until,
};
use futures::future::join_all;
use node_rpc::peer::{
    CallOutcome, PeerConfig, PeerError, PeerFault, PeerHandler, PeerId, PeerLimits, PeerNetwork,
    PeerSecurity, PeerStartError, PeerState,
};
use std::sync::Arc;

/// Two nodes whose only way to each other is a line: the address of neither is known otherwise.
async fn pair_with_line() -> (Node, Node, Line) {
    pair_with_line_and(|_config| ()).await
}

async fn pair_with_line_and(change: fn(&mut PeerConfig)) -> (Node, Node, Line) {
    let authority = Authority::new();
    let node = |id| {
        let mut config = config(id, authority.files(id));
        change(&mut config);
        Node::start(config)
    };
    let (one, two) = (node(1).await, node(2).await);
    let line = Line::to(two.network.address()).await;
    one.network.set_peers(&[(two.id, line.address.to_string())].into());
    // Nobody answers there, so that every connection goes over the line.
    two.network.set_peers(&[(one.id, "127.0.0.1:1".to_owned())].into());
    until("connected", || one.is_connected_to(two.id) && two.is_connected_to(one.id)).await;
    (one, two, line)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_line_ends_calls_unknown_and_is_dialled_again() {
    let (one, two, line) = pair_with_line().await;
    let mut expected = 0;
    for round in 1..=3 {
        let calls: Vec<_> = (0..10).map(|_| one.network.call(two.id, b"wait", LONG)).collect();
        until("two works on them", || two.network.peers()[0].requests_in_work == 10).await;
        line.cut();
        for result in soon(join_all(calls)).await {
            let error = result.unwrap_err();
            assert_eq!(error, PeerError::ConnectionLost(PeerFault::Closed));
            assert_eq!(error.outcome(), CallOutcome::Unknown);
        }
        let is_back = || one.is_connected_to(two.id) && one.counter("sessions_opened") > round;
        until("back", is_back).await;
        // The answers of the old session find nobody, least of all the calls of the new one.
        two.echo.gate.add_permits(10);
        for number in 0..20 {
            let request = format!("again-{number}").into_bytes();
            assert_eq!(soon(one.network.call(two.id, &request, LONG)).await, Ok(request));
        }
        expected += 10;
        assert_eq!(one.counter("calls_lost"), expected);
    }
    assert_eq!(one.counter("answers_unmatched"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_death_on_both_sides() {
    let (one, two, line) = pair_with_line().await;
    let call = one.network.call(two.id, b"wait", LONG);
    line.clog();
    let error = soon(call).await.unwrap_err();
    assert_eq!(error, PeerError::ConnectionLost(PeerFault::Dead));
    until("two notices too", || two.counter("fault_dead") == 1).await;
    line.clear();
    line.cut();
    until("back", || one.is_connected_to(two.id) && two.is_connected_to(one.id)).await;
    assert_eq!(soon(one.network.call(two.id, b"hello", LONG)).await, Ok(b"hello".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_to_a_peer_that_does_not_read_are_bounded_lim_1() {
    let (one, two, line) = pair_with_line_and(|config| {
        let bytes_max = u32::try_from(SWOLLEN_BYTES).unwrap();
        config.limits.message_bytes_max = bytes_max;
        config.limits.reply_bytes_waiting_max = bytes_max + 1;
        config.times.dead_after_ms = 60_000;
    })
    .await;
    let calls: Vec<_> = (0..2).map(|_| one.network.call(two.id, b"swell", LONG)).collect();
    until("two works on both", || two.requests_in_work() == 2).await;
    line.clog();
    two.echo.gate.add_permits(2);
    until("one reply has no room", || two.counter("replies_refused") == 1).await;
    line.clear();
    let (answers, refused): (Vec<_>, Vec<_>) =
        soon(join_all(calls)).await.into_iter().partition(Result::is_ok);
    assert_eq!(refused, [Err(PeerError::ReplyRefused)]);
    assert!(answers[0].as_ref().unwrap() == &vec![7; SWOLLEN_BYTES]);
    assert_eq!(soon(one.network.call(two.id, b"hello", LONG)).await, Ok(b"hello".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_taken_from_the_list_is_closed_and_not_let_in() {
    let (one, two) = pair(PeerLimits::default()).await;
    let call = one.network.call(two.id, b"wait", LONG);
    one.network.set_peers(&[].into());
    let error = soon(call).await.unwrap_err();
    assert_eq!(error, PeerError::ConnectionLost(PeerFault::Removed));
    until("two is turned away", || one.counter("fault_unknown_peer") > 0).await;
    assert!(one.network.peers().is_empty());
    until("two says why", || {
        let refused = PeerFault::RefusedByPeer;
        matches!(two.state_of(one.id), PeerState::Disconnected { reason, .. } if reason == refused)
    })
    .await;
    introduce(&[&one, &two]);
    until("let in again", || one.is_connected_to(two.id) && two.is_connected_to(one.id)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_starts_anew_takes_the_place_of_its_former_self() {
    let authority = Authority::new();
    let one = Node::start(config(1, authority.files(1))).await;
    let two = Node::start(config(2, authority.files(2))).await;
    connect(&[&one, &two]).await;
    let call = one.network.call(two.id, b"wait", LONG);
    until("two works on it", || two.network.peers()[0].requests_in_work == 1).await;
    // Another process with the certificate of two: the old one does not know yet that it is dead.
    let anew = Node::start(config(2, authority.files(2))).await;
    anew.network.set_peers(&[(one.id, one.network.address().to_string())].into());
    let error = soon(call).await.unwrap_err();
    assert_eq!(error, PeerError::ConnectionLost(PeerFault::Replaced));
    until("the new one is there", || anew.is_connected_to(one.id)).await;
    two.network.set_peers(&[].into());
    until("and stays", || one.is_connected_to(two.id) && anew.is_connected_to(one.id)).await;
    assert_eq!(soon(anew.network.call(one.id, b"who", LONG)).await, Ok(b"n2".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn networks_of_other_names_do_not_meet() {
    let authority = Authority::new();
    let one = Node::start(config(1, authority.files(1))).await;
    let raft = PeerConfig { network: "raft".to_owned(), ..config(2, authority.files(2)) };
    let two = Node::start(raft).await;
    introduce(&[&one, &two]);
    let other = PeerFault::OtherNetwork;
    until("both are told", || {
        [(&one, two.id), (&two, one.id)].iter().all(|(node, peer)| {
            let state = node.state_of(*peer);
            matches!(state, PeerState::Disconnected { reason, .. } if reason == other)
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_networks_of_the_same_nodes_stand_side_by_side() {
    let authority = Authority::new();
    let named = |id, network: &str| PeerConfig {
        network: network.to_owned(),
        ..config(id, authority.files(id))
    };
    let (actors_one, actors_two) =
        (Node::start(named(1, "actors")).await, Node::start(named(2, "actors")).await);
    let (raft_one, raft_two) =
        (Node::start(named(1, "raft")).await, Node::start(named(2, "raft")).await);
    connect(&[&actors_one, &actors_two]).await;
    connect(&[&raft_one, &raft_two]).await;
    for (node, request) in [(&actors_one, b"a 1"), (&raft_one, b"r 2")] {
        let answer = soon(node.network.call(PeerId::new(2), request, LONG)).await;
        assert_eq!(answer, Ok(request.to_vec()));
    }
    assert_eq!(*actors_two.echo.seen.lock().unwrap(), [1]);
    assert_eq!(*raft_two.echo.seen.lock().unwrap(), [2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plaintext_is_for_loopback_only() {
    let authority = Authority::new();
    let plain = |id, listen: &str| PeerConfig {
        security: PeerSecurity::InsecureDevelopment,
        listen: listen.parse().unwrap(),
        ..config(id, authority.files(id))
    };
    let handler: Arc<dyn PeerHandler> = super::world::Echo::new();
    let refused = PeerNetwork::start(plain(1, "0.0.0.0:0"), handler).await;
    assert!(matches!(refused, Err(PeerStartError::NotLoopback(_))));
    let one = Node::start(plain(1, "127.0.0.1:0")).await;
    let two = Node::start(plain(2, "127.0.0.1:0")).await;
    connect(&[&one, &two]).await;
    assert_eq!(soon(one.network.call(two.id, b"who", LONG)).await, Ok(b"n1".to_vec()));
    let elsewhere = [(PeerId::new(9), "192.0.2.1:1".to_owned())].into();
    let three = Node::start(plain(3, "127.0.0.1:0")).await;
    three.network.set_peers(&elsewhere);
    assert!(!three.is_connected_to(PeerId::new(9)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_does_not_start_with_what_cannot_work() {
    let authority = Authority::new();
    let start =
        |config| async { PeerNetwork::start(config, super::world::Echo::new()).await.err() };
    let good = || config(1, authority.files(1));
    let mut other = good();
    other.id = PeerId::new(7);
    assert!(matches!(start(other).await, Some(PeerStartError::Certificates(_))));
    let mut keyless = authority.files(1);
    keyless.private_key_pem = "secret words".to_owned();
    let error = start(config(1, keyless)).await.unwrap();
    assert!(matches!(error, PeerStartError::Certificates(_)));
    assert!(!format!("{error} {error:?}").contains("secret"));
    let mut nameless = good();
    nameless.network.clear();
    assert!(matches!(start(nameless).await, Some(PeerStartError::Config(_))));
    let mut hasty = good();
    hasty.times.dead_after_ms = hasty.times.ping_every_ms;
    assert!(matches!(start(hasty).await, Some(PeerStartError::Config(_))));
    let mut taken = good();
    let node = Node::start(good()).await;
    taken.listen = node.network.address();
    assert!(matches!(start(taken).await, Some(PeerStartError::Listen { .. })));
    assert!(start(good()).await.is_none());
}
