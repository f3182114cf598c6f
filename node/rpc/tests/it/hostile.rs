//! Bytes that no client sends: the connection ends, the node goes on, memory stays bounded.

use super::world::{World, heart_rate};
use node_env::Rng;
use node_env::fake::SeededRng;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A message header: one segment of so many words.
fn header(words: u32) -> Vec<u8> {
    [0_u32.to_le_bytes(), words.to_le_bytes()].concat()
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A struct pointer: offset in words, data words, pointer words.
const fn pointer(offset: i32, data: u64, pointers: u64) -> u64 {
    ((offset.cast_unsigned() << 2) as u64) | (data << 32) | (pointers << 48)
}

/// Root, then the rest; as one message.
fn message(body: &[u64]) -> Vec<u8> {
    [header(u32::try_from(body.len()).unwrap()), words(body)].concat()
}

fn garbage(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    SeededRng::new(seed).fill(&mut bytes);
    bytes
}

fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let whole = message(&[pointer(0, 1, 1), 8, pointer(0, 2, 1), 0, 0, 0]);
    let mut samples = vec![
        ("nothing", Vec::new()),
        ("text", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("a huge segment table", u32::MAX.to_le_bytes().to_vec()),
        ("many segments", [511_u32.to_le_bytes().to_vec(), vec![0xFF; 4_096]].concat()),
        ("a huge segment", header(u32::MAX)),
        ("more than a message may have", header(1 << 21)),
        ("a truncated message", whole[..whole.len() - 9].to_vec()),
        ("a pointer out of bounds", message(&[pointer(1_000, 1, 1)])),
        ("a pointer to itself", message(&[pointer(-1, 0, 1)])),
        ("a loop of far pointers", message(&[0b010, 0b010])),
        ("an empty root", message(&[0])),
        ("a list of a billion voids", message(&[0b01, (0x1FFF_FFFF << 35) | 1])),
    ];
    // Every message of the protocol's first level, with nothing in it.
    for kind in 0..20 {
        samples.push(("an empty message of each kind", message(&[pointer(0, 1, 1), kind, 0])));
    }
    // A chain of pointers deeper than any limit.
    let deep: Vec<u64> = std::iter::repeat_n(pointer(0, 0, 1), 4_000).collect();
    samples.push(("deep nesting", message(&deep)));
    // A call whose content is one list of structs that all point to the same place.
    let mut wide = vec![pointer(0, 1, 1), 2, pointer(0, 3, 3), 0, 0, 0, 0, 0, 0];
    wide.extend(std::iter::repeat_n(pointer(-1, 0, 1), 10_000));
    samples.push(("amplification", message(&wide)));
    for seed in 0..40 {
        samples.push(("garbage", garbage(seed, 1 + usize::try_from(seed).unwrap() * 97)));
        let mut framed = header(64);
        framed.extend(garbage(seed + 100, 64 * 8));
        samples.push(("framed garbage", framed));
        let mut typed = header(65);
        typed.extend(words(&[pointer(0, 1, 1), seed % 14]));
        typed.extend(garbage(seed + 200, 63 * 8));
        samples.push(("typed garbage", typed));
    }
    samples
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bytes_end_their_own_connection_only() {
    let mut world = World::new();
    world.limits.login_ms_max = 500;
    let node = world.start().await;
    let client = node.client().await;
    let sent = samples().into_iter().map(|(name, bytes)| async move {
        let mut stream = TcpStream::connect(node.address).await.unwrap();
        // The other side may have gone before everything was written.
        drop(stream.write_all(&bytes).await);
        drop(stream.shutdown().await);
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer));
        assert!(read.await.is_ok(), "{name}: the connection stays open");
        assert!(answer.len() < 65_536, "{name}: {} bytes of answer", answer.len());
    });
    futures::future::join_all(sent).await;
    for value in 0..10 {
        client.observe("p1", heart_rate(60 + value, value)).await.unwrap();
    }
    assert_eq!(node.recorded(&client, "p1").await, 10);
    node.stop().await;
}
