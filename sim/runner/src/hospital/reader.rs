//! People who look at patients over HTTP. Each read has a principal of its own, by which its audit
//! record is found.

use std::rc::Rc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use node_env::Clock;
use serde_json::Value;
use sim_world::HostContext;

use super::{ClientPlan, ReadSeen, SharedLedger};
use crate::lines::{HttpAsk, http};
use crate::setup::http_address;

/// The host of a reader.
pub(crate) fn reader_program(
    plan: ClientPlan,
    ledger: SharedLedger,
) -> impl Fn(HostContext) -> LocalBoxFuture<'static, ()> {
    move |context| {
        let (plan, ledger) = (plan.clone(), Rc::clone(&ledger));
        async move {
            read_until_over(&plan, &ledger, &context).await;
            std::future::pending().await
        }
        .boxed_local()
    }
}

async fn read_until_over(plan: &ClientPlan, ledger: &SharedLedger, context: &HostContext) {
    let now = || context.time.monotonic_micros();
    plan.wait_for_begin(context).await;
    let mut number = 0_usize;
    while now() < plan.ends_micros {
        let pick = context.rng.below(plan.patients.len() as u64);
        let patient = plan.patients[usize::try_from(pick).unwrap_or(0)];
        let principal = format!("reader-{}-{}-{number}", plan.client, context.incarnation);
        let node = plan.nodes[number % plan.nodes.len()];
        let invoked_at = now();
        let path = format!("/api/v1/patients/H.{patient}");
        let ask = HttpAsk { method: "GET", path: &path, principal: &principal, body: None };
        let answer = http(&context.network, &http_address(node), ask).await;
        ledger.borrow_mut().reads.push(ReadSeen {
            principal: principal.clone(),
            patient: format!("H.{patient}"),
            invoked_at,
            completed_at: now(),
            status: answer.as_ref().ok().map(|answer| answer.status),
            newest: answer.map(|answer| newest(&answer.body)).unwrap_or_default(),
        });
        number += 1;
        plan.pause(context).await;
    }
}

/// Measure and observation of each newest value that an answer shows.
fn newest(body: &Value) -> Vec<(String, String)> {
    let shown = body["latest"].as_array().into_iter().flatten();
    let present = shown.filter(|value| value["future_dated"] != true);
    present
        .filter_map(|value| {
            let (measure, id) = (value["measure"].as_str()?, value["observation"].as_str()?);
            Some((measure.to_owned(), id.to_owned()))
        })
        .collect()
}
