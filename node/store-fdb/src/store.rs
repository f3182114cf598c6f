//! The store: opened over a client, checked to be ours, swept of what crashed processes left, and
//! closed in order.

use std::sync::Arc;
use std::time::Duration;

use actors_store::{
    CommitError, CommitFuture, CommitRequest, KeyRange, ReadError, ReadFuture, Snapshot, Store,
};
use futures::FutureExt;
use futures::future::ready;

use crate::attempt::{marker_stamp, stamp_version};
use crate::client::{Client, ClientTransaction, ConflictSide, Purpose, RangeRead};
use crate::code::Code;
use crate::config::{Environment, FdbConfig};
use crate::core::{Core, Tries, within};
use crate::error::FdbError;
use crate::limits::{MARKER_VERSIONS_MAX, PAGE_PART_BYTES, SWEEP_KEYS_MAX};
use crate::queues::Queues;
use crate::snapshot::FdbSnapshot;
use crate::stats::FdbStats;
use crate::versions::Versions;

/// A store in a FoundationDB cluster.
pub struct FdbStore {
    core: Arc<Core>,
    versions: Arc<Versions>,
    queues: Arc<Queues>,
}

impl FdbStore {
    /// Opens the store in the cluster that the configuration names, in a tokio runtime. Makes it if
    /// it does not exist. The first call starts the client's network thread, which runs until
    /// [`stop_network`](crate::stop_network) or the end of the process.
    ///
    /// # Errors
    /// [`FdbError`]; without the feature `fdb` always [`FdbError::NotBuilt`].
    #[cfg_attr(not(feature = "fdb"), expect(clippy::unused_async, reason = "the same signature"))]
    pub async fn open(config: FdbConfig, environment: Environment) -> Result<Arc<Self>, FdbError> {
        config.validate()?;
        #[cfg(feature = "fdb")]
        {
            let clients = crate::native::connect(&config)?;
            Self::open_over(clients, config, environment).await
        }
        #[cfg(not(feature = "fdb"))]
        {
            drop((config, environment));
            Err(FdbError::NotBuilt)
        }
    }

    /// Opens the store over handles that exist; the last part of [`FdbStore::open`], for tests.
    ///
    /// # Errors
    /// [`FdbError`].
    pub async fn open_over(
        clients: Vec<Arc<dyn Client>>,
        config: FdbConfig,
        environment: Environment,
    ) -> Result<Arc<Self>, FdbError> {
        config.validate()?;
        let core = Arc::new(Core::new(clients, config, environment));
        claim(&core).await?;
        if let Err(code) = sweep(&core).await {
            // What is left behind is small and swept by the next who opens.
            tracing::info!(%code, "markers of earlier processes were not swept");
        }
        let versions = Arc::new(Versions::new(Arc::clone(&core)));
        let queues = Arc::new(Queues::new(Arc::clone(&core)));
        Ok(Arc::new(Self { core, versions, queues }))
    }

    /// What was done since the store was opened.
    #[must_use]
    pub fn stats(&self) -> FdbStats {
        self.core.counters.read(self.queues.waiting())
    }

    /// Takes no more commits, waits for those that it has, and removes its own marker keys. Reads
    /// and later calls fail with `Stopped`. Takes at most about `commit_ms_max`.
    pub async fn close(&self) {
        let limit = Duration::from_millis(self.core.config.commit_ms_max);
        let is_drained = tokio::time::timeout(limit, self.queues.close()).await.is_ok();
        self.core.close();
        let markers = self.core.layout.markers_of(&self.core.instance);
        if !is_drained {
            tracing::warn!("the store was closed with commits in flight or in doubt");
        } else if let Err(code) = clear(&self.core, &markers).await {
            tracing::info!(%code, "markers were not removed");
        }
    }

    /// Removes everything that the store holds: for tests and for operators who mean it.
    ///
    /// # Errors
    /// [`CommitError::UnknownResult`] when the cluster does not say that it was done.
    pub async fn erase(&self) -> Result<(), CommitError> {
        let mut tries = Tries::within_ms(self.core.config.commit_ms_max);
        loop {
            match clear(&self.core, &self.core.layout.all()).await {
                Ok(()) => return Ok(()),
                // To remove it twice is no harm.
                Err(_) if tries.again(&self.core).await => {}
                Err(code) => return Err(CommitError::UnknownResult { reason: code.to_string() }),
            }
        }
    }
}

