//! Reading at one version: keys, and pages of ranges put together from what the cluster gives at a
//! time. A snapshot is never moved to another version; past the window it is too old.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actors_store::limits::{KEY_BYTES_MAX, RANGE_ITEMS_MAX, TRANSACTION_WINDOW_MICROS_MAX};
use actors_store::{KeyRange, RangePage, RangeQuery, ReadError, ReadFuture, Snapshot, Version};
use bytes::Bytes;
use futures::FutureExt;

use crate::client::{ClientFuture, ClientTransaction, Purpose, RangeRead, Rows};
use crate::code::Code;
use crate::core::{Core, Tries, within};
use crate::layout::Layout;
use crate::limits::{PAGE_BYTES_MAX, PAGE_PART_BYTES};

/// See the module.
pub(crate) struct FdbSnapshot {
    core: Arc<Core>,
    version: i64,
    begun_at_micros: u64,
    /// Made by the first read, and again after one that failed.
    transaction: Mutex<Option<Arc<dyn ClientTransaction>>>,
}

impl FdbSnapshot {
    pub(crate) fn new(core: Arc<Core>, version: i64, begun_at_micros: u64) -> Self {
        Self { core, version, begun_at_micros, transaction: Mutex::default() }
    }

    fn check(&self) -> Result<(), ReadError> {
        if self.core.is_closed() {
            return Err(ReadError::Stopped { reason: "the store was closed".to_owned() });
        }
        let now = self.core.environment.clock.monotonic_micros();
        if now.saturating_sub(self.begun_at_micros) > TRANSACTION_WINDOW_MICROS_MAX {
            return Err(ReadError::TooOld);
        }
        Ok(())
    }

    fn transaction(&self) -> Result<Arc<dyn ClientTransaction>, Code> {
        let mut held = self.transaction.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(transaction) = held.as_ref() {
            return Ok(Arc::clone(transaction));
        }
        let transaction: Arc<dyn ClientTransaction> =
            Arc::from(self.core.transaction(Purpose::Read)?);
        transaction.set_read_version(self.version);
        *held = Some(Arc::clone(&transaction));
        Ok(transaction)
    }

    fn forget_transaction(&self) {
        *self.transaction.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Reads until it works, it is too late, or it is of no use.
    async fn read<T>(
        &self,
        call: impl Fn(&dyn ClientTransaction) -> ClientFuture<T> + Send + Sync,
    ) -> Result<T, ReadError> {
        let core = &self.core;
        let mut tries = Tries::within_ms(core.config.read_ms_max);
        loop {
            self.check()?;
            core.counters.reads.add();
            let found = match self.transaction() {
                Ok(transaction) => within(core.config.read_ms_max, call(&*transaction)).await,
                Err(code) => Err(code),
            };
            let code = match found {
                Ok(found) => return Ok(found),
                Err(code) => code,
            };
            self.forget_transaction();
            if code == Code::TRANSACTION_TOO_OLD {
                return Err(ReadError::TooOld);
            }
            if !code.is_read_retryable() || !tries.again(core).await {
                return Err(ReadError::Failed { reason: code.to_string() });
            }
        }
    }

    /// A place among the reads in flight (LIM-1), for as long as the work takes; all within the
    /// time of a read.
    async fn in_turn<T>(
        &self,
        work: impl Future<Output = Result<T, ReadError>> + Send,
    ) -> Result<T, ReadError> {
        let limit_ms = self.core.config.read_ms_max;
        let in_turn = async {
            // The semaphore is never closed.
            let _place = self.core.reads.acquire().await.ok();
            work.await
        };
        let late = || ReadError::Failed { reason: format!("no answer within {limit_ms} ms") };
        let limited = tokio::time::timeout(Duration::from_millis(limit_ms), in_turn);
        limited.await.unwrap_or_else(|_| Err(late()))
    }

    async fn page(&self, query: RangeQuery) -> Result<RangePage, ReadError> {
        self.check()?;
        let limit = query.limit.min(RANGE_ITEMS_MAX);
        if query.begin >= query.end {
            return Ok(RangePage::default());
        }
        if limit == 0 {
            return Ok(RangePage { items: Vec::new(), more: true });
        }
        let range = self.core.layout.range(&KeyRange { begin: query.begin, end: query.end });
        let mut read = RangeRead {
            begin: range.begin,
            end: range.end,
            limit,
            target_bytes: PAGE_PART_BYTES,
            reverse: query.reverse,
        };
        let mut page = RangePage { items: Vec::new(), more: true };
        let mut bytes = 0;
        while page.more && page.items.len() < limit && bytes < PAGE_BYTES_MAX {
            read.limit = limit - page.items.len();
            let rows = self.rows(&read).await?;
            bytes += rows.items.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
            if let Some((last, _)) = rows.items.last() {
                continue_behind(&mut read, last);
            }
            page.more = rows.more && read.begin < read.end;
            let items = rows.items.into_iter().take(read.limit);
            page.items.extend(items.map(|(key, value)| (Layout::strip(&key), value)));
        }
        Ok(page)
    }

    /// Some rows. The client gives at least one while there are more; should it not, that is an
    /// error and no endless loop.
    async fn rows(&self, read: &RangeRead) -> Result<Rows, ReadError> {
        let call = |transaction: &dyn ClientTransaction| {
            let rows = transaction.get_range(read);
            let checked = rows.map(|rows| match rows {
                Ok(rows) if rows.items.is_empty() && rows.more => Err(Code::FUTURE_VERSION),
                rows => rows,
            });
            checked.boxed()
        };
        self.read(call).await
    }
}

fn continue_behind(read: &mut RangeRead, last: &Bytes) {
    if read.reverse {
        read.end = last.clone();
    } else {
        read.begin = KeyRange::single(last).end;
    }
}

impl Snapshot for FdbSnapshot {
    fn version(&self) -> Version {
        u64::try_from(self.version).unwrap_or(0)
    }

    fn get<'a>(&'a self, key: &'a [u8]) -> ReadFuture<'a, Option<Bytes>> {
        let work = async move {
            if key.len() > KEY_BYTES_MAX {
                // No commit takes such a key.
                return self.check().map(|()| None);
            }
            let key = self.core.layout.data(key);
            self.read(|transaction| transaction.get(&key)).await
        };
        self.in_turn(work).boxed()
    }

    fn range(&self, query: RangeQuery) -> ReadFuture<'_, RangePage> {
        self.in_turn(self.page(query)).boxed()
    }
}
