//! The scan: live rows of one kind at one version, in parts that run at once. Dropping the future
//! ends the parts at their next page.

use crate::collect::Found;
use crate::error::QueryError;
use crate::facilities;
use crate::limits::{PAGE_ROWS, PARTS_MAX, QueryLimits};
use crate::plan::{Plan, Query};
use crate::tree::{Moment, Row};
use actors_runtime::live::{self, RowKeys};
use actors_store::{KeyRange, RangeQuery, Snapshot};
use schema_types::ids::{EntityKind, TenantId};
use schema_wire::live::LiveRow;
use std::sync::Arc;
use tokio::task::JoinSet;

/// What is scanned, and as of when.
#[derive(Clone)]
pub(crate) struct Scan {
    pub(crate) snapshot: Arc<dyn Snapshot>,
    pub(crate) query: Query,
    pub(crate) limits: QueryLimits,
    pub(crate) moment: Moment,
    pub(crate) keys: RowKeys,
}

impl Scan {
    fn plan(&self) -> &Plan {
        &self.query.plan
    }

    /// Looks at every row.
    pub(crate) async fn run(self, tenant: &TenantId) -> Result<Found, QueryError> {
        if self.plan().kind == EntityKind::Facility {
            return self.facilities(tenant).await;
        }
        let mut parts = JoinSet::new();
        for range in live::ranges(tenant, self.plan().kind, workers()) {
            parts.spawn(self.clone().part(range));
        }
        let mut all = Found::new(self.plan(), self.limits);
        while let Some(part) = parts.join_next().await {
            let part = part.map_err(|_| actors_runtime::SubmitError::ShuttingDown)??;
            all.merge(part, self.plan())?;
        }
        Ok(all)
    }

    async fn part(self, range: KeyRange) -> Result<Found, QueryError> {
        let mut found = Found::new(self.plan(), self.limits);
        let mut query = Some(RangeQuery::forward(range, PAGE_ROWS));
        while let Some(current) = query {
            let page = self.snapshot.range(current.clone()).await?;
            for (key, value) in &page.items {
                self.look(&mut found, key, value)?;
            }
            query = current.after(&page);
            // Commands go first: a page is about a millisecond of work.
            tokio::task::yield_now().await;
        }
        Ok(found)
    }

    async fn facilities(self, tenant: &TenantId) -> Result<Found, QueryError> {
        let mut found = Found::new(self.plan(), self.limits);
        for facility in facilities::known(&*self.snapshot, tenant).await? {
            let row = facilities::row(&*self.snapshot, &facility).await?;
            self.look(&mut found, &live::row_key(&facility), &row)?;
        }
        Ok(found)
    }

    fn look(&self, found: &mut Found, key: &[u8], value: &[u8]) -> Result<(), QueryError> {
        let Some(live) = LiveRow::open(value) else {
            let place = "live row".to_owned();
            return Err(actors_runtime::SubmitError::Damaged { place }.into());
        };
        let row = Row { live: Some(live), key, keys: &self.keys, cells: &[], moment: self.moment };
        found.take(self.plan(), &row)
    }
}

/// As many parts as there are threads to run them.
fn workers() -> usize {
    tokio::runtime::Handle::current().metrics().num_workers().clamp(1, PARTS_MAX)
}
