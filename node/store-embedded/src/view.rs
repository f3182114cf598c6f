//! A view: one version together with exactly the data that shows it (growing overlay, frozen
//! overlay, runs). It is published as one value, so version and snapshot can never be of
//! different moments. The snapshot that callers hold is here too.

use std::sync::Arc;

use actors_store::limits::{RANGE_ITEMS_MAX, TRANSACTION_WINDOW_MICROS_MAX};
use actors_store::{
    KeyRange, KeyValue, RangePage, RangeQuery, ReadError, ReadFuture, Snapshot, Version,
};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::ready;
use node_env::Clock;

use crate::index::RunSet;
use crate::limits::PAGE_CHUNK_BYTES;
use crate::merge::{Direction, Merge, Source};
use crate::overlay::Overlay;
use crate::row::Wanted;

/// Where data is: overlays above runs.
#[derive(Clone, Default)]
pub(crate) struct Layers {
    pub(crate) active: Arc<Overlay>,
    /// Overlay that is being written to a run.
    pub(crate) frozen: Option<Arc<Overlay>>,
    pub(crate) runs: Arc<RunSet>,
}

impl Layers {
    fn overlays(&self) -> impl Iterator<Item = &Overlay> {
        std::iter::once(&self.active).chain(&self.frozen).map(Arc::as_ref)
    }

    /// Value of a key at a version. Copied out of the overlay, so that a value which is held for
    /// long holds nothing else in memory.
    pub(crate) fn get(
        &self,
        wanted: &Wanted<'_>,
        version: Version,
    ) -> Result<Option<Bytes>, ReadError> {
        for part in self.overlays().flat_map(Overlay::parts) {
            if let Some(found) = part.get(wanted, version) {
                return Ok(found.map(Bytes::copy_from_slice));
            }
        }
        Ok(self.runs.get(wanted)?.flatten())
    }

    /// Entries of a range at a version, cleared keys included.
    pub(crate) fn merged<'a>(
        &'a self,
        range: &'a KeyRange,
        version: Version,
        direction: Direction,
    ) -> Result<Merge<'a>, ReadError> {
        let parts = self.overlays().flat_map(Overlay::parts);
        let cursors = parts.map(|part| Source::Part(part.cursor(range, version, direction)));
        let mut sources: Vec<Source<'a>> = cursors.collect();
        self.runs.sources(range, direction, &mut sources)?;
        Ok(Merge::new(sources, direction))
    }

    /// One page of a range at a version.
    pub(crate) fn page(
        &self,
        query: &RangeQuery,
        version: Version,
    ) -> Result<RangePage, ReadError> {
        let range = KeyRange { begin: query.begin.clone(), end: query.end.clone() };
        if range.is_empty() {
            return Ok(RangePage::default());
        }
        let limit = query.limit.min(RANGE_ITEMS_MAX);
        let direction = if query.reverse { Direction::Backward } else { Direction::Forward };
        let mut page = PageBuilder::default();
        let mut merged = self.merged(&range, version, direction)?;
        let mut more = false;
        while let Some((key, value)) = merged.entry() {
            if let Some(value) = value {
                if page.count >= limit {
                    more = true;
                    break;
                }
                page.push(key, value);
            }
            merged.advance()?;
        }
        Ok(RangePage { items: page.finish(), more })
    }
}

/// Copies items into chunks of some kilobytes: two allocations for many items instead of two for
/// each, and still no item holds much more than itself in memory.
#[derive(Default)]
struct PageBuilder {
    items: Vec<KeyValue>,
    chunk: Vec<u8>,
    /// Ends of keys and values in the chunk.
    ends: Vec<(usize, usize)>,
    count: usize,
}

impl PageBuilder {
    fn push(&mut self, key: &[u8], value: &[u8]) {
        if self.chunk.len() + key.len() + value.len() > PAGE_CHUNK_BYTES {
            self.seal();
            self.chunk.reserve(PAGE_CHUNK_BYTES);
        }
        self.chunk.extend_from_slice(key);
        let middle = self.chunk.len();
        self.chunk.extend_from_slice(value);
        self.ends.push((middle, self.chunk.len()));
        self.count += 1;
    }

    fn seal(&mut self) {
        let chunk = Bytes::from(std::mem::take(&mut self.chunk));
        let mut begin = 0;
        for (middle, end) in self.ends.drain(..) {
            self.items.push((chunk.slice(begin..middle), chunk.slice(middle..end)));
            begin = end;
        }
    }

    fn finish(mut self) -> Vec<KeyValue> {
        self.seal();
        self.items
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
        let get = || self.view.layers.get(&Wanted::new(key), self.view.version);
        ready(self.check_age().and_then(|()| get())).boxed()
    }

    fn range(&self, query: RangeQuery) -> ReadFuture<'_, RangePage> {
        let page = self.check_age().and_then(|()| self.view.layers.page(&query, self.view.version));
        ready(page).boxed()
    }
}
