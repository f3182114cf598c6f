//! A system that sends HL7 v2 messages over MLLP to any node, and repeats each under its control
//! id until it is acknowledged.

use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use node_env::Clock;
use schema_types::error_code::ErrorCode;
use schema_types::ids::{CommandId, SourceId};
use sim_checks::{ClientId, Operation, Outcome, Reply};
use sim_world::HostContext;
use sim_world::fake::SeededRng;

use super::messages::{About, Kind, Told, make};
use super::{ClientPlan, Ledger, SharedLedger};
use crate::lines::{Acknowledgement, MllpLine};
use crate::setup::mllp_address;

/// Pause after a failed attempt, milliseconds.
const BACKOFF_MS: u64 = 150;
/// Attempts after which a sender gives a message up.
const ATTEMPTS_MAX: usize = 60;

/// The host of a sending system.
pub(crate) fn sender_program(
    plan: ClientPlan,
    ledger: SharedLedger,
) -> impl Fn(HostContext) -> LocalBoxFuture<'static, ()> {
    move |context| {
        let sender = Sender {
            system: format!("SYS{}X{}", plan.client, context.incarnation),
            plan: plan.clone(),
            ledger: Rc::clone(&ledger),
            context,
        };
        async move {
            sender.work().await;
            std::future::pending().await
        }
        .boxed_local()
    }
}

struct Sender {
    system: String,
    plan: ClientPlan,
    ledger: SharedLedger,
    context: HostContext,
}

/// A connection, and where the next one goes.
#[derive(Default)]
struct Route {
    line: Option<MllpLine>,
    turn: usize,
}

impl Sender {
    fn now(&self) -> u64 {
        self.context.time.monotonic_micros()
    }

    fn rng(&self) -> &SeededRng {
        &self.context.rng
    }

    async fn work(&self) {
        self.plan.wait_for_begin(&self.context).await;
        let first = usize::try_from(self.plan.client).unwrap_or(0);
        let mut route = Route { line: None, turn: first };
        let mut number = 0;
        while self.now() < self.plan.ends_micros {
            let patient = self.patient();
            let about = About { system: &self.system, number, patient, now_micros: self.now() };
            // A patient is admitted first, by whoever speaks of him first.
            let kind = if number == 0 { Kind::Admit } else { self.kind() };
            if let Some(told) = make(self.rng(), about, kind) {
                self.deliver(&mut route, &told, number).await;
            }
            number += 1;
            self.plan.pause(&self.context).await;
        }
    }

    fn patient(&self) -> u64 {
        let patients = &self.plan.patients;
        let is_hot = self.rng().chance_permille(400);
        let at = if is_hot { 0 } else { self.rng().below(patients.len() as u64) };
        patients[usize::try_from(at).unwrap_or(0)]
    }

    fn kind(&self) -> Kind {
        match self.rng().below(100) {
            0..60 => Kind::Vitals,
            60..72 => Kind::Critical,
            72..80 => Kind::Admit,
            80..88 => Kind::Transfer,
            88..94 => Kind::Discharge,
            _ => Kind::Update,
        }
    }

    /// Sends a message until it is acknowledged, and now and then once more after that.
    async fn deliver(&self, route: &mut Route, told: &Told, number: u64) {
        for attempt in 0..ATTEMPTS_MAX {
            let at = self.begin(told, (attempt == 0).then_some(number));
            let answer = self.exchange(route, told).await;
            let is_done = self.end(at, told, answer);
            if is_done {
                if self.rng().chance_permille(50) {
                    let again = self.begin(told, None);
                    let answer = self.exchange(route, told).await;
                    self.end(again, told, answer);
                }
                return;
            }
            route.line = None;
            route.turn += 1;
            let pause = BACKOFF_MS + self.rng().below(BACKOFF_MS);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    async fn exchange(&self, route: &mut Route, told: &Told) -> std::io::Result<Acknowledgement> {
        if route.line.is_none() {
            let nodes = &self.plan.nodes;
            let node = nodes[route.turn % nodes.len()];
            route.line = Some(MllpLine::open(&self.context.network, &mllp_address(node)).await?);
        }
        let Some(line) = &mut route.line else {
            return Err(std::io::ErrorKind::NotConnected.into());
        };
        line.exchange(&told.bytes).await
    }

    /// Notes that an attempt begins; its place in the ledger.
    fn begin(&self, told: &Told, order: Option<u64>) -> usize {
        let operation = Operation {
            client: ClientId(self.plan.client),
            source: SourceId::new(format!("{}|H", self.system)),
            command_id: CommandId::new(told.control_id.clone()),
            entity: told.patient.clone(),
            others: Vec::new(),
            kind: told.kind.clone(),
            order,
            invoked_at: self.now(),
            completed_at: None,
            outcome: Outcome::Unknown,
        };
        let mut ledger = self.ledger.borrow_mut();
        ledger.operations.push(operation);
        ledger.operations.len() - 1
    }

    /// Notes how it ended; whether the message needs no further attempt.
    fn end(&self, at: usize, told: &Told, answer: std::io::Result<Acknowledgement>) -> bool {
        let now = self.now();
        let (outcome, is_done) = match answer {
            Ok(answer) if answer.control_id != told.control_id => (Outcome::Unknown, false),
            Ok(answer) if answer.code == "AA" => {
                let reply = Reply { is_repeated: answer.is_repeat, ..Reply::default() };
                (Outcome::Done(reply), true)
            }
            Ok(answer) => refused(&answer),
            Err(_) => (Outcome::Unknown, false),
        };
        let mut ledger = self.ledger.borrow_mut();
        let Ledger { operations, answered, .. } = &mut *ledger;
        if matches!(outcome, Outcome::Done(_)) {
            *answered += 1;
        }
        if let Some(operation) = operations.get_mut(at) {
            operation.completed_at = Some(now);
            operation.outcome = outcome;
        }
        is_done
    }
}

/// A refusal: by an entity, which is final, or for want of room or of an owner. What the store
/// could not say counts as unknown.
fn refused(answer: &Acknowledgement) -> (Outcome, bool) {
    let code = answer.error.clone().unwrap_or_default();
    let Ok(code) = serde_json::from_value::<ErrorCode>(code.clone().into()) else {
        return (Outcome::Unknown, false);
    };
    let is_judged = code.as_str().starts_with("MED-CLIN") || code.as_str().starts_with("MED-PAT");
    let is_certain = is_judged || code == ErrorCode::Overloaded;
    let outcome = if is_certain { Outcome::Refused { code, is_judged } } else { Outcome::Unknown };
    (outcome, is_judged)
}
