//! A node for tests: in memory on a faked disk, or on a real folder.

use node_app::{Environment, Node, NodeConfig, NodeError, assemble};
use node_env::fake::{FakeDisk, ManualClock, SeededRng};
use node_env::real::{RealClock, RealDisk, RealRng, TcpNetwork, ThreadSpawner};
use node_ingest::gateway::Caller;
use node_store_embedded::Execution;
use schema_types::ids::PrincipalId;
use std::path::Path;
use std::sync::Arc;

/// Noon on 2026-06-01, UTC.
pub(crate) const START: i64 = 1_780_315_200_000_000;
pub(crate) const DATA: &str = "/data";

/// A node's outside world, in memory.
pub(crate) struct World {
    pub(crate) disk: FakeDisk,
    pub(crate) clock: Arc<ManualClock>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self { disk: FakeDisk::new(seed), clock: Arc::new(ManualClock::new(START)) }
    }

    /// Everything happens on the caller's runtime.
    pub(crate) fn environment(&self) -> Environment {
        Environment {
            disk: Arc::new(self.disk.clone()),
            clock: Arc::clone(&self.clock) as Arc<dyn node_env::Clock>,
            rng: Arc::new(SeededRng::new(7)),
            network: Arc::new(TcpNetwork),
            execution: Execution::Inline,
        }
    }

    pub(crate) async fn start(&self) -> Result<Node, NodeError> {
        let config = NodeConfig { segment_bytes: 256 * 1024, ..NodeConfig::new(DATA) };
        assemble(self.environment(), config).await
    }
}

/// A node on a real folder with real threads.
pub(crate) async fn start_real(folder: &Path, http: Option<&str>) -> Result<Node, NodeError> {
    let environment = Environment {
        disk: Arc::new(RealDisk),
        clock: Arc::new(RealClock::new()),
        rng: Arc::new(RealRng),
        network: Arc::new(TcpNetwork),
        execution: Execution::Threads(Arc::new(ThreadSpawner)),
    };
    let config = NodeConfig { http: http.map(str::to_owned), ..NodeConfig::new(folder) };
    assemble(environment, config).await
}

pub(crate) fn caller() -> Caller {
    Caller { principal: PrincipalId::new("tester"), purpose: "TREAT".to_owned() }
}

/// The corpus, if the environment names it.
pub(crate) fn corpus() -> Option<std::path::PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "tests find the corpus by environment")]
    let path = std::env::var("MEDULLA_CORPUS").ok();
    path.map(Into::into)
}

/// One result of one patient, as an HL7 message.
pub(crate) fn result(patient: &str, control_id: &str, minute: u32) -> Vec<u8> {
    format!(
        "MSH|^~\\&|LIS|H|MEDULLA|H|20260601||ORU^R01^ORU_R01|{control_id}|P|2.5.1\r\
         PID|1||{patient}^^^H^MR\rOBR|1|||2823-3^Potassium^LN|||2026060110{minute:02}\r\
         OBX|1|NM|2823-3^Potassium^LN||4.1|mmol/L^^UCUM|||||F|||2026060110{minute:02}\r"
    )
    .into_bytes()
}
