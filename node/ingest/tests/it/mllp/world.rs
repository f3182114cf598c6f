//! A node on the in-memory store, a served MLLP port and a client. Every person is invented.

use actors_audit::HeadSigner;
use actors_patient::Patient;
use actors_patient::command::{Command, Read, Reply};
use actors_runtime::trail::{self, TrailEntry};
use actors_runtime::{Runtime, RuntimeConfig, RuntimeParts, SubmitError};
use actors_store::MemoryStore;
use node_env::fake::{ManualClock, SeededRng};
use node_env::real::TcpNetwork;
use node_env::{Network, Offload};
use node_ingest::gateway::{Caller, Gateway};
use node_ingest::limits::IngestLimits;
use node_ingest::mllp::{self, Counters};
use node_ingest::quarantine;
use schema_hl7::mllp::{FrameDecoder, encode_frame};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityId, PrincipalId, TenantId};
use schema_types::patient::PatientState;
use schema_wire::journal::QuarantineRecord;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// 2026-11-23T00:00:00Z.
pub(crate) const NOW_MICROS: i64 = 1_795_392_000_000_000;
pub(crate) const PID: &str = "PID|1||4711^^^NORTH^MR||Canary^Ada||19610504|F";
pub(crate) const PV1: &str = "PV1|1|I|W2^R4^B1^NORTH||||||||||||||||V900^^^NORTH^VN";
pub(crate) const OBR: &str = "OBR|1|P77|F88|85353-1^Vital signs panel^LN|||20261120080000";

pub(crate) fn msh(kind: &str, control_id: &str) -> String {
    format!("MSH|^~\\&|APP|NORTH|MED|NORTH|20261120090000||{kind}|{control_id}|P|2.5.1")
}

/// Segments ended as the standard says.
pub(crate) fn join(segments: &[&str]) -> Vec<u8> {
    segments.iter().flat_map(|segment| [segment.as_bytes(), b"\r"].concat()).collect()
}

/// An ADT message about patient NORTH.4711.
pub(crate) fn adt(trigger: &str, control_id: &str) -> Vec<u8> {
    let evn = format!("EVN|{trigger}|20261120083000");
    join(&[&msh(&format!("ADT^{trigger}"), control_id), &evn, PID, PV1])
}

/// A heart rate of a patient of NORTH.
pub(crate) fn heart_rate(patient: &str, control_id: &str, value: &str) -> Vec<u8> {
    let pid = format!("PID|1||{patient}^^^NORTH^MR");
    let obr = format!("OBR|1||{control_id}|85353-1^Vital signs panel^LN|||20261120080000");
    let obx = format!("OBX|1|NM|8867-4^Heart rate^LN||{value}|/min|||||F|||20261120080100");
    join(&[&msh("ORU^R01", control_id), &pid, &obr, &obx])
}

pub(crate) fn person() -> Caller {
    Caller { principal: PrincipalId::new("tester"), purpose: "TREAT".to_owned() }
}

