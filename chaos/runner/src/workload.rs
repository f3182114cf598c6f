//! Clients that send results of their own patients, repeat until acknowledged, and remember what
//! was acknowledged; and the check that all of it is there exactly once (ACK-1, ONCE-1).

use crate::http;
use crate::mllp::MllpClient;
use crate::process::{now, pause};
use anyhow::{Context, Result, bail};
use sim_checks::Certainty;
use sim_checks::properties::once::{Wrong, judge_count};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Patients per client.
const PATIENTS: u64 = 4;
/// Days that results are dated at: a month in the past, since results need not be dated now to
/// count. Each result of a client has a second of its own, for at most this many days.
const DAYS_MAX: u64 = 31;
const SECONDS_PER_DAY: u64 = 86_400;
/// Seconds of a timeline that are asked for at once; one page of the node shows ten thousand
/// items, and a result makes about six of them.
const WINDOW_SECONDS: u64 = 3_600;

/// What one client knows was acknowledged: per patient, the times of its results, each of which
/// only one message has.
pub(crate) type Acknowledged = BTreeMap<String, Vec<String>>;

/// Counters that the clients share.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) acknowledged: AtomicU64,
    pub(crate) resent: AtomicU64,
    /// Answers that were no acknowledgement.
    pub(crate) refused: AtomicU64,
    /// Messages on whose connection no answer came.
    pub(crate) unanswered: AtomicU64,
    pub(crate) is_over: AtomicBool,
    /// How long each message took until it was acknowledged, repeats included, milliseconds.
    latencies_ms: Mutex<Vec<u64>>,
}

impl Progress {
    /// How long messages took since this was asked last, in ascending order, milliseconds.
    pub(crate) fn take_latencies_ms(&self) -> Vec<u64> {
        let mut latencies = self.latencies_ms.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = std::mem::take(&mut *latencies);
        taken.sort_unstable();
        taken
    }
}

/// Starts `clients` clients, each of which goes to the next of `addresses` when one fails.
pub(crate) fn start(
    clients: usize,
    addresses: &[SocketAddr],
    progress: &Arc<Progress>,
) -> Vec<JoinHandle<Acknowledged>> {
    (0..clients)
        .map(|client| {
            let progress = Arc::clone(progress);
            let mut addresses = addresses.to_vec();
            let first = client % addresses.len().max(1);
            addresses.rotate_left(first);
            spawn(move || send_until_over(client, &addresses, &progress))
        })
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "chaos runs real clients in real threads")]
fn spawn<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    std::thread::spawn(body)
}

/// A client's connection, and where the next one goes.
struct Line<'a> {
    addresses: &'a [SocketAddr],
    next: usize,
    open: Option<MllpClient>,
}

impl Line<'_> {
    /// The connection, or a new one; after a failure to the next address.
    fn take(&mut self) -> Result<MllpClient> {
        if let Some(open) = self.open.take().filter(MllpClient::is_open) {
            return Ok(open);
        }
        let address = self.addresses[self.next % self.addresses.len()];
        MllpClient::connect(address).inspect_err(|_| self.next += 1)
    }
}

fn send_until_over(client: usize, addresses: &[SocketAddr], progress: &Progress) -> Acknowledged {
    let mut acknowledged = Acknowledged::new();
    let mut line = Line { addresses, next: 0, open: None };
    let mut number = 0;
    while !progress.is_over.load(Ordering::Acquire) {
        let patient = format!("{client}{:02}", number % PATIENTS);
        let control_id = format!("C{client}-{number}");
        let message = result_message(&patient, &control_id, number);
        let begun = now();
        send_one(&mut line, &message, &control_id, progress);
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        progress.latencies_ms.lock().unwrap_or_else(PoisonError::into_inner).push(took_ms);
        acknowledged.entry(patient).or_default().push(stated_at(number));
        progress.acknowledged.fetch_add(1, Ordering::Relaxed);
        number += 1;
    }
    acknowledged
}

