//! The overlay: recent versions in memory, above the runs, as a list of sorted parts. A list
//! never changes; the writer makes a new one for each batch, readers keep theirs. Entries of a
//! batch that is not yet durable are in it but newer than what any reader may see.

use std::sync::Arc;

use actors_store::Version;

use crate::limits::{PART_ROWS_MAX, PARTS_MERGED};
use crate::part::Part;

/// See the module.
#[derive(Clone, Default)]
pub(crate) struct Overlay {
    /// Newest first.
    parts: Vec<Arc<Part>>,
    /// Memory that it holds, in bytes.
    pub(crate) bytes: usize,
    /// Newest version in it.
    pub(crate) version: Version,
    /// Number of the newest log record in it; zero when nothing is.
    pub(crate) sequence: u64,
}

impl Overlay {
    /// The parts, newest first.
    pub(crate) fn parts(&self) -> &[Arc<Part>] {
        &self.parts
    }

    /// This overlay with one more batch in it, the newest.
    pub(crate) fn with(&self, part: &Arc<Part>, version: Version, sequence: u64) -> Self {
        let mut parts = Vec::with_capacity(self.parts.len() + 1);
        let mut bytes = self.bytes;
        if part.len() > 0 {
            parts.push(Arc::clone(part));
            bytes += part.bytes;
        }
        parts.extend_from_slice(&self.parts);
        Self { parts, bytes, version, sequence }
    }

    /// Parts of similar size that should become one, newest first: the smallest group that is
    /// followed by a much larger part, once there are enough of them.
    pub(crate) fn to_merge(&self) -> Option<&[Arc<Part>]> {
        let sizes = self.parts.iter().map(|part| part.len() as u64);
        let group = similar(&sizes.collect::<Vec<_>>(), PARTS_MERGED)?;
        let group = &self.parts[group];
        let rows: usize = group.iter().map(|part| part.len()).sum();
        (rows <= PART_ROWS_MAX).then_some(group)
    }

    /// This overlay with a group of parts replaced by one; nothing when they are not in it.
    pub(crate) fn replaced(&self, group: &[Arc<Part>], merged: Arc<Part>) -> Option<Self> {
        let same = |first: &[Arc<Part>]| {
            first.iter().zip(group).all(|(mine, other)| Arc::ptr_eq(mine, other))
        };
        let begin = self.parts.windows(group.len().max(1)).position(same)?;
        let mut changed = self.clone();
        changed.bytes += merged.bytes;
        let gone = changed.parts.splice(begin..begin + group.len(), [merged]);
        let freed: usize = gone.map(|part| part.bytes).sum();
        changed.bytes -= freed;
        Some(changed)
    }
}

/// Positions of sources of similar size, if there are at least `count`: so many of the oldest of
/// a group that is followed by a source of a higher tier. Sizes are given newest first.
pub(crate) fn similar(sizes: &[u64], count: usize) -> Option<std::ops::Range<usize>> {
    let factor = u64::try_from(count).unwrap_or(u64::MAX).max(2);
    let tier = |size: &u64| (*size).max(1).ilog(factor);
    let mut begin = 0;
    while begin < sizes.len() {
        let level = tier(&sizes[begin]);
        let same = sizes[begin..].iter().take_while(|size| tier(size) <= level).count();
        if same >= count {
            return Some(begin + same - count..begin + same);
        }
        begin += same.max(1);
    }
    None
}
