//! A node without sockets whose live rows a test writes itself, and a store that can be slow.

use actors_audit::HeadSigner;
use actors_runtime::live::row_key;
use actors_runtime::{Runtime, RuntimeConfig, RuntimeParts};
use actors_store::keys::{self, Family};
use actors_store::{
    CommitFuture, CommitRequest, MemoryStore, Mutation, RangePage, RangeQuery, ReadFuture,
    Snapshot, Store, Version,
};
use bytes::Bytes;
use node_env::fake::ManualClock;
use node_query::{Asker, QueryAnswer, QueryError, QueryLimits, Value, ask};
use schema_types::Decimal;
use schema_types::ids::{CommandId, EntityId, EntityKind, PrincipalId, SourceId, TenantId};
use schema_types::live::patient_slot::{self as slot, flag};
use schema_types::live::{packed_date, time_slot, value_slot};
use schema_types::measure::Measure;
use schema_types::time::Timestamp;
use schema_wire::live::RowWriter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// 2026-11-23T00:00:00Z.
pub(crate) const NOW_SECONDS: i64 = 1_795_392_000;

pub(crate) fn tenant() -> TenantId {
    TenantId::new("t1")
}

pub(crate) fn patient(key: &str) -> EntityId {
    EntityId::new(tenant(), EntityKind::Patient, key)
}

pub(crate) fn asker() -> Asker {
    Asker {
        principal: PrincipalId::new("nurse:ada"),
        purpose: "TREAT".to_owned(),
        source: SourceId::new("test"),
        command_id: CommandId::new("q1"),
    }
}

/// What a test says of a patient.
#[derive(Debug, Clone, Default)]
pub(crate) struct Person {
    pub(crate) heart_rate: Option<Decimal>,
    /// How many minutes ago the heart rate was taken.
    pub(crate) taken_minutes_ago: i64,
    pub(crate) lactate: Option<Decimal>,
    /// News2 with the index of its band.
    pub(crate) news2: Option<(u32, u32)>,
    pub(crate) unit: Option<&'static str>,
    pub(crate) born: Option<(i64, i64, i64)>,
    pub(crate) observations: u32,
    pub(crate) in_hospital: bool,
}

impl Person {
    pub(crate) fn row(&self) -> Vec<u8> {
        let now = Timestamp::from_unix_seconds(NOW_SECONDS);
        let mut row = RowWriter::new(now);
        if let Some(rate) = self.heart_rate {
            row.decimal(value_slot(Measure::HeartRate), rate);
            let taken = now.plus_micros(-60_000_000 * self.taken_minutes_ago);
            row.time(time_slot(Measure::HeartRate), taken);
        }
        if let Some(lactate) = self.lactate {
            row.decimal(value_slot(Measure::Lactate), lactate);
            row.time(time_slot(Measure::Lactate), now);
        }
        if let Some((points, band)) = self.news2 {
            row.decimal(slot::MINIMA, Decimal::from(points));
            row.decimal(slot::MAXIMA, Decimal::from(points));
            row.time(slot::AS_OF, now);
            row.count(slot::BANDS, band + 1);
        }
        if let Some(unit) = self.unit {
            row.text(slot::UNIT, unit);
        }
        if let Some((year, month, day)) = self.born {
            row.count(slot::BIRTH, packed_date(year, month, day).unwrap());
        }
        row.count(slot::OBSERVATIONS, self.observations);
        row.count(slot::FLAGS, u32::from(self.in_hospital) << flag::IN_HOSPITAL);
        row.finish()
    }
}

/// A store that counts the pages that are read, and can stop to answer.
pub(crate) struct Watched {
    inner: MemoryStore,
    pub(crate) pages: Arc<AtomicUsize>,
    pub(crate) stuck: Arc<AtomicBool>,
}

struct WatchedSnapshot {
    inner: Arc<dyn Snapshot>,
    pages: Arc<AtomicUsize>,
    stuck: Arc<AtomicBool>,
}

