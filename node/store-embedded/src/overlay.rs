//! The overlay: recent versions in memory, above the runs. One thread inserts, any number of
//! threads read without locks; a reader sees only versions up to its own, so entries of a batch
//! that is not yet durable are in it but invisible.

use std::cmp::Reverse;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use actors_store::{KeyRange, Version};
use bytes::Bytes;
use crossbeam_skiplist::SkipMap;

use crate::merge::{Direction, Entry};

/// Estimated memory of an entry beside its key and value, in bytes.
const ENTRY_OVERHEAD_BYTES: usize = 160;

type VersionedKey = (Bytes, Reverse<Version>);

/// Versions of keys in memory.
#[derive(Default)]
pub(crate) struct Overlay {
    map: SkipMap<VersionedKey, Option<Bytes>>,
    bytes: AtomicUsize,
    /// Newest version and log record in it.
    newest: AtomicU64,
    sequence: AtomicU64,
}

impl Overlay {
    /// Sets or clears (`None`) a key at a version. One thread at a time.
    pub(crate) fn insert(&self, version: Version, key: Bytes, value: Option<Bytes>) {
        let bytes = key.len() + value.as_ref().map_or(0, Bytes::len) + ENTRY_OVERHEAD_BYTES;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.map.insert((key, Reverse(version)), value);
    }

    /// Notes that everything up to this version and log record is in here.
    pub(crate) fn reached(&self, version: Version, sequence: u64) {
        self.newest.store(version, Ordering::Release);
        self.sequence.store(sequence, Ordering::Release);
    }

    /// Newest version in it.
    pub(crate) fn version(&self) -> Version {
        self.newest.load(Ordering::Acquire)
    }

    /// Number of the newest log record in it.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Acquire)
    }

    /// Estimated memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Newest entry of a key up to a version; the inner `None` is a cleared key.
    pub(crate) fn get(&self, key: &[u8], version: Version) -> Option<Option<Bytes>> {
        if self.map.is_empty() {
            return None;
        }
        let from = (Bytes::copy_from_slice(key), Reverse(version));
        let entry = self.map.lower_bound(Bound::Included(&from))?;
        (entry.key().0 == key).then(|| entry.value().clone())
    }

    /// Newest entries up to a version of the keys in a range, cleared keys included.
    pub(crate) fn entries<'a>(
        &'a self,
        range: &KeyRange,
        version: Version,
        direction: Direction,
    ) -> Box<dyn Iterator<Item = Entry> + 'a> {
        let begin = (range.begin.clone(), Reverse(Version::MAX));
        let end = (range.end.clone(), Reverse(Version::MAX));
        let seen = self.map.range((Bound::Included(begin), Bound::Excluded(end)));
        match direction {
            Direction::Forward => {
                let mut last: Option<Bytes> = None;
                Box::new(seen.filter_map(move |entry| {
                    let (key, Reverse(at)) = entry.key();
                    if *at > version || last.as_ref() == Some(key) {
                        return None;
                    }
                    last = Some(key.clone());
                    Some((key.clone(), entry.value().clone()))
                }))
            }
            Direction::Backward => Box::new(Backward { seen: seen.rev(), version, held: None }),
        }
    }
}

/// Against the key order the oldest version of a key comes first: hold it until the key changes.
struct Backward<I> {
    seen: I,
    version: Version,
    held: Option<Entry>,
}

impl<'a, I> Iterator for Backward<I>
where
    I: Iterator<Item = crossbeam_skiplist::map::Entry<'a, VersionedKey, Option<Bytes>>>,
{
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            let Some(entry) = self.seen.next() else { return self.held.take() };
            let (key, Reverse(at)) = entry.key();
            if *at > self.version {
                continue;
            }
            let found = (key.clone(), entry.value().clone());
            match self.held.replace(found) {
                Some(held) if held.0 != *key => return Some(held),
                Some(_) | None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &'static str) -> Bytes {
        Bytes::from_static(name.as_bytes())
    }

    #[test]
    fn readers_see_their_version_in_both_directions() {
        let overlay = Overlay::default();
        for (version, name, value) in [
            (1, "a", Some("a1")),
            (1, "b", Some("b1")),
            (2, "a", None),
            (3, "a", Some("a3")),
            (3, "c", Some("c3")),
            (3, "c", Some("c3 again")),
        ] {
            overlay.insert(version, key(name), value.map(key));
        }
        let entry = |name, value: Option<&'static str>| (key(name), value.map(key));
        for (version, expected) in [
            (0, vec![]),
            (1, vec![entry("a", Some("a1")), entry("b", Some("b1"))]),
            (2, vec![entry("a", None), entry("b", Some("b1"))]),
            (3, vec![entry("a", Some("a3")), entry("b", Some("b1")), entry("c", Some("c3 again"))]),
        ] {
            let all = KeyRange::prefix(b"");
            let found: Vec<Entry> = overlay.entries(&all, version, Direction::Forward).collect();
            assert_eq!(found, expected, "{version}");
            let mut found: Vec<Entry> =
                overlay.entries(&all, version, Direction::Backward).collect();
            found.reverse();
            assert_eq!(found, expected, "{version}");
            for name in ["a", "b", "c", "d"] {
                let wanted = expected.iter().find(|(found, _)| found == name);
                let wanted = wanted.map(|(_, value)| value.clone());
                assert_eq!(overlay.get(name.as_bytes(), version), wanted, "{name} {version}");
            }
        }
    }
}
