//! Merging of sorted sources into one: the newest source wins for a key. Reads, checkpoints and
//! compaction all go through it; where the sources come from is not known here.

use actors_store::ReadError;
use bytes::Bytes;

/// A key with its value, or with the mark that it was cleared.
pub(crate) type Entry = (Bytes, Option<Bytes>);
/// One source in key order, or against it.
pub(crate) type Source<'a> = Box<dyn Iterator<Item = Result<Entry, ReadError>> + 'a>;

/// Direction in which the sources run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

/// The merged source; cleared keys are still in it.
pub(crate) struct Merge<'a> {
    sources: Vec<Source<'a>>,
    heads: Vec<Option<Entry>>,
    direction: Direction,
    failed: Option<ReadError>,
}

impl<'a> Merge<'a> {
    /// Sources from the newest to the oldest, each with at most one entry per key.
    pub(crate) fn new(mut sources: Vec<Source<'a>>, direction: Direction) -> Self {
        let mut failed = None;
        let heads = sources.iter_mut().map(|source| pull(source, &mut failed)).collect();
        Self { sources, heads, direction, failed }
    }

    fn winner(&self) -> Option<usize> {
        let mut best: Option<(usize, &Bytes)> = None;
        for (position, head) in self.heads.iter().enumerate() {
            let Some((key, _)) = head else { continue };
            let better = match (best, self.direction) {
                (None, _) => true,
                (Some((_, chosen)), Direction::Forward) => key < chosen,
                (Some((_, chosen)), Direction::Backward) => key > chosen,
            };
            if better {
                best = Some((position, key));
            }
        }
        best.map(|(position, _)| position)
    }
}

fn pull(source: &mut Source<'_>, failed: &mut Option<ReadError>) -> Option<Entry> {
    match source.next()? {
        Ok(entry) => Some(entry),
        Err(error) => {
            failed.get_or_insert(error);
            None
        }
    }
}

impl Iterator for Merge<'_> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.heads.clear();
            return Some(Err(error));
        }
        let winner = self.winner()?;
        let entry = self.heads[winner].take()?;
        for (head, source) in self.heads.iter_mut().zip(&mut self.sources) {
            let same = head.as_ref().is_none_or(|(key, _)| *key == entry.0);
            if same {
                *head = pull(source, &mut self.failed);
            }
        }
        Some(Ok(entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(entries: &[(&'static str, Option<&'static str>)]) -> Vec<Entry> {
        let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
        entries.iter().map(|(key, value)| (bytes(key), value.map(bytes))).collect()
    }

    fn merged(sources: Vec<Vec<Entry>>, direction: Direction) -> Vec<Entry> {
        let boxed = sources.into_iter().map(|entries| {
            let entries: Box<dyn Iterator<Item = Entry>> = match direction {
                Direction::Forward => Box::new(entries.into_iter()),
                Direction::Backward => Box::new(entries.into_iter().rev()),
            };
            Box::new(entries.map(Ok)) as Source<'static>
        });
        Merge::new(boxed.collect(), direction).map(Result::unwrap).collect()
    }

    #[test]
    fn the_newest_source_wins_in_both_directions() {
        let newest = source(&[("a", Some("1")), ("c", None)]);
        let middle = source(&[("b", Some("2")), ("c", Some("2")), ("d", Some("2"))]);
        let oldest = source(&[("a", Some("3")), ("d", Some("3")), ("e", Some("3"))]);
        let mut expected = source(&[
            ("a", Some("1")),
            ("b", Some("2")),
            ("c", None),
            ("d", Some("2")),
            ("e", Some("3")),
        ]);
        let all = vec![newest, middle, oldest];
        assert_eq!(merged(all.clone(), Direction::Forward), expected);
        expected.reverse();
        assert_eq!(merged(all, Direction::Backward), expected);
        assert_eq!(merged(vec![], Direction::Forward), vec![]);
    }

    #[test]
    fn an_error_is_passed_on_and_ends_the_source() {
        let broken: Source<'_> = Box::new(std::iter::once(Err(ReadError::TooOld)));
        let good: Source<'_> = Box::new(source(&[("a", None)]).into_iter().map(Ok));
        let mut merge = Merge::new(vec![good, broken], Direction::Forward);
        assert_eq!(merge.next(), Some(Err(ReadError::TooOld)));
        assert_eq!(merge.next(), None);
    }
}
