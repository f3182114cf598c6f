//! Calls between two healthy nodes: answers, order, limits, negative replies, an orderly end.

use super::world::{Authority, LONG, Node, config, connect, pair, soon, until};
use futures::future::join_all;
use node_rpc::peer::{
    CallOutcome, PeerConfig, PeerError, PeerFault, PeerId, PeerLimits, PeerState,
};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn echoes_under_load_in_both_directions() {
    let (one, two) = pair(PeerLimits::default()).await;
    let load = |from: &Node, to: PeerId, worker: usize| {
        let bytes = 1 + worker * 40;
        let calls: Vec<_> = (0..100_u32)
            .map(|number| {
                let mut request = format!("e{worker}-{number}-").into_bytes();
                request.resize(request.len() + bytes, b'x');
                (from.network.call(to, &request, LONG), request)
            })
            .collect();
        async move {
            for (call, request) in calls {
                assert_eq!(call.await.unwrap(), request);
            }
        }
    };
    let there = (0..8).map(|worker| load(&one, two.id, worker));
    let back = (0..8).map(|worker| load(&two, one.id, worker));
    let (there, back): (Vec<_>, Vec<_>) = (there.collect(), back.collect());
    soon(futures::future::join(join_all(there), join_all(back))).await;
    for node in [&one, &two] {
        assert_eq!((node.counter("calls"), node.counter("calls_answered")), (800, 800));
        assert_eq!(node.counter("requests"), 800);
        assert!(node.counter("batches_sent") < 800, "requests share batches");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_handler_sees_requests_in_the_order_of_the_calls() {
    let (one, two) = pair(PeerLimits::default()).await;
    let numbers: Vec<u64> = (0..600).collect();
    let mut calls: Vec<_> = numbers
        .iter()
        .map(|number| one.network.call(two.id, format!("n {number}").as_bytes(), LONG))
        .collect();
    // Polled the other way round: the order is that of `call`.
    calls.reverse();
    assert!(soon(join_all(calls)).await.iter().all(Result::is_ok));
    assert_eq!(*two.echo.seen.lock().unwrap(), numbers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_handler_is_told_who_calls() {
    let (one, two) = pair(PeerLimits::default()).await;
    let said = |answer: Result<Vec<u8>, PeerError>| String::from_utf8(answer.unwrap()).unwrap();
    assert_eq!(said(one.network.call(two.id, b"who", LONG).await), "n1");
    assert_eq!(said(two.network.call(one.id, b"who", LONG).await), "n2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_answer_ends_at_its_deadline_and_gives_its_credit_back() {
    let (one, two) = pair(PeerLimits { requests_in_flight_max: 1, ..PeerLimits::default() }).await;
    let late = one.network.call(two.id, b"never", Duration::from_millis(30));
    let error = soon(late).await.unwrap_err();
    assert_eq!((&error, error.outcome()), (&PeerError::DeadlineExceeded, CallOutcome::Unknown));
    until("the credit is back", || one.in_flight_to(two.id) == 0).await;
    assert_eq!(one.network.call(two.id, b"hello", LONG).await, Ok(b"hello".to_vec()));
    assert_eq!(two.counter("requests_late"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_the_credits_callers_are_told_to_come_back() {
    let few = PeerLimits { requests_in_flight_max: 3, ..PeerLimits::default() };
    let (one, two) = pair(few).await;
    let waiting: Vec<_> = (0..3).map(|_| one.network.call(two.id, b"wait", LONG)).collect();
    let error = one.network.call(two.id, b"hello", LONG).await.unwrap_err();
    assert!(matches!(error, PeerError::Overloaded { retry_after_ms: 1.. }), "{error}");
    assert_eq!(error.outcome(), CallOutcome::NotExecuted);
    // The other direction has credits of its own.
    assert!(two.network.call(one.id, b"hello", LONG).await.is_ok());
    two.echo.gate.add_permits(3);
    assert!(soon(join_all(waiting)).await.iter().all(Result::is_ok));
    assert!(one.network.call(two.id, b"hello", LONG).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_in_flight_are_bounded_too() {
    let few =
        PeerLimits { bytes_in_flight_max: 1_000, message_bytes_max: 600, ..PeerLimits::default() };
    let (one, two) = pair(few).await;
    let mut large = b"wait ".to_vec();
    large.resize(600, b'x');
    let waiting = one.network.call(two.id, &large, LONG);
    let error = one.network.call(two.id, &large, LONG).await.unwrap_err();
    assert!(matches!(error, PeerError::Overloaded { .. }), "{error}");
    let error = one.network.call(two.id, &[0; 601], LONG).await.unwrap_err();
    assert_eq!(error, PeerError::TooLarge { bytes: 601, bytes_max: 600 });
    two.echo.gate.add_permits(1);
    assert_eq!(soon(waiting).await, Ok(large));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_fails_or_refuses_is_a_negative_reply_and_hurts_nobody_else() {
    let (one, two) = pair(PeerLimits { message_bytes_max: 4 << 20, ..PeerLimits::default() }).await;
    let other = one.network.call(two.id, b"wait", LONG);
    let cases: [(&[u8], PeerError, CallOutcome); 6] = [
        (b"panic-now", PeerError::HandlerFailed, CallOutcome::Unknown),
        (b"panic", PeerError::HandlerFailed, CallOutcome::Unknown),
        (b"panic-later", PeerError::HandlerFailed, CallOutcome::Unknown),
        (b"busy", PeerError::Overloaded { retry_after_ms: 77 }, CallOutcome::NotExecuted),
        (b"nonsense", PeerError::Malformed, CallOutcome::NotExecuted),
        (b"grow", PeerError::ReplyRefused, CallOutcome::Unknown),
    ];
    for (request, expected, outcome) in cases {
        let error = soon(one.network.call(two.id, request, LONG)).await.unwrap_err();
        assert_eq!((&error, error.outcome()), (&expected, outcome));
    }
    two.echo.gate.add_permits(1);
    assert_eq!(soon(other).await, Ok(b"wait".to_vec()));
    assert_eq!(two.counter("handlers_failed"), 3);
    assert_eq!(one.counter("sessions_ended"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_any_size_pass_and_keep_their_order() {
    let (one, two) = pair(PeerLimits::default()).await;
    let sizes = [0, 1, 65_471, 65_472, 65_473, 64 * 1024, 4 << 20, 24 << 20, 130_944, 5];
    let requests: Vec<Vec<u8>> = sizes
        .iter()
        .enumerate()
        .map(|(number, bytes)| {
            let mut request = format!("n {number:030}").into_bytes();
            request.resize(bytes + 32, 0);
            for (at, byte) in request.iter_mut().enumerate().skip(32) {
                *byte = u8::try_from(at % 251).unwrap();
            }
            request
        })
        .collect();
    let calls: Vec<_> =
        requests.iter().map(|request| one.network.call(two.id, request, LONG)).collect();
    for (answer, request) in soon(join_all(calls)).await.into_iter().zip(&requests) {
        assert!(answer.unwrap() == *request, "{} bytes came back changed", request.len());
    }
    assert_eq!(*two.echo.seen.lock().unwrap(), (0..10).collect::<Vec<u64>>());
    assert_eq!((one.counter("sessions_ended"), two.counter("handlers_failed")), (0, 0));
}

/// A request that the handler answers with itself once its gate opens.
fn held(bytes: usize) -> Vec<u8> {
    let mut request = b"wait ".to_vec();
    request.resize(bytes, b'x');
    request
}

/// Three nodes, the first of them with limits.
async fn three(limits: PeerLimits) -> [Node; 3] {
    let authority = Authority::new();
    let node = |id, limits| Node::start(PeerConfig { limits, ..config(id, authority.files(id)) });
    let usual = PeerLimits::default();
    let nodes = [node(1, limits).await, node(2, usual).await, node(3, usual).await];
    connect(&[&nodes[0], &nodes[1], &nodes[2]]).await;
    nodes
}

fn small(bytes_total: u32) -> PeerLimits {
    PeerLimits {
        bytes_in_flight_max: bytes_total,
        bytes_in_flight_total_max: u64::from(bytes_total),
        message_bytes_max: bytes_total,
        reply_bytes_waiting_max: bytes_total,
        reply_bytes_waiting_total_max: u64::from(bytes_total),
        ..PeerLimits::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_in_flight_to_all_peers_together_are_bounded_lim_1() {
    let [one, two, three] = three(small(300_000)).await;
    let first = one.network.call(two.id, &held(200_000), LONG);
    let error = one.network.call(three.id, &held(200_000), LONG).await.unwrap_err();
    assert!(matches!(error, PeerError::Overloaded { .. }), "{error}");
    assert!(one.network.call(three.id, &[b'x'; 100_000], LONG).await.is_ok());
    two.echo.gate.add_permits(1);
    assert!(soon(first).await.is_ok());
    three.echo.gate.add_permits(1);
    assert!(soon(one.network.call(three.id, &held(200_000), LONG)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_work_for_all_peers_together_are_bounded_lim_1() {
    let limits = PeerLimits { requests_in_work_total_max: 2, ..small(300_000) };
    let [one, two, three] = three(limits).await;
    let large = two.network.call(one.id, &held(200_000), LONG);
    until("the first is in work", || one.requests_in_work() == 1).await;
    // In parts: the parts of what is refused are dropped, and the session goes on.
    let error = three.network.call(one.id, &held(200_000), LONG).await.unwrap_err();
    assert!(matches!(error, PeerError::Overloaded { .. }), "{error}");
    let second = three.network.call(one.id, b"wait", LONG);
    until("the second is in work", || one.requests_in_work() == 2).await;
    let error = two.network.call(one.id, b"hello", LONG).await.unwrap_err();
    assert!(matches!(error, PeerError::Overloaded { .. }), "{error}");
    one.echo.gate.add_permits(2);
    assert!(soon(large).await.is_ok() && soon(second).await.is_ok());
    until("all places are back", || one.requests_in_work() == 0).await;
    assert_eq!(soon(two.network.call(one.id, b"hello", LONG)).await, Ok(b"hello".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_takes_are_bounded_lim_1() {
    let (one, two) = pair(small(300_000)).await;
    two.echo.gate.add_permits(2);
    // Nobody polls these two: the first answer waits, for the second there is no room.
    let first = one.network.call(two.id, &held(100_000), LONG);
    until("answered", || two.counter("requests") == 1 && one.in_flight_to(two.id) == 0).await;
    let second = one.network.call(two.id, &held(250_000), LONG);
    until("refused", || one.counter("answers_refused") == 1).await;
    assert!(soon(first).await.is_ok());
    assert_eq!(soon(second).await, Err(PeerError::ReplyRefused));
    assert!(soon(one.network.call(two.id, &[b'x'; 250_000], LONG)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_unknown_or_not_connected_is_said_at_once() {
    let authority = Authority::new();
    let one = Node::start(config(1, authority.files(1))).await;
    let two = PeerId::new(2);
    let error = one.network.call(two, b"hello", LONG).await.unwrap_err();
    assert_eq!(error, PeerError::UnknownPeer(two));
    one.network.set_peers(&[(two, "127.0.0.1:1".to_owned())].into());
    until("dialled in vain", || one.counter("fault_unreachable") > 0).await;
    let error = one.network.call(two, b"hello", LONG).await.unwrap_err();
    assert_eq!(error, PeerError::NotConnected { peer: two, reason: PeerFault::Unreachable });
    assert_eq!(error.outcome(), CallOutcome::NotExecuted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutting_down_lets_calls_end_and_begins_none() {
    let (one, two) = pair(PeerLimits::default()).await;
    let waiting = one.network.call(two.id, b"wait", LONG);
    until("two works on it", || two.network.peers()[0].requests_in_work == 1).await;
    let going = two.network.shut_down(LONG);
    let watch = async {
        let leaving =
            || matches!(one.state_of(two.id), PeerState::Connected { is_leaving: true, .. });
        until("one knows", leaving).await;
        let error = one.network.call(two.id, b"hello", LONG).await.unwrap_err();
        assert_eq!(error, PeerError::NotConnected { peer: two.id, reason: PeerFault::Leaving });
        let error = two.network.call(one.id, b"hello", LONG).await.unwrap_err();
        assert_eq!(error, PeerError::ShuttingDown);
        two.echo.gate.add_permits(1);
        assert_eq!(soon(waiting).await, Ok(b"wait".to_vec()));
    };
    soon(futures::future::join(going, watch)).await;
    until("one sees it gone", || !one.is_connected_to(two.id)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_outlives_the_grace_ends_unknown() {
    let (one, two) = pair(PeerLimits::default()).await;
    let never = two.network.call(one.id, b"never", LONG);
    soon(two.network.shut_down(Duration::from_millis(20))).await;
    let error = soon(never).await.unwrap_err();
    assert_eq!(error, PeerError::ConnectionLost(PeerFault::ShuttingDown));
    assert_eq!(error.outcome(), CallOutcome::Unknown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_all_dial_at_once_end_with_one_session_per_pair() {
    let authority = Authority::new();
    let mut nodes = Vec::new();
    for id in 1..=4 {
        nodes.push(Node::start(config(id, authority.files(id))).await);
    }
    let all: Vec<&Node> = nodes.iter().collect();
    connect(&all).await;
    for from in &nodes {
        for to in nodes.iter().filter(|to| to.id != from.id) {
            let answer = soon(from.network.call(to.id, b"who", LONG)).await.unwrap();
            assert_eq!(answer, from.id.to_string().into_bytes());
        }
    }
    let open: u64 = nodes
        .iter()
        .map(|node| node.counter("sessions_opened") - node.counter("sessions_ended"))
        .sum();
    assert_eq!(open, 4 * 3, "each of six pairs has one session with two ends");
}
