//! Peers that break the protocol: the connection ends, others go on, memory stays bounded.

use std::sync::Arc;
use std::time::Duration;

use actors_store::Store;
use futures::FutureExt;
use node_env::Rng;
use node_env::fake::SeededRng;
use node_store_remote::limits::{FRAME_BYTES_MAX, GREETING_BYTES_MAX};
use node_store_remote::{Acceptor, ConnectError, RemoteStore};
use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::net::{Net, Wire};
use crate::raw;
use crate::world::{World, config, count, number};

fn garbage(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    SeededRng::new(seed).fill(&mut bytes);
    bytes
}

/// Sends bytes and gives all that comes back until the server closes.
async fn answer(net: &Net, bytes: &[u8]) -> Vec<u8> {
    let mut stream = net.dial().unwrap();
    // The server may be gone before it has taken everything.
    drop(stream.write_all(bytes).await);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

#[tokio::test(start_paused = true)]
async fn what_is_no_greeting_is_refused() {
    let world = World::new();
    let server = world.serve();
    let mut torn = raw::hello(raw::VERSION, 1, 1);
    *torn.last_mut().unwrap() ^= 1;
    let large = [u32::try_from(GREETING_BYTES_MAX + 1).unwrap().to_le_bytes(), [0; 4]].concat();
    let cases = [
        ("text", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("a changed byte", torn),
        ("a large frame", large),
        ("an empty frame", vec![0; 16]),
        ("a request", raw::frame(raw::BEGIN, 1, &[])),
        ("another magic", raw::frame(raw::HELLO, 0, b"MEDSTOREX")),
    ];
    for (name, bytes) in &cases {
        let answer = answer(&world.net, bytes).await;
        assert_eq!(raw::farewell(&answer), Some(raw::FAREWELL_NO_GREETING), "{name}");
    }
    let silent = answer(&world.net, &[]).await;
    assert_eq!(raw::farewell(&silent), Some(raw::FAREWELL_SILENT));
    assert_eq!(server.stats().refused, cases.len() as u64 + 1);
    assert_eq!(server.stats().sessions, 0);
}

#[tokio::test(start_paused = true)]
async fn versions_that_differ_are_told_on_both_sides() {
    let world = World::new();
    let _server = world.serve();
    let told = answer(&world.net, &raw::hello(raw::VERSION + 1, 1, 1)).await;
    let frames = raw::frames(&told);
    let (kind, _, body) = frames.last().unwrap();
    assert_eq!((*kind, body[0]), (raw::FAREWELL, raw::FAREWELL_VERSION));
    assert_eq!(body[1..3], raw::VERSION.to_le_bytes());

    // A server of another time: it says farewell, or greets as if it understood.
    let theirs = 9_u16.to_le_bytes();
    let farewell = [&[raw::FAREWELL_VERSION][..], &theirs].concat();
    for (kind, body) in [(raw::FAREWELL, farewell), (raw::WELCOME, theirs.to_vec())] {
        let net = Net::default();
        let mut acceptor = net.listen();
        let client = RemoteStore::start(net.connector(&Wire::new()), config("a", 1));
        let mut stream = acceptor.accept().await.unwrap();
        stream.write_all(&raw::frame(kind, 0, &body)).await.unwrap();
        let found = client.wait_connected().await;
        let Err(ConnectError::Refused { reason }) = found else { panic!("{found:?}") };
        assert!(reason.contains("version 9"), "{reason}");
        assert!(reason.contains(&format!("client {}", raw::VERSION)), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_breaks_the_protocol_ends_alone() {
    let world = World::new();
    let server = world.serve();
    let client = world.connected(config("good", 1), &Wire::new()).await;
    let too_large = [u32::try_from(FRAME_BYTES_MAX + 1).unwrap().to_le_bytes(), [0; 4]].concat();
    let many_items = [&[0][..], &[0; 8], &u32::MAX.to_le_bytes(), &[0; 8]].concat();
    let cases = [
        ("a frame that is too large", too_large),
        ("garbage", garbage(1, 3_000)),
        ("an unknown kind", raw::frame(200, 1, &[])),
        ("a reply", raw::frame(raw::WELCOME, 0, &[0; 18])),
        ("a second greeting", raw::hello(raw::VERSION, 5, 5)),
        ("a request that goes on", raw::frame(raw::BEGIN, 1, &[0])),
        ("a request that is cut", raw::frame(raw::GET, 1, &[0; 9])),
        ("more items than bytes", raw::frame(raw::COMMIT, 1, &many_items)),
        ("a flag of 7", raw::frame(raw::COMMIT, 1, &[7])),
    ];
    for (round, (name, bytes)) in cases.iter().enumerate() {
        let mut stream = raw::greeted(&world.net, 1, 1 + round as u64).await;
        drop(stream.write_all(bytes).await);
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(raw::farewell(&answer), Some(raw::FAREWELL_PROTOCOL), "{name}");
        client.commit(count("k", None)).await.unwrap();
    }
    assert_eq!(server.stats().broken, cases.len() as u64);
    assert_eq!(world.stored("k").await, number(i64::try_from(cases.len()).unwrap()));
}

#[tokio::test(start_paused = true)]
async fn unreasonable_requests_are_answered_by_the_store() {
    let world = World::new();
    let _server = world.serve();
    let mut stream = raw::greeted(&world.net, 1, 1).await;
    let key = [&20_000_u32.to_le_bytes()[..], &vec![b'k'; 20_000]].concat();
    // No lane, version 0, no ranges, one clear of a key that is too long.
    let commit = [&[0][..], &[0; 16], &1_u32.to_le_bytes(), &[2], &key].concat();
    stream.write_all(&raw::frame(raw::COMMIT, 1, &commit)).await.unwrap();
    let unknown_snapshot = [&9_u64.to_le_bytes()[..], &1_u32.to_le_bytes(), b"k"].concat();
    stream.write_all(&raw::frame(raw::GET, 2, &unknown_snapshot)).await.unwrap();
    let mut answer = [0; 64];
    let mut length = 0;
    while raw::frames(&answer[..length]).iter().filter(|(kind, ..)| *kind != 7).count() < 2 {
        length += stream.read(&mut answer[length..]).await.unwrap();
    }
    let frames = raw::frames(&answer[..length]);
    let reply =
        |id| frames.iter().find(|(_, of, _)| *of == id).map(|(kind, _, body)| (*kind, body[0]));
    assert_eq!(reply(1), Some((72, 4)), "the key is too large");
    assert_eq!(reply(2), Some((70, 1)), "the snapshot is too old");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_talks_nonsense_is_left_and_tried_again() {
    let welcome = |limits: [u64; 2]| {
        let [commits, bytes] = limits.map(u64::to_le_bytes);
        raw::frame(raw::WELCOME, 0, &[&raw::VERSION.to_le_bytes()[..], &commits, &bytes].concat())
    };
    let greeted = welcome([10, 1_000]);
    for (name, bytes) in [
        ("garbage", garbage(3, 500)),
        ("no greeting", raw::frame(raw::HEARTBEAT, 0, &[])),
        ("a greeting that is cut", raw::frame(raw::WELCOME, 0, &raw::VERSION.to_le_bytes())),
        ("an unknown farewell", raw::frame(raw::FAREWELL, 0, &[99, 1, 0])),
        ("a reply to nothing", [&greeted[..], &raw::frame(67, 1, &[0; 8])].concat()),
        ("an unknown reply", [&greeted[..], &raw::frame(99, 1, &[])].concat()),
    ] {
        let net = Net::default();
        let mut acceptor = net.listen();
        let client = RemoteStore::start(net.connector(&Wire::new()), config("a", 1));
        for _ in 0..3 {
            let mut stream = acceptor.accept().await.unwrap();
            stream.write_all(&bytes).await.unwrap();
        }
        assert_eq!(client.stopped(), None, "{name}");
        let world = World::new();
        let _server = node_store_remote::RemoteServer::start(
            Arc::clone(&world.served),
            acceptor,
            world.config.clone(),
        );
        client.commit_when_connected("k").await;
        assert_eq!(world.stored("k").await, number(1), "{name}");
    }
}

trait CommitWhenConnected {
    async fn commit_when_connected(&self, key: &str);
}

impl CommitWhenConnected for Arc<RemoteStore> {
    async fn commit_when_connected(&self, key: &str) {
        self.begin().await.unwrap();
        self.commit(count(key, None)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_silent_is_left_and_one_that_beats_is_kept() {
    let world = World::new();
    let server = world.serve();
    let mut silent = raw::greeted(&world.net, 1, 1).await;
    let mut beating = raw::greeted(&world.net, 2, 1).await;
    let mut answer = Vec::new();
    {
        let mut reading = std::pin::pin!(silent.read_to_end(&mut answer));
        while (&mut reading).now_or_never().is_none() {
            beating.write_all(&raw::frame(raw::HEARTBEAT, 0, &[])).await.unwrap();
            tokio::time::advance(Duration::from_millis(250)).await;
        }
    }
    assert_eq!(raw::farewell(&answer), Some(raw::FAREWELL_SILENT));
    assert_eq!(server.stats().lost, 1);
    beating.write_all(&raw::frame(raw::BEGIN, 1, &[])).await.unwrap();
    let mut heard = Vec::new();
    while !raw::frames(&heard).iter().any(|(_, id, _)| *id == 1) {
        beating.read_buf(&mut heard).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_replies_is_cut_and_costs_little_lim_1() {
    let world = World::new();
    let server = world.serve();
    let client = world.connected(config("good", 1), &Wire::new()).await;
    let value = vec![b'v'; 90_000];
    for key in 0..60 {
        let mutations = vec![actors_store::Mutation::set(format!("{key:02}"), value.clone())];
        client
            .commit(actors_store::CommitRequest { mutations, ..Default::default() })
            .await
            .unwrap();
    }
    let mut stream = raw::greeted(&world.net, 1, 1).await;
    stream.write_all(&raw::frame(raw::BEGIN, 1, &[])).await.unwrap();
    let query = [&1_u64.to_le_bytes()[..], &1_000_u32.to_le_bytes(), &[0], &[0; 4]].concat();
    let query = [&query[..], &1_u32.to_le_bytes(), b"x"].concat();
    let before = server.stats().reads;
    let mut asked = 0;
    // Asks as fast as the server listens; reads nothing.
    while server.stats().lost == 0 {
        let frame = raw::frame(raw::RANGE, 2 + asked, &query);
        match stream.write_all(&frame).now_or_never() {
            Some(Ok(())) => asked += 1,
            Some(Err(_)) => break,
            None => tokio::time::advance(Duration::from_millis(100)).await,
        }
        tokio::task::yield_now().await;
    }
    assert!(asked > 100, "{asked}");
    let pages = server.stats().reads - before;
    assert!((1..=6).contains(&pages), "{pages} pages of 4 MB waited for the socket");
    client.commit(count("k", None)).await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// Frames that are whole and mean anything or nothing, and bytes that are no frames at all:
    /// the session ends or goes on, the server goes on.
    #[test]
    fn no_bytes_harm_the_server(seed in any::<u64>(), count_of_frames in 1_usize..40) {
        crate::world::block_on(async move {
            let world = World::new();
            let _server = world.serve();
            let rng = SeededRng::new(seed);
            let mut stream = raw::greeted(&world.net, 1, 1).await;
            for id in 0..count_of_frames as u64 {
                let length = usize::try_from(rng.next_u64() % 60).unwrap();
                let mut body = garbage(rng.next_u64(), length);
                // Small numbers are more often right.
                body.iter_mut().for_each(|byte| *byte %= 8);
                let kind = u8::try_from(2 + rng.next_u64() % 6).unwrap();
                drop(stream.write_all(&raw::frame(kind, id, &body)).await);
            }
            drop(stream.write_all(&garbage(seed, 100)).await);
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            prop_assert!(raw::frames(&answer).len() <= count_of_frames + 20);
            let client = world.connected(config("good", 1), &Wire::new()).await;
            client.commit_when_connected("k").await;
            Ok(())
        })?;
    }
}
