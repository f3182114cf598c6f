//! The real client behind the seam: handles of the `foundationdb` binding, the options of their
//! transactions, and what their answers mean.

use std::sync::Arc;

use actors_store::mutation::VERSIONSTAMP_BYTES;
use bytes::Bytes;
use foundationdb::options::{
    ConflictRangeType, DatabaseOption, MutationType, StreamingMode, TransactionOption,
};
use foundationdb::{Database, KeySelector, RangeOption, Transaction};
use futures::FutureExt;

use crate::client::{
    Atomic, Client, ClientFuture, ClientTransaction, ConflictSide, Landed, Purpose, RangeRead, Rows,
};
use crate::code::Code;
use crate::config::FdbConfig;
use crate::error::FdbError;
use crate::network;

/// An answer that no client gives; looked into as if nothing had been said.
const NO_STAMP: Code = Code(2_021 + 10_000);

/// Handles on the cluster; starts the network thread if it does not run.
pub(crate) fn connect(config: &FdbConfig) -> Result<Vec<Arc<dyn Client>>, FdbError> {
    let path = match &config.cluster_file {
        None => None,
        Some(file) => Some(cluster_file(file)?),
    };
    network::start(config)?;
    let handle = |_| -> Result<Arc<dyn Client>, FdbError> {
        let refused = |error: foundationdb::FdbError| FdbError::Client {
            reason: format!("{} ({})", error.message(), error.code()),
        };
        let database = Database::new(path.as_deref()).map_err(refused)?;
        let limit = |limit_ms: u64| i32::try_from(limit_ms).unwrap_or(i32::MAX);
        let reads = DatabaseOption::TransactionTimeout(limit(config.read_ms_max));
        database.set_option(reads).map_err(refused)?;
        Ok(Arc::new(NativeClient { database, commit_ms_max: limit(config.commit_try_ms_max) }))
    };
    (0..config.databases).map(handle).collect()
}

/// The client waits for a cluster file that is not there; here that is said at once.
fn cluster_file(file: &std::path::Path) -> Result<String, FdbError> {
    let config = |reason: String| FdbError::Config { reason };
    if !file.is_file() {
        return Err(config(format!("there is no cluster file {}", file.display())));
    }
    let path = file.to_str().filter(|path| !path.contains('\0'));
    path.map(str::to_owned).ok_or_else(|| config("cluster_file is not UTF-8".to_owned()))
}

struct NativeClient {
    database: Database,
    commit_ms_max: i32,
}

impl Client for NativeClient {
    fn transaction(&self, purpose: Purpose) -> Result<Box<dyn ClientTransaction>, Code> {
        let transaction = self.database.create_trx().map_err(code)?;
        let options: &[TransactionOption] = match purpose {
            Purpose::Read => &[TransactionOption::ReadYourWritesDisable],
            Purpose::Commit => &[
                // Writes go to the cluster as they come, in their order; nothing reads them here.
                TransactionOption::ReadYourWritesDisable,
                // Keys may be eight bytes longer; see `limits::PREFIX_BYTES`.
                TransactionOption::RawAccess,
                // Each commit conflicts with itself already; see `attempt`.
                TransactionOption::CausalWriteRisky,
                TransactionOption::Timeout(self.commit_ms_max),
            ],
        };
        for option in options {
            transaction.set_option(option.clone()).map_err(code)?;
        }
        Ok(Box::new(NativeTransaction { transaction }))
    }
}

struct NativeTransaction {
    transaction: Transaction,
}

impl ClientTransaction for NativeTransaction {
    fn set_read_version(&self, version: i64) {
        self.transaction.set_read_version(version);
    }

    fn read_version(&self) -> ClientFuture<i64> {
        self.transaction.get_read_version().map(|version| version.map_err(code)).boxed()
    }

    fn get(&self, key: &[u8]) -> ClientFuture<Option<Bytes>> {
        let found = self.transaction.get(key, true);
        let owned = |value: Option<foundationdb::future::FdbSlice>| {
            value.map(|value| Bytes::copy_from_slice(&value))
        };
        found.map(move |value| value.map(owned).map_err(code)).boxed()
    }

    fn get_range(&self, read: &RangeRead) -> ClientFuture<Rows> {
        let options = RangeOption {
            begin: KeySelector::first_greater_or_equal(&read.begin[..]),
            end: KeySelector::first_greater_or_equal(&read.end[..]),
            limit: Some(read.limit),
            target_bytes: read.target_bytes,
            mode: StreamingMode::WantAll,
            reverse: read.reverse,
            ..RangeOption::default()
        };
        let found = self.transaction.get_range(&options, 1, true);
        let owned = |values: foundationdb::future::FdbValues| {
            let copy = |row: &foundationdb::future::FdbKeyValue| {
                (Bytes::copy_from_slice(row.key()), Bytes::copy_from_slice(row.value()))
            };
            Rows { items: values.iter().map(copy).collect(), more: values.more() }
        };
        found.map(move |values| values.map(owned).map_err(code)).boxed()
    }

    fn set(&self, key: &[u8], value: &[u8]) {
        self.transaction.set(key, value);
    }

    fn clear_range(&self, begin: &[u8], end: &[u8]) {
        self.transaction.clear_range(begin, end);
    }

    fn atomic(&self, kind: Atomic, key: &[u8], operand: &[u8]) {
        let kind = match kind {
            Atomic::Add => MutationType::Add,
            Atomic::VersionstampedKey => MutationType::SetVersionstampedKey,
            Atomic::VersionstampedValue => MutationType::SetVersionstampedValue,
        };
        self.transaction.atomic_op(key, operand, kind);
    }

    fn add_conflict(&self, side: ConflictSide, begin: &[u8], end: &[u8]) -> Result<(), Code> {
        let side = match side {
            ConflictSide::Read => ConflictRangeType::Read,
            ConflictSide::Write => ConflictRangeType::Write,
        };
        self.transaction.add_conflict_range(begin, end, side).map_err(code)
    }

    fn commit(self: Box<Self>) -> ClientFuture<Landed> {
        // Must be asked for before the commit; is answered after it.
        let stamp = self.transaction.get_versionstamp();
        let committing = self.transaction.commit();
        let landed = async move {
            let committed = committing.await.map_err(|error| Code(error.code()))?;
            // It has taken effect. What goes wrong now is no answer about it: the marker has one.
            let version = committed.committed_version().map_err(|_| NO_STAMP)?;
            let stamp = stamp.await.map_err(|_| NO_STAMP)?;
            let versionstamp: [u8; VERSIONSTAMP_BYTES] =
                stamp.as_ref().try_into().map_err(|_| NO_STAMP)?;
            Ok(Landed { version, versionstamp })
        };
        landed.boxed()
    }
}

fn code(error: foundationdb::FdbError) -> Code {
    Code(error.code())
}
