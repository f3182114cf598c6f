//! Puts messages together that are larger than a batch. Their parts follow each other; room for
//! the whole is taken with the first part, so what one peer can make us hold is what it may have
//! in flight (LIM-1).

use super::envelope::Malformed;

/// A part of a message; the last piece comes as the request or reply itself.
#[derive(Clone, Copy)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Part<'a> {
    pub(crate) id: u64,
    /// Bytes of the message with all its parts.
    pub(crate) bytes_total: u32,
    pub(crate) bytes: &'a [u8],
}

/// The messages of one kind from one peer, of which at most one is unfinished.
pub(crate) struct Assembly<T> {
    partial: Option<Partial<T>>,
}

impl<T> Default for Assembly<T> {
    fn default() -> Self {
        Self { partial: None }
    }
}

struct Partial<T> {
    id: u64,
    bytes_total: u32,
    bytes_received: usize,
    /// The bytes and their room; nothing is kept of a message for which there is none.
    kept: Option<(Vec<u8>, T)>,
}

impl<T> Partial<T> {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes_received += bytes.len();
        if let Some((kept, _)) = &mut self.kept {
            kept.extend_from_slice(bytes);
        }
    }

    fn bytes_left(&self) -> usize {
        let total = usize::try_from(self.bytes_total).unwrap_or(usize::MAX);
        total.saturating_sub(self.bytes_received)
    }
}

impl<T> Assembly<T> {
    /// Takes a part. `admit` is asked for room for the whole message when it begins.
    pub(crate) fn part(
        &mut self,
        part: Part<'_>,
        message_bytes_max: u32,
        admit: impl FnOnce(usize) -> Option<T>,
    ) -> Result<(), Malformed> {
        let Part { id, bytes_total, bytes } = part;
        if self.partial.is_none() {
            if bytes_total > message_bytes_max {
                return Err(Malformed);
            }
            let whole = usize::try_from(bytes_total).map_err(|_| Malformed)?;
            let kept = admit(whole).map(|room| (Vec::with_capacity(whole), room));
            self.partial = Some(Partial { id, bytes_total, bytes_received: 0, kept });
        }
        let partial = self.partial.as_mut().ok_or(Malformed)?;
        let is_next = partial.id == id && partial.bytes_total == bytes_total;
        if !is_next || bytes.len() > partial.bytes_left() {
            return Err(Malformed);
        }
        partial.add(bytes);
        Ok(())
    }

    /// Takes the last piece of a message, often the only one. Nothing when there was no room.
    pub(crate) fn finish(
        &mut self,
        id: u64,
        bytes: &[u8],
        admit: impl FnOnce(usize) -> Option<T>,
    ) -> Result<Option<(Vec<u8>, T)>, Malformed> {
        let Some(mut partial) = self.partial.take() else {
            return Ok(admit(bytes.len()).map(|room| (bytes.to_vec(), room)));
        };
        if partial.id != id || partial.bytes_left() != bytes.len() {
            return Err(Malformed);
        }
        partial.add(bytes);
        Ok(partial.kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u32 = 10;

    fn part(id: u64, bytes_total: u32, bytes: &[u8]) -> Part<'_> {
        Part { id, bytes_total, bytes }
    }

    #[test]
    fn a_message_in_parts_is_put_together_and_asks_for_room_once() {
        let mut assembly = Assembly::default();
        assembly.part(part(7, 6, b"ab"), MAX, Some).unwrap();
        assembly.part(part(7, 6, b"cd"), MAX, |_| panic!("asked twice")).unwrap();
        let whole = assembly.finish(7, b"ef", |_| panic!("asked twice")).unwrap();
        assert_eq!(whole, Some((b"abcdef".to_vec(), 6)));
        assert_eq!(assembly.finish(8, b"xy", Some).unwrap(), Some((b"xy".to_vec(), 2)));
    }

    #[test]
    fn without_room_nothing_is_kept_and_the_next_message_is_taken() {
        let mut assembly = Assembly::default();
        assembly.part(part(7, 6, b"abcd"), MAX, |_| None).unwrap();
        assert_eq!(assembly.finish(7, b"ef", |_| panic!("asked twice")).unwrap(), None);
        assert_eq!(assembly.finish(8, b"", |_| None::<usize>).unwrap(), None);
        assert_eq!(assembly.finish(9, b"x", Some).unwrap(), Some((b"x".to_vec(), 1)));
    }

    #[test]
    fn parts_that_do_not_fit_together_are_malformed() {
        let begun = || {
            let mut assembly = Assembly::default();
            assembly.part(part(7, 6, b"ab"), MAX, Some).unwrap();
            assembly
        };
        let cases = [part(8, 6, b"cd"), part(7, 5, b"cd"), part(7, 6, b"cdefg")];
        for other in cases {
            assert_eq!(begun().part(other, MAX, Some), Err(Malformed), "{other:?}");
        }
        assert_eq!(begun().finish(8, b"cdef", Some), Err(Malformed));
        assert_eq!(begun().finish(7, b"cde", Some), Err(Malformed));
        assert_eq!(begun().finish(7, b"cdefg", Some), Err(Malformed));
        let mut fresh = Assembly::<usize>::default();
        assert_eq!(fresh.part(part(1, MAX + 1, b"a"), MAX, Some), Err(Malformed));
    }
}
