//! The conformance suite: named cases that every adapter of the port must pass, the random
//! comparison with the reference model included. Durability and recovery are not here; they
//! belong to the adapter that promises them.

mod conflicts;
mod lanes;
mod limits;
mod model;
mod reads;
mod writes;

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::error::{CommitError, ReadError};
use crate::mutation::{KeyRange, Mutation};
use crate::port::{CommitRequest, Committed, KeyValue, RangeQuery, Store, Version};

/// A new, empty store to be tested.
pub trait Subject: Send + Sync {
    /// The store.
    fn store(&self) -> Arc<dyn Store>;

    /// Lets more time pass than the transaction window, by the clock that the store uses.
    fn pass_window(&self);
}

/// Which case failed and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("conformance case {case} failed: {reason}")]
pub struct Failure {
    /// Name of the case.
    pub case: &'static str,
    /// What was expected and what came.
    pub reason: String,
}

type Outcome = Result<(), String>;
type Case = for<'a> fn(&'a dyn Subject) -> BoxFuture<'a, Outcome>;

/// Names of all cases with the functions, in the order in which they run.
fn cases() -> Vec<(&'static str, Case)> {
    let mut all: Vec<(&'static str, Case)> = Vec::new();
    all.extend(reads::CASES);
    all.extend(conflicts::CASES);
    all.extend(writes::CASES);
    all.extend(lanes::CASES);
    all.extend(limits::CASES);
    all.extend(model::CASES);
    all
}

/// Runs every case, each on a new subject; gives the names of the cases that passed.
///
/// # Errors
/// The first [`Failure`].
pub async fn run_all(
    factory: &(dyn Fn() -> Box<dyn Subject> + Send + Sync),
) -> Result<Vec<&'static str>, Failure> {
    let mut passed = Vec::new();
    for (case, run) in cases() {
        let subject = factory();
        run(subject.as_ref()).await.map_err(|reason| Failure { case, reason })?;
        passed.push(case);
    }
    Ok(passed)
}

/// Fails the case unless both are equal.
fn equal<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Outcome {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: expected {expected:?}, found {found:?}"))
}

fn holds(what: &str, condition: bool) -> Outcome {
    if condition { Ok(()) } else { Err(what.to_owned()) }
}

fn text<E: std::fmt::Display>(error: E) -> String {
    error.to_string()
}

fn key(name: &str) -> Bytes {
    Bytes::copy_from_slice(name.as_bytes())
}

fn range(begin: &str, end: &str) -> KeyRange {
    KeyRange::new(key(begin), key(end))
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    pairs.iter().map(|(name, value)| (key(name), key(value))).collect()
}

/// Commits blind writes.
async fn put(store: &Arc<dyn Store>, mutations: Vec<Mutation>) -> Result<Committed, String> {
    store.commit(CommitRequest { mutations, ..Default::default() }).await.map_err(text)
}

async fn set(store: &Arc<dyn Store>, name: &str, value: &str) -> Result<Committed, String> {
    put(store, vec![Mutation::set(key(name), key(value))]).await
}

async fn read(store: &Arc<dyn Store>, name: &str) -> Result<Option<Bytes>, String> {
    store.begin().await.map_err(text)?.get(name.as_bytes()).await.map_err(text)
}

async fn read_all(store: &Arc<dyn Store>) -> Result<Vec<KeyValue>, String> {
    let snapshot = store.begin().await.map_err(text)?;
    let query = RangeQuery::forward(KeyRange::prefix(b""), 1_000);
    Ok(snapshot.range(query).await.map_err(text)?.items)
}

async fn version(store: &Arc<dyn Store>) -> Result<Version, String> {
    Ok(store.begin().await.map_err(text)?.version())
}

/// Commits one write that depends on what was read at a version.
async fn write_after_read(
    store: &Arc<dyn Store>,
    read_version: Version,
    read_conflict: KeyRange,
    written: &str,
) -> Result<Committed, CommitError> {
    let request = CommitRequest {
        read_version,
        read_conflicts: vec![read_conflict],
        mutations: vec![Mutation::set(key(written), key("written"))],
        ..CommitRequest::default()
    };
    store.commit(request).await
}

async fn too_old<T>(read: impl Future<Output = Result<T, ReadError>>) -> bool {
    matches!(read.await, Err(ReadError::TooOld))
}
