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

/// A key and a version, newest version first. The first bytes of the key lie in the node
/// itself, so that most comparisons touch no other memory: a third of the cost of an insert.
#[derive(Debug, Clone, PartialEq, Eq)]
struct VersionedKey {
    prefix: u128,
    key: Bytes,
    version: Reverse<Version>,
}

impl VersionedKey {
    fn new(key: Bytes, version: Version) -> Self {
        let mut prefix = [0; 16];
        let count = key.len().min(prefix.len());
        prefix[..count].copy_from_slice(&key[..count]);
        Self { prefix: u128::from_be_bytes(prefix), key, version: Reverse(version) }
    }
}

impl Ord for VersionedKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_prefix = self.prefix.cmp(&other.prefix);
        by_prefix.then_with(|| self.key.cmp(&other.key)).then(self.version.cmp(&other.version))
    }
}

impl PartialOrd for VersionedKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

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
        self.map.insert(VersionedKey::new(key, version), value);
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
        let from = VersionedKey::new(Bytes::copy_from_slice(key), version);
        let entry = self.map.lower_bound(Bound::Included(&from))?;
        (entry.key().key == key).then(|| entry.value().clone())
    }

    /// Newest entries up to a version of the keys in a range, cleared keys included.
    pub(crate) fn entries<'a>(
        &'a self,
        range: &KeyRange,
        version: Version,
        direction: Direction,
    ) -> Box<dyn Iterator<Item = Entry> + 'a> {
        let begin = VersionedKey::new(range.begin.clone(), Version::MAX);
        let end = VersionedKey::new(range.end.clone(), Version::MAX);
        let seen = self.map.range((Bound::Included(begin), Bound::Excluded(end)));
        match direction {
            Direction::Forward => {
                let mut last: Option<Bytes> = None;
                Box::new(seen.filter_map(move |entry| {
                    let VersionedKey { key, version: Reverse(at), .. } = entry.key();
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
            let VersionedKey { key, version: Reverse(at), .. } = entry.key();
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
    fn versioned_keys_sort_as_their_bytes_then_newest_first() {
        let long = "a key of more than sixteen bytes";
        let names = ["", "\0", "\0\0", "a", "a\0", "a\0b", long, "b"];
        for pair in names.windows(2) {
            let (first, second) = (key(pair[0]), key(pair[1]));
            assert!(VersionedKey::new(first.clone(), 1) < VersionedKey::new(second, 9));
            assert!(VersionedKey::new(first.clone(), 9) < VersionedKey::new(first, 1));
        }
        let longer = format!("{long}!");
        assert!(VersionedKey::new(key(long), 1) < VersionedKey::new(Bytes::from(longer), 1));
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
