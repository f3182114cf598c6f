//! Calls between two nodes in two processes over loopback with mutual TLS: rate and latency.
//!
//! `cargo run --release -p node-rpc --example peer_rate [seconds]`

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement prints, or fails")]

use futures::FutureExt;
use futures::future::join_all;
use node_env::Clock;
use node_env::real::{RealClock, RealRng, TcpNetwork};
use node_rpc::peer::{
    HandlerFuture, PeerConfig, PeerHandler, PeerId, PeerLimits, PeerNetwork, PeerSecurity,
    PeerState, PeerTimes, TlsFiles,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const ONE: PeerId = PeerId::new(1);
const TWO: PeerId = PeerId::new(2);
const SECONDS_DEFAULT: u64 = 5;

struct Echo;

impl PeerHandler for Echo {
    fn call(&self, _: PeerId, request: Vec<u8>) -> HandlerFuture {
        async move { Ok(request) }.boxed()
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match arguments.as_slice() {
        [word, folder] if word == "serve" => runtime.block_on(serve(Path::new(folder))),
        [seconds] => runtime.block_on(measure(seconds.parse().unwrap())),
        _ => runtime.block_on(measure(SECONDS_DEFAULT)),
    }
}

fn config(id: PeerId, folder: &Path) -> PeerConfig {
    let read = |name: String| std::fs::read_to_string(folder.join(name)).unwrap();
    PeerConfig {
        id,
        network: "rate".to_owned(),
        carrier: Arc::new(TcpNetwork),
        listen: "127.0.0.1:0".parse().unwrap(),
        security: PeerSecurity::MutualTls(TlsFiles {
            authorities_pem: read("authority".to_owned()),
            certificate_chain_pem: read(format!("{id}.chain")),
            private_key_pem: read(format!("{id}.key")),
        }),
        times: PeerTimes::default(),
        limits: PeerLimits::default(),
        clock: Arc::new(RealClock::new()),
        rng: Arc::new(RealRng),
    }
}

fn write_files(folder: &Path) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(folder.join("authority"), authority.pem()).unwrap();
    for id in [ONE, TWO] {
        let params = CertificateParams::new(vec![id.certificate_name()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &authority).unwrap();
        std::fs::write(folder.join(format!("{id}.chain")), chain.pem()).unwrap();
        std::fs::write(folder.join(format!("{id}.key")), key.serialize_pem()).unwrap();
    }
}

async fn serve(folder: &Path) {
    let network = PeerNetwork::start(config(TWO, folder), Arc::new(Echo)).await.unwrap();
    // Only the other side dials.
    network.set_peers(&[(ONE, "127.0.0.1:1".to_owned())].into());
    println!("{}", network.address());
    std::io::stdout().flush().unwrap();
    drop(tokio::task::spawn_blocking(|| std::io::stdin().lines().count()).await);
}

fn start_server(folder: &Path) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("serve")
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
    (child, address.trim().to_owned())
}

async fn measure(seconds: u64) {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path());
    let (mut child, address) = start_server(folder.path());
    let network =
        Arc::new(PeerNetwork::start(config(ONE, folder.path()), Arc::new(Echo)).await.unwrap());
    let clock = RealClock::new();
    network.set_peers(&[(TWO, address)].into());
    let mut looks = tokio::time::interval(Duration::from_millis(1));
    while !matches!(network.peers()[0].state, PeerState::Connected { .. }) {
        looks.tick().await;
    }
    println!("connected after {} ms; load {}", clock.monotonic_micros() / 1_000, load());
    println!(
        "{:>8} {:>12} {:>10} {:>9} {:>9} {:>14}",
        "bytes", "outstanding", "calls/s", "p50 us", "p99 us", "calls/batch"
    );
    for (bytes, callers) in [(256, 1), (256, 64), (256, 256), (4_096, 64), (4 << 20, 4)] {
        round(&network, &clock, (bytes, callers), seconds).await;
    }
    println!("load {}", load());
    drop(child.stdin.take());
    child.wait().unwrap();
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(1).collect()
}

fn batches(network: &PeerNetwork) -> u64 {
    let all = (network.metrics())();
    all.into_iter().find(|(name, _)| name.contains("batches_sent")).map_or(0, |(_, value)| value)
}

async fn round(
    network: &Arc<PeerNetwork>,
    clock: &RealClock,
    (bytes, callers): (usize, usize),
    seconds: u64,
) {
    let (start, batches_before) = (clock.monotonic_micros(), batches(network));
    let end = start + seconds * 1_000_000;
    let tasks = (0..callers).map(|_| {
        let (network, clock) = (Arc::clone(network), *clock);
        tokio::spawn(async move {
            let request = vec![7; bytes];
            let mut latencies = Vec::new();
            loop {
                let begun = clock.monotonic_micros();
                if begun >= end {
                    return latencies;
                }
                network.call(TWO, &request, Duration::from_secs(10)).await.unwrap();
                latencies.push(clock.monotonic_micros() - begun);
            }
        })
    });
    let done = join_all(tasks).await;
    let mut latencies: Vec<u64> = done.into_iter().flat_map(Result::unwrap).collect();
    latencies.sort_unstable();
    let took = clock.monotonic_micros() - start;
    let count = latencies.len() as u64;
    let sent = (batches(network) - batches_before).max(1);
    println!(
        "{bytes:>8} {callers:>12} {:>10} {:>9} {:>9} {:>14}",
        count * 1_000_000 / took,
        latencies[latencies.len() / 2],
        latencies[latencies.len() * 99 / 100],
        count / sent
    );
}