impl Store for FdbStore {
    fn begin(&self) -> ReadFuture<'_, Arc<dyn Snapshot>> {
        let core = &self.core;
        let beginning = async move {
            core.counters.begins.add();
            core.without_doubt().await;
            if core.is_closed() {
                return Err(ReadError::Stopped { reason: "the store was closed".to_owned() });
            }
            // Before the answer: the version is not younger than this.
            let begun_at_micros = core.environment.clock.monotonic_micros();
            let version = self.versions.take().await?;
            let snapshot = FdbSnapshot::new(Arc::clone(core), version, begun_at_micros);
            Ok::<Arc<dyn Snapshot>, ReadError>(Arc::new(snapshot))
        };
        let limit_ms = core.config.read_ms_max;
        let limited = tokio::time::timeout(Duration::from_millis(limit_ms), beginning);
        let late = move || ReadError::Failed { reason: format!("no answer within {limit_ms} ms") };
        limited.map(move |begun| begun.unwrap_or_else(|_| Err(late()))).boxed()
    }

    fn commit(&self, request: CommitRequest) -> CommitFuture {
        match self.queues.push(request) {
            Err(error) => ready(Err(error)).boxed(),
            Ok(answer) => {
                let lost = || CommitError::UnknownResult {
                    reason: "the runtime of the store has ended".to_owned(),
                };
                answer.map(move |answer| answer.unwrap_or_else(|_| Err(lost()))).boxed()
            }
        }
    }
}

/// Makes sure that the keys of the store are ours, and writes so where nobody has.
async fn claim(core: &Arc<Core>) -> Result<(), FdbError> {
    let limit_ms = core.config.open_ms_max;
    let mut tries = Tries::within_ms(limit_ms);
    loop {
        // The time of the client's calls is longer than that of opening may be.
        let limit = Duration::from_millis(limit_ms);
        let claimed = tokio::time::timeout(limit, claim_once(core)).await;
        let code = match claimed.unwrap_or(Err(Code::TRANSACTION_TIMED_OUT)) {
            Ok(found) => return found.map_err(|reason| FdbError::Foreign { reason }),
            Err(code) => code,
        };
        if !tries.again(core).await {
            let reason = code.to_string();
            return Err(FdbError::Unreachable { waited_ms: limit_ms, reason });
        }
    }
}

/// The inner error is what stands where our header should.
async fn claim_once(core: &Core) -> Result<Result<(), String>, Code> {
    let limit_ms = core.config.commit_try_ms_max;
    let transaction = core.transaction(Purpose::Commit)?;
    core.heard_of(within(limit_ms, transaction.read_version()).await?);
    let (key, value) = (core.layout.header(), core.layout.header_value());
    let all = core.layout.all();
    match within(limit_ms, transaction.get(&key)).await? {
        Some(found) if found == value => return Ok(Ok(())),
        Some(_) => return Ok(Err("another header: another name or format".to_owned())),
        None => {}
    }
    let rows = within(limit_ms, transaction.get_range(&part(&all, 1))).await?;
    if !rows.items.is_empty() {
        return Ok(Err("keys without a header".to_owned()));
    }
    transaction.add_conflict(ConflictSide::Read, &all.begin, &all.end)?;
    transaction.set(&key, &value);
    within(limit_ms, transaction.commit()).await.map(|_| Ok(()))
}

fn part(range: &KeyRange, limit: usize) -> RangeRead {
    let (begin, end) = (range.begin.clone(), range.end.clone());
    RangeRead { begin, end, limit, target_bytes: PAGE_PART_BYTES, reverse: false }
}

/// Removes markers of processes that did not close their store, a week of versions ago or more.
async fn sweep(core: &Core) -> Result<(), Code> {
    let limit_ms = core.config.commit_try_ms_max;
    let transaction = core.transaction(Purpose::Commit)?;
    let now = within(limit_ms, transaction.read_version()).await?;
    let mut read = part(&core.layout.markers(), SWEEP_KEYS_MAX);
    let (mut swept, mut more) = (0_usize, true);
    while more && read.limit > 0 {
        let rows = within(limit_ms, transaction.get_range(&read)).await?;
        let Some((last, _)) = rows.items.last() else { break };
        read.begin = KeyRange::single(last).end;
        read.limit = read.limit.saturating_sub(rows.items.len());
        more = rows.more;
        for (key, value) in &rows.items {
            let age = marker_stamp(value).map(|stamp| now.saturating_sub(stamp_version(&stamp)));
            if age.is_some_and(|age| age > MARKER_VERSIONS_MAX) {
                remove(&*transaction, key)?;
                swept += 1;
            }
        }
    }
    if swept > 0 {
        within(limit_ms, transaction.commit()).await?;
        tracing::info!(swept, "markers of earlier processes were swept");
    }
    Ok(())
}

/// Removes a marker unless it changes meanwhile.
fn remove(transaction: &dyn ClientTransaction, key: &bytes::Bytes) -> Result<(), Code> {
    let range = KeyRange::single(key);
    transaction.add_conflict(ConflictSide::Read, &range.begin, &range.end)?;
    transaction.clear_range(&range.begin, &range.end);
    Ok(())
}

/// Conflicts with itself, so that a try of which nothing was heard has no effect behind the next.
async fn clear(core: &Core, range: &KeyRange) -> Result<(), Code> {
    let transaction = core.transaction(Purpose::Commit)?;
    transaction.add_conflict(ConflictSide::Read, &range.begin, &range.end)?;
    transaction.clear_range(&range.begin, &range.end);
    within(core.config.commit_try_ms_max, transaction.commit()).await.map(|_| ())
}