impl Store for Watched {
    fn begin(&self) -> ReadFuture<'_, Arc<dyn Snapshot>> {
        Box::pin(async {
            let inner = self.inner.begin().await?;
            let (pages, stuck) = (Arc::clone(&self.pages), Arc::clone(&self.stuck));
            let snapshot: Arc<dyn Snapshot> = Arc::new(WatchedSnapshot { inner, pages, stuck });
            Ok(snapshot)
        })
    }

    fn commit(&self, request: CommitRequest) -> CommitFuture {
        self.inner.commit(request)
    }
}

impl Snapshot for WatchedSnapshot {
    fn version(&self) -> Version {
        self.inner.version()
    }

    fn get<'a>(&'a self, key: &'a [u8]) -> ReadFuture<'a, Option<Bytes>> {
        self.inner.get(key)
    }

    fn range(&self, query: RangeQuery) -> ReadFuture<'_, RangePage> {
        Box::pin(async {
            let rows = keys::index("live1", "t1").finish();
            if query.begin.starts_with(&rows) {
                self.pages.fetch_add(1, Ordering::SeqCst);
                if self.stuck.load(Ordering::SeqCst) {
                    std::future::pending::<()>().await;
                }
            }
            self.inner.range(query).await
        })
    }
}

/// A node.
pub(crate) struct World {
    pub(crate) runtime: Runtime,
    pub(crate) store: Arc<Watched>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let clock = Arc::new(ManualClock::new(NOW_SECONDS * 1_000_000));
        let store = Arc::new(Watched {
            inner: MemoryStore::new(clock.clone()),
            pages: Arc::default(),
            stuck: Arc::default(),
        });
        let signer = Arc::new(HeadSigner::new(&[7; 32]));
        let config = RuntimeConfig { shards: 4, ..RuntimeConfig::default() };
        let parts = RuntimeParts { store: store.clone(), clock, signer, config };
        let runtime = Runtime::start(parts).await.unwrap();
        Self { runtime, store }
    }

    pub(crate) async fn with(people: &[(&str, Person)]) -> Self {
        let world = Self::new().await;
        let rows = people.iter().map(|(key, person)| (patient(key), person.row()));
        world.put(rows.collect()).await;
        world
    }

    pub(crate) async fn put(&self, rows: Vec<(EntityId, Vec<u8>)>) {
        let set = |(entity, row): (EntityId, Vec<u8>)| Mutation::set(row_key(&entity), row);
        self.commit(rows.into_iter().map(set).collect()).await;
    }

    pub(crate) async fn commit(&self, mutations: Vec<Mutation>) {
        let request = CommitRequest { mutations, ..CommitRequest::default() };
        self.store.commit(request).await.unwrap();
    }

    pub(crate) async fn ask(&self, text: &str) -> Result<QueryAnswer, QueryError> {
        ask(&self.runtime, &tenant(), text, &asker(), QueryLimits::default()).await
    }

    #[track_caller]
    pub(crate) fn rows(answer: Result<QueryAnswer, QueryError>) -> Vec<Vec<Value>> {
        match answer {
            Ok(answer) => answer.rows,
            Err(error) => panic!("{error}"),
        }
    }

    /// The first column of the answer, which is of texts.
    pub(crate) async fn keys(&self, text: &str) -> Vec<String> {
        let rows = Self::rows(self.ask(text).await);
        let first = |row: Vec<Value>| match row.into_iter().next() {
            Some(Value::Text(key)) => key,
            other => panic!("{other:?}"),
        };
        rows.into_iter().map(first).collect()
    }

    /// How many records the audit logs of all shards have.
    pub(crate) async fn audit_records(&self) -> usize {
        let snapshot = self.runtime.snapshot().await.unwrap();
        let range = keys::family_range(Family::AuditLeaf);
        let page = snapshot.range(RangeQuery::forward(range, 10_000)).await.unwrap();
        page.items.len()
    }
}

pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    Some(text.parse().unwrap())
}
