//! Callers over the actor RPC API: observations and audited reads, one by one or many in a call.

use crate::error::BenchError;
use crate::load::Caller;
use crate::local::{Crowd, Share};
use crate::people::{PRINCIPAL, patient_key};
use crate::plan::Plan;
use crate::vitals::vital;
use node_client::{Client, ClientConfig, ClientError, NewObservation, RetryPolicy};
use node_env::Clock;
use std::sync::Arc;

/// Clients: each has a thread.
const CLIENTS: usize = 1;

/// Clients with so many connections each, which callers share.
///
/// # Errors
/// [`BenchError::Outside`] when the node cannot be reached.
pub async fn clients(address: &str, plan: &Plan) -> Result<Vec<Client>, BenchError> {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let config = ClientConfig {
            address: address.to_owned(),
            principal: PRINCIPAL.to_owned(),
            connections: plan.connections.clamp(1, plan.concurrency.max(1)),
            // A retry would hide what the node refused.
            retry: RetryPolicy::NEVER,
            ..ClientConfig::default()
        };
        let client = Client::connect(config).await;
        clients.push(client.map_err(|error| BenchError::outside("RPC", error))?);
    }
    Ok(clients)
}

fn code(error: &ClientError) -> String {
    match error {
        ClientError::Refused { code, .. } => code.as_str().to_owned(),
        ClientError::UnknownCode { code, .. } => code.clone(),
        ClientError::Disconnected { .. } => "connection".to_owned(),
        ClientError::Deadline => "deadline".to_owned(),
        ClientError::Protocol { .. } => "protocol".to_owned(),
        ClientError::Closed => "closed".to_owned(),
    }
}

/// Operations that were done, or the code of the first failure.
fn settle<T>(results: Vec<Result<T, ClientError>>) -> Result<u32, String> {
    let mut done = 0;
    for result in results {
        result.map_err(|error| code(&error))?;
        done += 1;
    }
    Ok(done)
}

/// Records vital signs.
pub struct RpcObserver {
    client: Client,
    clock: Arc<dyn Clock>,
    share: Share,
    command_prefix: String,
    batch: usize,
}

impl RpcObserver {
    /// Callers that share the clients and the patients between them.
    #[must_use]
    pub fn crowd(clients: &[Client], clock: &Arc<dyn Clock>, crowd: &Crowd) -> Vec<Self> {
        let mut clients = clients.iter().cycle().cloned();
        let callers = crowd.make(|index, share| {
            clients.next().map(|client| Self {
                client,
                clock: Arc::clone(clock),
                share,
                command_prefix: format!("{:x}-{index:x}", crowd.run),
                batch: crowd.batch.max(1),
            })
        });
        callers.into_iter().flatten().collect()
    }

    fn next_item(&mut self) -> (String, NewObservation) {
        let (patient, turn) = self.share.next_turn();
        let (measure, value) = vital(patient, turn);
        let at = self.clock.wall_unix_micros();
        let code = measure.loinc().unwrap_or_default();
        let observation = NewObservation::quantity(code, value, measure.unit(), at);
        let id = format!("{}-{patient:x}-{turn:x}", self.command_prefix);
        (patient_key(patient), observation.with_command_id(id))
    }
}

impl Caller for RpcObserver {
    async fn call(&mut self) -> Result<u32, String> {
        if self.batch == 1 {
            let (patient, observation) = self.next_item();
            let done = self.client.observe(&patient, observation).await;
            return done.map(|_| 1).map_err(|error| code(&error));
        }
        let items = (0..self.batch).map(|_| self.next_item()).collect();
        settle(self.client.observe_many(items).await.map_err(|error| code(&error))?)
    }
}

/// Reads live states, each with its audit record.
pub struct RpcReader {
    client: Client,
    share: Share,
    batch: usize,
}

impl RpcReader {
    /// Callers that share the clients and the patients between them.
    #[must_use]
    pub fn crowd(clients: &[Client], crowd: &Crowd) -> Vec<Self> {
        let mut clients = clients.iter().cycle().cloned();
        let batch = crowd.batch.max(1);
        let callers =
            crowd.make(|_, share| clients.next().map(|client| Self { client, share, batch }));
        callers.into_iter().flatten().collect()
    }
}

impl Caller for RpcReader {
    async fn call(&mut self) -> Result<u32, String> {
        if self.batch == 1 {
            let patient = patient_key(self.share.next_turn().0);
            let done = self.client.read(&patient).await;
            return done.map(|_| 1).map_err(|error| code(&error));
        }
        let patients = (0..self.batch).map(|_| patient_key(self.share.next_turn().0)).collect();
        settle(self.client.read_many(patients).await.map_err(|error| code(&error))?)
    }
}
