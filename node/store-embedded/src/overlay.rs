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

#[cfg(test)]
mod tests {
    use actors_store::{KeyRange, Mutation};
    use bytes::Bytes;

    use super::*;
    use crate::batch::Batch;
    use crate::merge::{Direction, Merge, Source};
    use crate::row::Wanted;
    use crate::view::Layers;

    type Found = Vec<(String, Option<String>)>;

    fn batch(overlay: &Overlay, version: Version, mutations: &[Mutation]) -> Overlay {
        let below = Layers { active: Arc::new(overlay.clone()), ..Layers::default() };
        let mut batch = Batch::new(Vec::new(), 0);
        for mutation in mutations {
            batch.push(version, mutation, &[0; 10], &below).unwrap();
        }
        let unpadded_bytes = batch.record.len();
        let (part, _) = batch.finish(unpadded_bytes);
        overlay.with(&Arc::new(part), version, version)
    }

    fn set(key: &str, value: &str) -> Mutation {
        Mutation::set(key.to_owned(), value.to_owned())
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn entries(overlay: &Overlay, version: Version, direction: Direction) -> Found {
        let all = KeyRange::prefix(b"");
        let cursors = overlay.parts().iter().map(|part| part.cursor(&all, version, direction));
        let mut merged = Merge::new(cursors.map(Source::Part).collect(), direction);
        let mut found = Vec::new();
        while let Some((key, value)) = merged.entry() {
            found.push((text(key), value.map(text)));
            merged.advance().unwrap();
        }
        found
    }

    /// What a reader sees, by every way of reading.
    fn seen(overlay: &Overlay, version: Version) -> Found {
        let found = entries(overlay, version, Direction::Forward);
        let mut backward = entries(overlay, version, Direction::Backward);
        backward.reverse();
        assert_eq!(found, backward);
        for (key, value) in &found {
            let wanted = Wanted::new(key.as_bytes());
            let got = overlay.parts().iter().find_map(|part| part.get(&wanted, version));
            assert_eq!(got.map(|value| value.map(text)), Some(value.clone()), "{key}");
        }
        found
    }

    fn merged(overlay: &Overlay, published: Version) -> Overlay {
        let all = overlay.parts();
        overlay.replaced(all, Arc::new(Part::merged(all, published))).unwrap()
    }

    #[test]
    fn readers_see_their_version_before_and_after_a_merge() {
        let long = |end: &str| format!("a key with a common beginning {end}");
        let mut overlay = Overlay::default();
        overlay = batch(&overlay, 1, &[set("b", "b1"), set(&long("1"), "x1"), set("b", "b1!")]);
        overlay = batch(&overlay, 2, &[Mutation::clear("b"), set(&long("2"), "x2")]);
        overlay = batch(&overlay, 3, &[set("b", "b3"), set("", "empty"), set(&long("1"), "x3")]);
        let entry = |key: &str, value: Option<&str>| (key.to_owned(), value.map(str::to_owned));
        let (first, second) = (long("1"), long("2"));
        let expected = [
            vec![],
            vec![entry(&first, Some("x1")), entry("b", Some("b1!"))],
            vec![entry(&first, Some("x1")), entry(&second, Some("x2")), entry("b", None)],
            vec![
                entry("", Some("empty")),
                entry(&first, Some("x3")),
                entry(&second, Some("x2")),
                entry("b", Some("b3")),
            ],
        ];
        for published in 0..=3 {
            let merged = merged(&overlay, published);
            for version in 0..=3_u64 {
                let expected = &expected[usize::try_from(version).unwrap()];
                assert_eq!(&seen(&overlay, version), expected);
                if version >= published {
                    assert_eq!(&seen(&merged, version), expected, "{version} {published}");
                }
            }
            assert_eq!(merged.parts().len(), 1);
        }
        assert_eq!(merged(&overlay, 3).parts()[0].len(), 4, "nobody sees older versions");
        let sum: usize = overlay.parts().iter().map(|part| part.bytes).sum();
        assert_eq!(overlay.bytes, sum);
    }

    #[test]
    fn later_changes_of_a_batch_see_the_earlier_ones() {
        let add = |key: &str, delta| Mutation::Add { key: Bytes::from(key.to_owned()), delta };
        let mut overlay = batch(&Overlay::default(), 1, &[set("c1", "x"), set("c2", "x")]);
        let many = (0..100).flat_map(|number| [set(&format!("k{number}"), "v"), add("n", 1)]);
        let mut changes: Vec<Mutation> = many.collect();
        changes.push(set("c3", "x"));
        changes.push(Mutation::ClearRange { range: KeyRange::new("c", "d") });
        changes.push(set("c2", "again"));
        changes.push(Mutation::clear("n2"));
        changes.push(add("n2", 5));
        overlay = batch(&overlay, 2, &changes);
        let found = seen(&overlay, 2);
        let value = |key: &str| {
            let found = found.iter().find(|(found, _)| found == key);
            found.and_then(|(_, value)| value.clone())
        };
        assert_eq!(value("n").as_deref(), Some("d\0\0\0\0\0\0\0"), "100 is a d");
        assert_eq!((value("c1"), value("c3")), (None, None));
        assert_eq!(value("c2").as_deref(), Some("again"));
        assert_eq!(value("n2").as_deref(), Some("\u{5}\0\0\0\0\0\0\0"));
    }

    #[test]
    fn parts_of_similar_size_are_merged_in_steps() {
        for (sizes, expected) in [
            (vec![], None),
            (vec![1; 7], None),
            (vec![1; 8], Some(0..8)),
            (vec![1; 10], Some(2..10)),
            (vec![8, 8, 64, 8, 8, 8, 8, 8, 8, 8, 8], Some(3..11)),
            (vec![1, 1, 1, 1, 1, 1, 1, 1, 100, 100], Some(0..8)),
            (vec![1, 100, 100, 100, 100, 100, 100, 100], None),
        ] {
            assert_eq!(similar(&sizes, 8), expected, "{sizes:?}");
        }
        let mut overlay = Overlay::default();
        for version in 1..=600 {
            overlay = batch(&overlay, version, &[set(&format!("k{version:04}"), "v")]);
            while let Some(group) = overlay.to_merge() {
                let part = Arc::new(Part::merged(group, version));
                overlay = overlay.replaced(group, part).unwrap();
            }
            assert!(overlay.parts().len() < 8 * 4, "{version}");
        }
        assert_eq!(seen(&overlay, 600).len(), 600);
    }
}
