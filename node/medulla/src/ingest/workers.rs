//! The reader and those who send: one task reads files, several send what it read, through bounded
//! channels.

use super::Targets;
use super::fhir;
use super::files::{self, Closed, Sink, Source};
use super::kind::{Format, Kind};
use super::tally::Tally;
use crate::client::delivery::{self, Fate};
use crate::client::mllp::Mllp;
use crate::failure::Failure;
use crate::progress::Progress;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinSet;

/// Messages that wait for each who sends.
const WAITING_MAX: usize = 64;
/// The path of the FHIR interface where the URL names none.
const FHIR_PATH: &str = "/fhir";

/// Something to send.
struct Item {
    source: Arc<Source>,
    /// The place in the file.
    line: u64,
    bytes: Vec<u8>,
}

/// Reads and sends.
pub(crate) struct Pipeline {
    pub(crate) targets: Targets,
    pub(crate) format: Format,
    pub(crate) concurrency: usize,
    pub(crate) tally: Arc<Mutex<Tally>>,
    pub(crate) progress: Arc<Progress>,
}

impl Pipeline {
    /// Sends files and waits for all answers. Returns how many messages may still be sent.
    ///
    /// # Errors
    /// [`Failure::Failed`] when a worker ended by a panic.
    pub(crate) async fn run(
        &self,
        files: Vec<PathBuf>,
        left: Option<u64>,
    ) -> Result<Option<u64>, Failure> {
        let mut workers = JoinSet::new();
        let mut lanes = Vec::new();
        if let Some(address) = &self.targets.mllp {
            for _ in 0..self.concurrency {
                let (sender, receiver) = mpsc::channel(WAITING_MAX);
                lanes.push(sender);
                workers.spawn(send_hl7(address.clone(), receiver, Arc::clone(&self.tally)));
            }
        }
        let (documents, queue) = mpsc::channel(WAITING_MAX);
        if let Some(http) = &self.targets.fhir {
            let queue = Arc::new(tokio::sync::Mutex::new(queue));
            for _ in 0..self.concurrency {
                let (http, queue) = (http.clone(), Arc::clone(&queue));
                workers.spawn(send_fhir(http, queue, Arc::clone(&self.tally)));
            }
        }
        let mut feeder = Feeder {
            lanes,
            lane: 0,
            documents: self.targets.fhir.is_some().then_some(documents),
            tally: Arc::clone(&self.tally),
            left,
        };
        let (format, progress) = (self.format, Arc::clone(&self.progress));
        let reading = tokio::task::spawn_blocking(move || {
            for path in files {
                let taken = files::read(&path, format, &mut feeder);
                let tally = Arc::clone(&feeder.tally);
                progress.add(1, &|| summary(&tally));
                if taken.is_err() {
                    break;
                }
            }
            feeder.left
        });
        let broken = |_| Failure::failed("a task ended by a panic");
        let left = reading.await.map_err(broken)?;
        while let Some(ended) = workers.join_next().await {
            ended.map_err(broken)?;
        }
        Ok(left)
    }
}

fn lock(tally: &Mutex<Tally>) -> std::sync::MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

fn summary(tally: &Mutex<Tally>) -> String {
    let total = lock(tally).total();
    format!(
        "{} messages, {} quarantined, {} failed",
        total.messages, total.quarantined, total.failed
    )
}

/// Gives what is read to those who send it; what has nowhere to go is counted as skipped.
struct Feeder {
    lanes: Vec<Sender<Item>>,
    /// The lane of the file that is being read.
    lane: usize,
    documents: Option<Sender<Item>>,
    tally: Arc<Mutex<Tally>>,
    left: Option<u64>,
}

impl Feeder {
    /// Counts a message against the limit.
    fn may_send(&mut self) -> Result<(), Closed> {
        match &mut self.left {
            None => Ok(()),
            Some(0) => Err(Closed),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }
}

impl Sink for Feeder {
    fn file(&mut self, source: &Arc<Source>, kind: Kind) -> Result<(), Closed> {
        if self.left == Some(0) {
            return Err(Closed);
        }
        let mut tally = lock(&self.tally);
        match kind {
            Kind::Skipped(reason) => tally.skip(&source.group, reason),
            Kind::Hl7 if self.lanes.is_empty() => {
                tally.skip(&source.group, "HL7 v2, and no --to mllp://host:port");
            }
            Kind::Json | Kind::Lines if self.documents.is_none() => {
                tally.skip(&source.group, "FHIR, and no --to http://host:port/fhir");
            }
            Kind::Hl7 | Kind::Json | Kind::Lines => tally.file(&source.group),
        }
        // The lane with the most room; in turn when they are equal.
        let count = self.lanes.len();
        let next = (0..count).map(|step| (self.lane + 1 + step) % count);
        self.lane = next.rev().max_by_key(|lane| self.lanes[*lane].capacity()).unwrap_or(0);
        Ok(())
    }

    fn hl7(&mut self, source: &Arc<Source>, bytes: Vec<u8>) -> Result<(), Closed> {
        if self.lanes.is_empty() {
            return Ok(());
        }
        self.may_send()?;
        let Some(lane) = self.lanes.get(self.lane) else { return Err(Closed) };
        let item = Item { source: Arc::clone(source), line: 0, bytes };
        lane.blocking_send(item).map_err(|_| Closed)
    }

    fn fhir(&mut self, source: &Arc<Source>, line: u64, bytes: Vec<u8>) -> Result<(), Closed> {
        if self.documents.is_none() {
            return Ok(());
        }
        self.may_send()?;
        let Some(documents) = &self.documents else { return Err(Closed) };
        let item = Item { source: Arc::clone(source), line, bytes };
        documents.blocking_send(item).map_err(|_| Closed)
    }

    fn broken(&mut self, source: &Arc<Source>, reason: String) -> Result<(), Closed> {
        lock(&self.tally).message(&source.group, &Fate::Failed(format!("file: {reason}")));
        Ok(())
    }
}

async fn send_hl7(address: String, mut items: Receiver<Item>, tally: Arc<Mutex<Tally>>) {
    let mut connection = Mllp::new(address);
    while let Some(item) = items.recv().await {
        let fate = connection.deliver(&item.bytes).await;
        lock(&tally).message(&item.source.group, &fate);
    }
}

async fn send_fhir(
    http: crate::client::http::Http,
    queue: Arc<tokio::sync::Mutex<Receiver<Item>>>,
    tally: Arc<Mutex<Tally>>,
) {
    let path = http.base().path().to_owned();
    let path = if path.is_empty() { FHIR_PATH.to_owned() } else { path };
    loop {
        let item = queue.lock().await.recv().await;
        let Some(Item { source, line, bytes }) = item else { return };
        let Some(question) = fhir::question(&path, &source.name, line, bytes) else {
            lock(&tally).skip(&source.group, "JSON, but not a resource");
            continue;
        };
        let delivered = delivery::deliver(&http, question).await;
        let mut tally = lock(&tally);
        tally.message(&source.group, &delivered.fate);
        delivered.refused_entries.iter().for_each(|code| tally.refused_entry(code));
    }
}
