//! An authority, its nodes, networks between them, and handlers that tests can direct.

use futures::FutureExt;
use node_env::real::{RealClock, RealRng, TcpNetwork};
use node_rpc::peer::{
    HandlerFuture, HandlerRefusal, PeerConfig, PeerHandler, PeerId, PeerLimits, PeerNetwork,
    PeerSecurity, PeerState, PeerTimes, TlsFiles,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// A deadline that is not the point of a test.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Bytes of an answer that no socket takes at once.
pub(crate) const SWOLLEN_BYTES: usize = 24 << 20;

/// An authority of certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn files(&self, id: u64) -> TlsFiles {
        self.files_until(id, 2099)
    }

    /// Files of a node whose certificate ends with the beginning of a year.
    pub(crate) fn files_until(&self, id: u64, year: i32) -> TlsFiles {
        self.files_for(&[&PeerId::new(id).certificate_name()], year)
    }

    /// Files for these names.
    pub(crate) fn files_for(&self, names: &[&str], year: i32) -> TlsFiles {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        TlsFiles {
            authorities_pem: self.0.pem(),
            certificate_chain_pem: certificate.pem(),
            private_key_pem: key.serialize_pem(),
        }
    }
}

pub(crate) fn config(id: u64, files: TlsFiles) -> PeerConfig {
    PeerConfig {
        id: PeerId::new(id),
        network: "test".to_owned(),
        carrier: Arc::new(TcpNetwork),
        listen: "127.0.0.1:0".parse().unwrap(),
        security: PeerSecurity::MutualTls(files),
        times: PeerTimes::default(),
        limits: PeerLimits::default(),
        clock: Arc::new(RealClock::new()),
        rng: Arc::new(RealRng),
    }
}

/// Does what the first word of a request says, and gives the request back.
pub(crate) struct Echo {
    /// Numbers of requests in the order in which they came.
    pub(crate) seen: Mutex<Vec<u64>>,
    /// Requests that say `wait` take one of these before they answer.
    pub(crate) gate: Arc<Semaphore>,
}

impl Echo {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { seen: Mutex::default(), gate: Arc::new(Semaphore::new(0)) })
    }
}

impl PeerHandler for Echo {
    fn call(&self, from: PeerId, request: Vec<u8>) -> HandlerFuture {
        let gate = Arc::clone(&self.gate);
        let text = String::from_utf8_lossy(&request[..request.len().min(32)]).into_owned();
        let (word, number) = text.split_once(' ').unwrap_or((text.as_str(), ""));
        if let Ok(number) = number.parse() {
            self.seen.lock().unwrap().push(number);
        }
        match word {
            "panic-now" => panic!("as asked"),
            "panic" => async move { panic!("as asked") }.boxed(),
            "panic-later" => async move {
                tokio::task::yield_now().await;
                panic!("as asked")
            }
            .boxed(),
            "busy" => async { Err(HandlerRefusal::Overloaded { retry_after_ms: 77 }) }.boxed(),
            "nonsense" => async { Err(HandlerRefusal::Malformed) }.boxed(),
            "who" => async move { Ok(from.to_string().into_bytes()) }.boxed(),
            "grow" => async { Ok(vec![0; 5 << 20]) }.boxed(),
            "swell" => async move {
                gate.acquire().await.unwrap().forget();
                Ok(vec![7; SWOLLEN_BYTES])
            }
            .boxed(),
            "never" => std::future::pending().boxed(),
            "wait" => async move {
                gate.acquire().await.unwrap().forget();
                Ok(request)
            }
            .boxed(),
            _ => async move { Ok(request) }.boxed(),
        }
    }
}

/// A network with its handler.
pub(crate) struct Node {
    pub(crate) network: PeerNetwork,
    pub(crate) echo: Arc<Echo>,
    pub(crate) id: PeerId,
}

impl Node {
    pub(crate) async fn start(config: PeerConfig) -> Self {
        let echo = Echo::new();
        let id = config.id;
        let network = PeerNetwork::start(config, echo.clone()).await.unwrap();
        Self { network, echo, id }
    }

    pub(crate) fn state_of(&self, peer: PeerId) -> PeerState {
        let status = self.network.peers().into_iter().find(|status| status.peer == peer);
        status.unwrap().state
    }

    pub(crate) fn is_connected_to(&self, peer: PeerId) -> bool {
        matches!(self.state_of(peer), PeerState::Connected { .. })
    }

    pub(crate) fn in_flight_to(&self, peer: PeerId) -> usize {
        match self.state_of(peer) {
            PeerState::Connected { calls_in_flight, .. } => calls_in_flight,
            PeerState::Disconnected { .. } => 0,
        }
    }

    /// Requests of all peers that are worked on here.
    pub(crate) fn requests_in_work(&self) -> u32 {
        self.network.peers().iter().map(|status| status.requests_in_work).sum()
    }

    pub(crate) fn counter(&self, name: &str) -> u64 {
        let name = format!("medulla_peer_{name}_total");
        let all = (self.network.metrics())();
        all.into_iter().find(|(known, _)| *known == name).unwrap().1
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    let waiting = async {
        while !holds() {
            looks.tick().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "never: {what}");
}

/// Waits for a future, but not for ever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

/// Tells each node of all others, and waits until they are connected.
pub(crate) async fn connect(nodes: &[&Node]) {
    introduce(nodes);
    for node in nodes {
        for peer in nodes.iter().filter(|peer| peer.id != node.id) {
            until("connected", || node.is_connected_to(peer.id)).await;
        }
    }
}

pub(crate) fn introduce(nodes: &[&Node]) {
    let address = |node: &&Node| (node.id, node.network.address().to_string());
    let peers: BTreeMap<PeerId, String> = nodes.iter().map(address).collect();
    for node in nodes {
        node.network.set_peers(&peers);
    }
}

/// Two connected nodes, 1 and 2, with limits.
pub(crate) async fn pair(limits: PeerLimits) -> (Node, Node) {
    let authority = Authority::new();
    let node = |id| Node::start(PeerConfig { limits, ..config(id, authority.files(id)) });
    let (one, two) = (node(1).await, node(2).await);
    connect(&[&one, &two]).await;
    (one, two)
}