/// Repeats the same message, with the same control id, until it is acknowledged.
fn send_one(line: &mut Line<'_>, message: &str, control_id: &str, progress: &Progress) {
    let mut tries = 0_u64;
    loop {
        if tries > 0 {
            progress.resent.fetch_add(1, Ordering::Relaxed);
            pause(Duration::from_millis(10));
        }
        tries += 1;
        let Ok(mut client) = line.take() else { continue };
        let Ok(answer) = client.exchange(message) else {
            progress.unanswered.fetch_add(1, Ordering::Relaxed);
            line.next += 1;
            continue;
        };
        if answer.control_id == control_id {
            line.open = Some(client);
            if answer.code == "AA" {
                return;
            }
            progress.refused.fetch_add(1, Ordering::Relaxed);
            if progress.refused.load(Ordering::Relaxed) < 5 {
                eprintln!("refused: {}", answer.text.replace('\r', " / "));
            }
        }
    }
}

/// Day of March 2026, hour, minute and second that only message `number` of a client states.
const fn moment(number: u64) -> (u64, u64, u64, u64) {
    let day = 1 + number / SECONDS_PER_DAY % DAYS_MAX;
    (day, number / 3600 % 24, number / 60 % 60, number % 60)
}

/// That time as the node shows it (RFC 3339).
fn stated_at(number: u64) -> String {
    let (day, hour, minute, second) = moment(number);
    format!("2026-03-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

fn result_message(patient: &str, control_id: &str, number: u64) -> String {
    let (day, hour, minute, second) = moment(number);
    let at = format!("202603{day:02}{hour:02}{minute:02}{second:02}");
    let rate = 60 + number % 40;
    format!(
        "MSH|^~\\&|CHAOS|LAB|MEDULLA|H|{at}||ORU^R01^ORU_R01|{control_id}|P|2.5.1\r\
         PID|1||{patient}^^^CHAOS^MR||Test^Chaos\r\
         OBR|1|||85353-1^Vital signs^LN|||{at}\r\
         OBX|1|NM|8867-4^Heart rate^LN||{rate}|/min^^UCUM|||||F|||{at}\r"
    )
}

/// What is missing and what is there twice.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) acknowledged: u64,
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
}

/// Compares what was acknowledged with what every patient's journal says.
pub(crate) fn check(address: SocketAddr, all: &[Acknowledged]) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    for (patient, times) in all.iter().flatten() {
        let found = results_of(address, patient, times.len())?;
        for time in times {
            verdict.acknowledged += 1;
            let effects = found.get(time).copied().unwrap_or(0);
            match judge_count(Certainty::Acknowledged, effects) {
                Some(Wrong::Lost) => verdict.lost += 1,
                Some(Wrong::Repeated) => verdict.duplicated += 1,
                Some(Wrong::Unwanted) | None => {}
            }
        }
    }
    Ok(verdict)
}

/// How often each result stands in the patient's timeline, by the time that it states. Asks window
/// by window for as long as results of `count` messages of the patient can reach.
fn results_of(address: SocketAddr, patient: &str, count: usize) -> Result<BTreeMap<String, u64>> {
    let mut found = BTreeMap::new();
    let last = u64::try_from(count)?.saturating_mul(PATIENTS);
    let mut begin = 0;
    while begin <= last {
        let end = begin + WINDOW_SECONDS;
        add_window(address, patient, (begin, end), &mut found)?;
        begin = end;
    }
    Ok(found)
}

fn add_window(
    address: SocketAddr,
    patient: &str,
    (begin, end): (u64, u64),
    found: &mut BTreeMap<String, u64>,
) -> Result<()> {
    let (from, to) = (stated_at(begin), stated_at(end));
    let path = format!("/api/v1/patients/CHAOS.{patient}/timeline?from={from}Z&to={to}Z");
    let response = http::get(address, &path)?;
    let body = response.json().with_context(|| format!("timeline: HTTP {}", response.status))?;
    let items = body["items"].as_array().context("timeline without items")?;
    if body["truncated"] != false {
        bail!("a timeline window is cut: its results cannot be counted");
    }
    for item in items.iter().filter(|item| item["kind"] == "observation") {
        let at = item["at"].as_str().context("observation without a time")?;
        let second = at.get(..19).unwrap_or(at);
        *found.entry(second.to_owned()).or_default() += 1;
    }
    Ok(())
}
