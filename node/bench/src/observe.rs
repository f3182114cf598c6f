//! `observe` without a socket: durable observation, score, reply, through the gateway's door.

use crate::load::Caller;
use crate::people::{self, observation, patient_key, report, submit};
use node_ingest::gateway::{self, Gateway};
use schema_types::ids::EntityId;

/// Submits vital signs of its share of the patients, one after the other.
#[derive(Clone)]
pub struct Observer {
    gateway: Gateway,
    caller: gateway::Caller,
    /// Number and name of each of its patients.
    patients: Vec<(u64, EntityId)>,
    /// What makes the command ids of this caller its own.
    name: String,
    calls: u64,
}

/// Callers that share the patients between them; each patient belongs to one caller while there
/// are enough of them. `run` tells runs on the same data apart.
#[must_use]
pub fn observers(gateway: &Gateway, patients: u64, count: usize, run: u64) -> Vec<Observer> {
    let step = u64::try_from(count.max(1)).unwrap_or(u64::MAX);
    let named = |number: u64| (number, gateway.patient(&patient_key(number)));
    let share = |first: u64| {
        let own = (first % patients.max(1)..patients).step_by(usize::try_from(step).unwrap_or(1));
        own.map(named).collect()
    };
    let observer = |index: u64| Observer {
        gateway: gateway.clone(),
        caller: people::caller(),
        patients: share(index),
        name: format!("{run:x}-{index:x}"),
        calls: 0,
    };
    (0..step).map(observer).collect()
}

impl Caller for Observer {
    async fn call(&mut self) -> Result<u32, String> {
        let count = u64::try_from(self.patients.len()).unwrap_or(u64::MAX).max(1);
        let place = usize::try_from(self.calls % count).unwrap_or(0);
        let Some((number, entity)) = self.patients.get(place) else {
            return Err("no-patients".to_owned());
        };
        let id = format!("{}-{:x}", self.name, self.calls);
        let now = self.gateway.runtime.now();
        let command = report(vec![observation(*number, self.calls / count, &id, now)]);
        self.calls += 1;
        let done = submit(&self.gateway, &self.caller, entity.clone(), (id, command)).await;
        done.map(|()| 1).map_err(|error| error.code().as_str().to_owned())
    }
}
