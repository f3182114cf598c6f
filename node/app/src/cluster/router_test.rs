//! A trace over two nodes with a real connection between them: one takes a message, the other
//! owns the patient.

use super::*;
use actors_audit::HeadSigner;
use actors_runtime::{RuntimeConfig, RuntimeParts};
use actors_store::{MemoryStore, Store};
use node_env::fake::{ManualClock, SeededRng};
use node_env::real::TcpNetwork;
use node_env::trace::{FinishedSpan, TraceParts, Tracer};
use node_env::{Clock, Offload};
use node_ingest::gateway::Gateway;
use node_ingest::hl7;
use node_ingest::limits::IngestLimits;
use node_rpc::peer::{PeerConfig, PeerLimits, PeerSecurity, PeerTimes};
use schema_types::cluster::{Epoch, HashRange, ShardPlace};
use schema_types::ids::TenantId;
use std::net::SocketAddr;

const CANARY: &str = "ZZCANARY";

struct World {
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(1_780_315_200_000_000));
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>));
        Self { clock, store }
    }

    async fn runtime(&self, id: u64, opens_all_shards: bool, tracer: &Tracer) -> Runtime {
        let config = RuntimeConfig {
            node: format!("node-{id}"),
            shards: 1,
            opens_all_shards,
            ..RuntimeConfig::default()
        };
        let parts = RuntimeParts {
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            signer: Arc::new(HeadSigner::new(&[7; 32])),
            config,
        };
        let runtime = Runtime::start(parts).await.unwrap();
        runtime.trace_by(tracer.clone());
        runtime
    }

    async fn network(&self, id: u64, runtime: &Runtime) -> PeerNetwork {
        let config = PeerConfig {
            id: PeerId::new(id),
            network: "entities".to_owned(),
            carrier: Arc::new(TcpNetwork),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            security: PeerSecurity::InsecureDevelopment,
            times: PeerTimes::default(),
            limits: PeerLimits::default(),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            rng: Arc::new(SeededRng::new(id)),
        };
        PeerNetwork::start(config, Arc::new(Served(runtime.clone()))).await.unwrap()
    }

    fn tracer(&self, seed: u64, traces_per_million: u32) -> Tracer {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        Tracer::new(TraceParts { clock, rng: Arc::new(SeededRng::new(seed)), traces_per_million })
    }
}

/// Everything belongs to node 2.
fn map() -> Arc<ShardMap> {
    let place = ShardPlace {
        shard: ShardId(0),
        range: HashRange::WHOLE,
        epoch: Epoch(1),
        owner: Some(NodeId(2)),
        is_open: true,
    };
    Arc::new(ShardMap::new(1, vec![place]).unwrap())
}

fn message() -> String {
    format!(
        "MSH|^~\\&|LIS|H|MEDULLA|H|20260601||ORU^R01^ORU_R01|C{CANARY}|P|2.5.1\r\
         PID|1||P{CANARY}^^^H^MR||{CANARY}\rOBR|1|||2823-3^Potassium^LN|||202606011000\r\
         OBX|1|NM|2823-3^Potassium^LN||4.1|mmol/L^^UCUM|||||F|||202606011000\r"
    )
}

fn parts(spans: &[FinishedSpan], operation: Operation) -> impl Iterator<Item = &FinishedSpan> {
    spans.iter().filter(move |span| span.operation == operation)
}

/// Sends a message to node 1 within a span, when it is traced.
async fn send(gateway: &Gateway, traced_by: &Tracer) {
    let message = message();
    let work = Box::pin(hl7::receive_frame(gateway, message.as_bytes()));
    let answered = match traced_by.request(Operation::MllpMessage, None) {
        None => work.await,
        Some(span) => {
            let answered = span.around(work).await;
            span.end(Outcome::Done("answered"));
            answered
        }
    };
    let reply = String::from_utf8(answered.reply).unwrap();
    assert!(reply.contains("MSA|AA"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_one_trace_over_the_nodes_that_it_crosses() {
    let world = World::new();
    // What node 2 traces is decided by node 1.
    let (one, two) = (world.tracer(1, 1_000_000), world.tracer(2, 0));
    let owner = world.runtime(2, true, &two).await;
    let taker = world.runtime(1, false, &one).await;
    let (near, far) = (world.network(1, &taker).await, world.network(2, &owner).await);
    near.set_peers(&BTreeMap::from([(PeerId::new(2), far.address().to_string())]));
    far.set_peers(&BTreeMap::from([(PeerId::new(1), near.address().to_string())]));
    let router = Router::new(NodeId(1));
    router.map.store(Some(map()));
    router.call_over(near);
    taker.forward_by(Arc::clone(&router) as Arc<dyn Forward>);
    let gateway = Gateway {
        runtime: taker,
        tenant: TenantId::new("t1"),
        limits: IngestLimits::default(),
        rng: Arc::new(SeededRng::new(3)),
        offload: Offload::Pool,
    };
    send(&gateway, &one).await;
    let (here, there) = (one.take(1_000), two.take(1_000));
    let root = parts(&here, Operation::MllpMessage).next().unwrap();
    let submit = parts(&here, Operation::Submit).next().unwrap();
    assert_eq!(submit.parent, Some(root.context.span()));
    let is_answered = |span: &&FinishedSpan| {
        span.outcome == Outcome::Done("answered") && span.parent == Some(submit.context.span())
    };
    let forward = parts(&here, Operation::Forward).find(is_answered).unwrap();
    let serve = parts(&there, Operation::Serve)
        .find(|span| span.parent == Some(forward.context.span()))
        .unwrap();
    let commit = parts(&there, Operation::Commit)
        .find(|span| span.parent == Some(serve.context.span()))
        .unwrap();
    assert_eq!(commit.outcome, Outcome::Done("done"));
    for span in here.iter().chain(&there) {
        assert_eq!(span.context.trace(), root.context.trace());
        assert!(!format!("{span:?}").contains("CANARY"), "PHI-1");
    }
    // A node that traces nothing passes nothing on, and calls look as before.
    send(&gateway, &Tracer::off()).await;
    assert!(one.take(1_000).is_empty() && two.take(1_000).is_empty());
    let calls = router.counters.calls.load(Ordering::Relaxed);
    assert!(calls >= 2, "both messages crossed: {calls}");
    far.shut_down(Duration::from_secs(1)).await;
}
