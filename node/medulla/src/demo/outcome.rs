//! What the node holds when the day is over: whether its census is the true one, and what the
//! summary says.

use super::generator::{FACILITY, Generated};
use super::limits::{SETTLE_INTERVAL_MS, SETTLE_SECONDS_MAX, SUMMARY_AT_ONCE};
use super::live::wards_of;
use crate::client::http::{encoded, with_query};
use crate::client::remote::Api;
use crate::commands::words::{at, list};
use crate::failure::Failure;
use futures::StreamExt;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// What the node says of all patients.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) patients: u64,
    pub(crate) observations: u64,
    /// Results of models that were recorded.
    pub(crate) scores: u64,
    /// Alerts that were raised.
    pub(crate) alerts: u64,
    pub(crate) open_alerts: u64,
}

/// The wards of the facility at a second of the day.
pub(crate) async fn census(
    api: &Api,
    generated: &Generated,
    second: i64,
) -> Result<BTreeMap<String, u64>, Failure> {
    let path = format!("/api/v1/facilities/{FACILITY}/census");
    let time = generated.calendar.fhir(second);
    let answer = api.get(with_query(&path, &[("at", Some(time))])).await?;
    Ok(wards_of(&answer))
}

/// Compares the node's census of every hour with the truth. Patients tell the facility of their
/// stays after their own commit, so the last ones get a moment. Returns what differs; nothing when
/// the census is exact.
pub(crate) async fn census_differences(
    api: &Api,
    generated: &Generated,
) -> Result<Vec<String>, Failure> {
    let looks = SETTLE_SECONDS_MAX * 1_000 / SETTLE_INTERVAL_MS;
    let mut differences = Vec::new();
    for _ in 0..looks {
        differences = differences_now(api, generated).await?;
        if differences.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(SETTLE_INTERVAL_MS)).await;
    }
    Ok(differences)
}

async fn differences_now(api: &Api, generated: &Generated) -> Result<Vec<String>, Failure> {
    const HOUR: i64 = 3_600;
    let path = format!("/api/v1/facilities/{FACILITY}/census-series");
    let time = |second| Some(generated.calendar.fhir(second));
    let span = generated.span_seconds;
    let parameters =
        [("from", time(HOUR)), ("to", time(span)), ("step-minutes", Some("60".to_owned()))];
    let answer = api.get(with_query(&path, &parameters)).await?;
    let hours = list(&answer, "/hours");
    let mut differences = Vec::new();
    let mut second = HOUR;
    for hour in hours {
        let (truth, found) = (generated.oracle.census(second), wards_of(hour));
        if truth != found {
            let hour = second / HOUR;
            differences.push(format!("hour {hour}: truth {truth:?}, node {found:?}"));
        }
        second += HOUR;
    }
    if second <= span {
        differences.push(format!("the node knows {} of {} hours", hours.len(), span / HOUR));
    }
    Ok(differences)
}

/// Asks the node for every patient.
pub(crate) async fn held(api: &Api) -> Result<Held, Failure> {
    let parameters = [("limit", Some("1000".to_owned()))];
    let patients = api.list("/api/v1/patients", &parameters, "patients").await?;
    let ask = |patient: Value| async move {
        let id = encoded(patient.as_str().unwrap_or_default());
        let view = api.get(format!("/api/v1/patients/{id}")).await?;
        let timeline = api.get(format!("/api/v1/patients/{id}/timeline")).await?;
        Ok::<_, Failure>((view, timeline))
    };
    let mut answers = futures::stream::iter(patients).map(ask).buffer_unordered(SUMMARY_AT_ONCE);
    let mut held = Held::default();
    while let Some(answer) = answers.next().await {
        let (view, timeline) = answer?;
        let number = |pointer: &str| view.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
        held.patients += 1;
        held.observations += number("/counts/observations");
        held.alerts += number("/counts/alerts");
        held.open_alerts += count(list(&view, "/alerts/open"), |_| true);
        // A record's own items: what was retired into it is asked for by itself.
        held.scores += count(list(&timeline, "/items"), |item| {
            at(item, "/kind") == "score" && item.get("record").is_none()
        });
    }
    Ok(held)
}

fn count(items: &[Value], wanted: impl Fn(&Value) -> bool) -> u64 {
    u64::try_from(items.iter().filter(|item| wanted(item)).count()).unwrap_or(u64::MAX)
}
