//! From a Cap'n Proto message to bytes and back: one format byte, then the canonical message,
//! packed. Equal messages give equal bytes. The fields are none of this module's business.

use crate::canonical;
use crate::error::WireError;
use crate::limits::{
    NESTING_MAX, RECORD_WORDS_MAX, TRAVERSAL_SLACK_WORDS_MAX, WORD_BYTES, WORDS_PER_PACKED_BYTE_MAX,
};
use capnp::message::{Builder, HeapAllocator, Reader, ReaderOptions, ReaderSegments};
use capnp::serialize_packed;
use capnp::traits::Owned;

/// The only format so far: a canonical message of one segment with its segment table, packed.
const FORMAT_PACKED: u8 = 1;

/// Words with which most events are written without a second allocation.
const DRAFT_WORDS: u32 = 128;

/// The stored form of the message that `write` fills.
pub(crate) fn encode<T: Owned>(write: impl for<'a> FnOnce(T::Builder<'a>)) -> Vec<u8> {
    encode_sized::<T>(DRAFT_WORDS, write)
}

/// [`encode`] of a message that is mostly below `draft_words` before it is canonical; a larger one
/// costs more.
pub(crate) fn encode_sized<T: Owned>(
    draft_words: u32,
    write: impl for<'a> FnOnce(T::Builder<'a>),
) -> Vec<u8> {
    let mut draft = Builder::new(HeapAllocator::new().first_segment_words(draft_words));
    write(draft.init_root::<T::Builder<'_>>());
    let words = draft.size_in_words() + 1;
    assert!(words <= RECORD_WORDS_MAX, "a record exceeds RECORD_BYTES_MAX");
    if let [segment] = *draft.get_segments_for_output()
        && let Some(bytes) = packed_canonical(segment)
    {
        return bytes;
    }
    encode_in_general::<T>(&draft)
}

fn packed_canonical(segment: &[u8]) -> Option<Vec<u8>> {
    let words = canonical::canonical(segment)?;
    let mut bytes = Vec::with_capacity(words.len() * WORD_BYTES + WORD_BYTES);
    bytes.push(FORMAT_PACKED);
    canonical::pack(&words, &mut bytes)?;
    Some(bytes)
}

/// The stored form of any message, also of several segments.
fn encode_in_general<T: Owned>(draft: &Builder<HeapAllocator>) -> Vec<u8> {
    let words = u32::try_from(draft.size_in_words() + 1).expect("RECORD_WORDS_MAX fits 32 bits");
    let mut canonical = Builder::new(HeapAllocator::new().first_segment_words(words));
    let mut bytes = vec![FORMAT_PACKED];
    draft
        .get_root_as_reader::<T::Reader<'_>>()
        .and_then(|root| canonical.set_root_canonical(root))
        .and_then(|()| serialize_packed::write_message(&mut bytes, &canonical))
        .expect("a message in memory can be copied to memory");
    bytes
}

/// What `read` makes of the message that `bytes` hold.
pub(crate) fn decode<T: Owned, V>(
    bytes: &[u8],
    read: impl for<'a> FnOnce(T::Reader<'a>) -> Result<V, WireError>,
) -> Result<V, WireError> {
    let mut rest = match bytes.split_first() {
        None => return Err(WireError::Empty),
        Some((&FORMAT_PACKED, rest)) => rest,
        Some((&format, _)) => return Err(WireError::Format(format)),
    };
    let words_max = rest.len().saturating_mul(WORDS_PER_PACKED_BYTE_MAX).min(RECORD_WORDS_MAX);
    let segments = serialize_packed::read_message(&mut rest, options(words_max))?.into_segments();
    if !rest.is_empty() {
        return Err(WireError::Trailing(rest.len()));
    }
    let words = match (segments.len(), segments.get_segment(0)) {
        (1, Some(segment)) => segment.len() / WORD_BYTES,
        (count, _) => return Err(WireError::Segments(count)),
    };
    let visits_max = words.saturating_mul(2).saturating_add(TRAVERSAL_SLACK_WORDS_MAX);
    let message = Reader::new(segments, options(visits_max));
    read(message.get_root::<T::Reader<'_>>()?)
}

fn options(words_max: usize) -> ReaderOptions {
    ReaderOptions { traversal_limit_in_words: Some(words_max), nesting_limit: NESTING_MAX }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::write_code;
    use crate::common_capnp::code;
    use schema_types::clinical::Code;

    #[test]
    fn short_way_and_general_way_give_the_same_bytes() {
        let texts = ["", "a", "12345678", "\u{1f600} with some more text behind it", "x"];
        for system in texts {
            for display in [String::new(), "long ".repeat(2_000), "\0".repeat(4_000)] {
                let code = Code { system: system.to_owned(), code: system.repeat(9), display };
                let one_segment = encode_sized::<code::Owned>(8_000, |b| write_code(b, &code));
                let several = encode_sized::<code::Owned>(1, |b| write_code(b, &code));
                assert_eq!(one_segment, several, "{system}");
            }
        }
    }
}