/// A node with a served MLLP port.
pub(crate) struct World {
    pub(crate) store: MemoryStore,
    pub(crate) gateway: Gateway,
    pub(crate) counters: Arc<Counters>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) address: SocketAddr,
    pub(crate) signer: Arc<HeadSigner>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(IngestLimits::default()).await
    }

    pub(crate) async fn with(limits: IngestLimits) -> Self {
        let clock = Arc::new(ManualClock::new(NOW_MICROS));
        let store = MemoryStore::new(clock.clone());
        let signer = Arc::new(HeadSigner::new(&[7; 32]));
        let parts = RuntimeParts {
            store: Arc::new(store.clone()),
            clock: clock.clone(),
            signer: signer.clone(),
            config: RuntimeConfig { shards: 2, ..RuntimeConfig::default() },
        };
        let gateway = Gateway {
            runtime: Runtime::start(parts).await.unwrap(),
            tenant: TenantId::new("test"),
            limits,
            rng: Arc::new(SeededRng::new(1)),
            offload: Offload::Pool,
        };
        let listener = TcpNetwork.listen("127.0.0.1:0").await.unwrap();
        let address = listener.local_address().unwrap();
        let counters = Arc::new(Counters::default());
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move { drop(stopped.await) };
        let served =
            tokio::spawn(mllp::serve(listener, gateway.clone(), counters.clone(), shutdown));
        let stop = Some(stop);
        Self { store, gateway, counters, clock, address, signer, stop, served }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// Stops serving and waits until every connection is closed.
    pub(crate) async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.served.await.unwrap();
    }

    /// The state of a patient; empty when nobody ever heard of one.
    pub(crate) async fn state(&self, key: &str) -> PatientState {
        let question = Command::Read(Read::State);
        let patient = self.gateway.patient(key);
        match self.gateway.ask::<Patient>(&person(), patient, question).await {
            Ok(Reply::State(state)) => *state,
            Err(SubmitError::Rejected(rejection))
                if rejection.code == ErrorCode::PatientUnknown =>
            {
                PatientState::default()
            }
            other => panic!("not a state: {other:?}"),
        }
    }

    /// Waits until the state of a patient fulfils a condition: notices between patients arrive
    /// after the answer.
    pub(crate) async fn settled(
        &self,
        key: &str,
        mut is_settled: impl FnMut(&PatientState) -> bool,
    ) -> PatientState {
        for _ in 0..1_000 {
            let state = self.state(key).await;
            if is_settled(&state) {
                return state;
            }
            tokio::task::yield_now().await;
        }
        panic!("the state did not come about");
    }

    pub(crate) async fn trail(&self, entity: &EntityId) -> Vec<TrailEntry> {
        let snapshot = self.gateway.runtime.snapshot().await.unwrap();
        trail::of_entity(&*snapshot, entity, 1_000).await.unwrap()
    }

    pub(crate) async fn quarantined(&self) -> Vec<QuarantineRecord> {
        let snapshot = self.gateway.runtime.snapshot().await.unwrap();
        quarantine::list(&*snapshot, None, 1_000).await.unwrap().0
    }

    pub(crate) async fn raw(&self, record: &QuarantineRecord) -> Vec<u8> {
        let snapshot = self.gateway.runtime.snapshot().await.unwrap();
        quarantine::raw(&*snapshot, record).await.unwrap()
    }

    /// Every shard's audit log verifies (AUD-2).
    pub(crate) async fn verify_audit(&self) {
        let snapshot = self.gateway.runtime.snapshot().await.unwrap();
        let key = [self.signer.public()];
        for shard in 0..self.gateway.runtime.shards().0 {
            let report = trail::verify_shard(&*snapshot, shard, &key, &[]).await.unwrap();
            assert!(report.ok, "{report:?}");
        }
    }
}

/// An acknowledgement as the client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ack(pub(crate) String);

impl Ack {
    fn fields(&self, segment: &str) -> Vec<&str> {
        let line = self.0.split('\r').find(|line| line.starts_with(segment)).unwrap_or_default();
        line.split('|').collect()
    }

    pub(crate) fn field(&self, segment: &str, number: usize) -> &str {
        self.fields(segment).get(number).copied().unwrap_or_default()
    }

    /// MSA-1 and MSA-2.
    pub(crate) fn msa(&self) -> (&str, &str) {
        (self.field("MSA", 1), self.field("MSA", 2))
    }

    /// Our code in ERR-5.
    pub(crate) fn code(&self) -> &str {
        self.field("ERR", 5).split('^').next().unwrap_or_default()
    }
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    decoder: FrameDecoder,
}

impl Client {
    fn new(stream: TcpStream) -> Self {
        Self { stream, decoder: FrameDecoder::new(16 * 1024 * 1024) }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next answer; `None` when the connection is closed.
    pub(crate) async fn answer(&mut self) -> Option<Ack> {
        let mut input = vec![0; 4_096];
        loop {
            if let Some(piece) = self.decoder.next() {
                let bytes = piece.unwrap().bytes.into_exposed();
                return Some(Ack(String::from_utf8(bytes).unwrap()));
            }
            let read = self.stream.read(&mut input).await.unwrap();
            if read == 0 {
                return None;
            }
            self.decoder.push(&input[..read]);
        }
    }

    pub(crate) async fn exchange(&mut self, message: &[u8]) -> Ack {
        self.send(&encode_frame(message)).await;
        self.answer().await.unwrap()
    }
}
