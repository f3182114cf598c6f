//! A view: one version together with exactly the data that shows it (growing overlay, frozen
//! overlay, runs). It is published as one value, so version and snapshot can never be of
//! different moments. The snapshot that callers hold is here too.

use std::sync::Arc;

use actors_store::limits::{RANGE_ITEMS_MAX, TRANSACTION_WINDOW_MICROS_MAX};
use actors_store::{
    KeyRange, Mutation, RangePage, RangeQuery, ReadError, ReadFuture, Snapshot, Version,
};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::ready;
use node_env::Clock;

use crate::index::RunSet;
use crate::merge::{Direction, Merge, Source};
use crate::overlay::Overlay;

/// Where data is: overlays above runs.
#[derive(Clone, Default)]
pub(crate) struct Layers {
    pub(crate) active: Arc<Overlay>,
    /// Overlay that is being written to a run.
    pub(crate) frozen: Option<Arc<Overlay>>,
    pub(crate) runs: Arc<RunSet>,
}

impl Layers {
    fn overlays(&self) -> impl Iterator<Item = &Arc<Overlay>> {
        std::iter::once(&self.active).chain(&self.frozen)
    }

    /// Value of a key at a version.
    pub(crate) fn get(&self, key: &[u8], version: Version) -> Result<Option<Bytes>, ReadError> {
        for overlay in self.overlays() {
            if let Some(found) = overlay.get(key, version) {
                return Ok(found);
            }
        }
        Ok(self.runs.get(key)?.flatten())
    }

    /// Entries of a range at a version, cleared keys included.
    fn merged<'a>(
        &'a self,
        range: &'a KeyRange,
        version: Version,
        direction: Direction,
    ) -> Merge<'a> {
        let overlays = self.overlays().map(|overlay| {
            Box::new(overlay.entries(range, version, direction).map(Ok)) as Source<'a>
        });
        Merge::new(overlays.chain(self.runs.sources(range, direction)).collect(), direction)
    }

    /// One page of a range at a version.
    pub(crate) fn page(
        &self,
        query: &RangeQuery,
        version: Version,
    ) -> Result<RangePage, ReadError> {
        let range = KeyRange { begin: query.begin.clone(), end: query.end.clone() };
        let mut page = RangePage::default();
        if range.is_empty() {
            return Ok(page);
        }
        let limit = query.limit.min(RANGE_ITEMS_MAX);
        let direction = if query.reverse { Direction::Backward } else { Direction::Forward };
        for entry in self.merged(&range, version, direction) {
            let (key, value) = entry?;
            let Some(value) = value else { continue };
            if page.items.len() >= limit {
                page.more = true;
                break;
            }
            page.items.push((key, value));
        }
        Ok(page)
    }

    /// Applies one mutation to the growing overlay. Only the writer calls this: it sees its own
    /// entries that nobody else sees yet.
    pub(crate) fn apply(&self, version: Version, mutation: Mutation) -> Result<(), ReadError> {
        match mutation {
            Mutation::Set { key, value } => self.active.insert(version, key, Some(value)),
            Mutation::Clear { key } => self.active.insert(version, key, None),
            Mutation::ClearRange { range } => {
                if range.is_empty() {
                    return Ok(());
                }
                let mut present = Vec::new();
                for entry in self.merged(&range, Version::MAX, Direction::Forward) {
                    let (key, value) = entry?;
                    if value.is_some() {
                        present.push(key);
                    }
                }
                for key in present {
                    self.active.insert(version, key, None);
                }
            }
            Mutation::Add { key, delta } => {
                let stored = self.get(&key, Version::MAX)?;
                let sum = actors_store::mutation::add_little_endian(stored.as_deref(), delta);
                self.active.insert(version, key, Some(Bytes::copy_from_slice(&sum)));
            }
            Mutation::SetVersionstampedKey { .. } | Mutation::SetVersionstampedValue { .. } => {
                node_env::always!(false, "STORE-1", "an applied mutation has no placeholder");
            }
        }
        Ok(())
    }
}

/// A version and the data that shows it.
#[derive(Clone, Default)]
pub(crate) struct View {
    pub(crate) version: Version,
    pub(crate) layers: Layers,
}

/// A view held by a caller.
pub(crate) struct ViewSnapshot {
    view: Arc<View>,
    /// Clock and moment of the beginning; without it the snapshot never gets too old.
    begun: Option<(Arc<dyn Clock>, u64)>,
}

impl ViewSnapshot {
    pub(crate) fn new(view: Arc<View>, clock: &Arc<dyn Clock>) -> Self {
        let begun = Some((Arc::clone(clock), clock.monotonic_micros()));
        Self { view, begun }
    }

    pub(crate) fn timeless(view: Arc<View>) -> Self {
        Self { view, begun: None }
    }

    fn check_age(&self) -> Result<(), ReadError> {
        let Some((clock, begun_at)) = &self.begun else { return Ok(()) };
        let age = clock.monotonic_micros().saturating_sub(*begun_at);
        if age > TRANSACTION_WINDOW_MICROS_MAX { Err(ReadError::TooOld) } else { Ok(()) }
    }
}

impl Snapshot for ViewSnapshot {
    fn version(&self) -> Version {
        self.view.version
    }

    fn get<'a>(&'a self, key: &'a [u8]) -> ReadFuture<'a, Option<Bytes>> {
        let found = self.check_age().and_then(|()| self.view.layers.get(key, self.view.version));
        ready(found).boxed()
    }

    fn range(&self, query: RangeQuery) -> ReadFuture<'_, RangePage> {
        let page = self.check_age().and_then(|()| self.view.layers.page(&query, self.view.version));
        ready(page).boxed()
    }
}
