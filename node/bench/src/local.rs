//! Callers without a socket: observation and audited read through the gateway's door.

use crate::load::Caller;
use crate::people::{self, observation, patient_key, report, submit};
use actors_patient::Patient;
use actors_patient::command::{Command, Read};
use actors_runtime::SubmitError;
use futures::future::join_all;
use node_ingest::gateway::{self, Gateway};
use schema_types::ids::EntityId;

/// Which patients a caller asks about: its share of all, one after the other.
#[derive(Debug, Clone)]
pub struct Share {
    first: u64,
    step: u64,
    count: u64,
    calls: u64,
}

impl Share {
    /// The share of caller `index` of `callers`; each patient belongs to one caller while there
    /// are enough of them.
    #[must_use]
    pub fn new(index: u64, callers: u64, patients: u64) -> Self {
        let (callers, patients) = (callers.max(1), patients.max(1));
        let first = index % patients;
        Self { first, step: callers, count: (patients - first).div_ceil(callers), calls: 0 }
    }

    /// The next patient and how often it had its turn before.
    pub fn next_turn(&mut self) -> (u64, u64) {
        let turn = (self.first + self.calls % self.count * self.step, self.calls / self.count);
        self.calls += 1;
        turn
    }
}

/// What the callers of one measurement have in common.
#[derive(Clone)]
pub struct Crowd {
    /// How many callers.
    pub callers: usize,
    /// How many patients.
    pub patients: u64,
    /// Operations in one call.
    pub batch: usize,
    /// Tells runs on the same data apart.
    pub run: u64,
}

impl Crowd {
    /// Makes each caller from its index and share.
    pub fn make<C>(&self, mut caller: impl FnMut(u64, Share) -> C) -> Vec<C> {
        let count = u64::try_from(self.callers).unwrap_or(u64::MAX);
        (0..count).map(|index| caller(index, Share::new(index, count, self.patients))).collect()
    }
}

/// Submits vital signs in this process.
#[derive(Clone)]
pub struct Observer {
    gateway: Gateway,
    caller: gateway::Caller,
    share: Share,
    /// Ids of the patients in the share, known as a client knows whom it talks about.
    names: Vec<EntityId>,
    command_prefix: String,
    batch: usize,
}

impl Observer {
    /// Callers that share the patients between them.
    #[must_use]
    pub fn crowd(gateway: &Gateway, crowd: &Crowd) -> Vec<Self> {
        crowd.make(|index, share| Self {
            gateway: gateway.clone(),
            caller: people::caller(),
            names: names(gateway, &share),
            share,
            command_prefix: format!("{:x}-{index:x}", crowd.run),
            batch: crowd.batch.max(1),
        })
    }

    async fn one(&self, (patient, turn): (u64, u64), name: EntityId) -> Result<(), SubmitError> {
        let id = format!("{}-{patient:x}-{turn:x}", self.command_prefix);
        let now = self.gateway.runtime.now();
        let command = report(vec![observation(patient, turn, &id, now)]);
        submit(&self.gateway, &self.caller, name, (id, command)).await
    }
}

fn names(gateway: &Gateway, share: &Share) -> Vec<EntityId> {
    let number = |index: u64| share.first + index * share.step;
    (0..share.count).map(|index| gateway.patient(&patient_key(number(index)))).collect()
}

fn name_of(names: &[EntityId], share: &Share, patient: u64) -> Option<EntityId> {
    let place = patient.saturating_sub(share.first) / share.step;
    names.get(usize::try_from(place).ok()?).cloned()
}

impl Caller for Observer {
    async fn call(&mut self) -> Result<u32, String> {
        let mut turns = Vec::with_capacity(self.batch);
        for _ in 0..self.batch {
            let turn = self.share.next_turn();
            let name = name_of(&self.names, &self.share, turn.0);
            turns.push((turn, name.ok_or_else(|| "no-patients".to_owned())?));
        }
        let this = &*self;
        let results = match turns.pop() {
            Some((turn, name)) if turns.is_empty() => vec![this.one(turn, name).await],
            last => {
                let all = turns.into_iter().chain(last);
                join_all(all.map(|(turn, name)| this.one(turn, name))).await
            }
        };
        settle(results)
    }
}

/// Operations that were done, or the code of the first failure.
fn settle(results: Vec<Result<(), SubmitError>>) -> Result<u32, String> {
    let mut done = 0;
    for result in results {
        result.map_err(|error| error.code().as_str().to_owned())?;
        done += 1;
    }
    Ok(done)
}

/// Reads live states in this process, each with its audit record.
#[derive(Clone)]
pub struct Reader {
    gateway: Gateway,
    caller: gateway::Caller,
    share: Share,
    batch: usize,
}

impl Reader {
    /// Callers that share the patients between them.
    #[must_use]
    pub fn crowd(gateway: &Gateway, crowd: &Crowd) -> Vec<Self> {
        crowd.make(|_, share| Self {
            gateway: gateway.clone(),
            caller: people::caller(),
            share,
            batch: crowd.batch.max(1),
        })
    }
}

impl Caller for Reader {
    async fn call(&mut self) -> Result<u32, String> {
        let wanted: Vec<u64> = (0..self.batch).map(|_| self.share.next_turn().0).collect();
        let this = &*self;
        let reads = wanted.into_iter().map(|patient| async move {
            let name = this.gateway.patient(&patient_key(patient));
            let question = Command::Read(Read::State);
            this.gateway.ask::<Patient>(&this.caller, name, question).await.map(drop)
        });
        settle(join_all(reads).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn shares_cover_everybody_and_turns_go_round() {
        for (callers, patients) in [(1, 1), (3, 10), (10, 10), (4, 1_000), (8, 3)] {
            let mut asked: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
            for index in 0..callers {
                let mut share = Share::new(index, callers, patients);
                for _ in 0..2 * share.count {
                    let (patient, turn) = share.next_turn();
                    asked.entry(patient).or_default().push(turn);
                }
            }
            assert_eq!(u64::try_from(asked.len()).unwrap(), patients, "{callers} of {patients}");
            assert!(asked.keys().all(|patient| *patient < patients));
            if callers <= patients {
                assert!(asked.values().all(|turns| *turns == [0, 1]), "{callers} of {patients}");
            }
        }
    }
}
