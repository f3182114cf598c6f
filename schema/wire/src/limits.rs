//! How large stored records may be, and how much a decoder may do for the bytes it gets (LIM-1).

/// Largest record before packing, in bytes. A larger one is refused when it is written, so that
/// whatever was written can be read.
pub const RECORD_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Bytes of one Cap'n Proto word.
pub(crate) const WORD_BYTES: usize = 8;

/// Largest record before packing, in words.
pub(crate) const RECORD_WORDS_MAX: usize = RECORD_BYTES_MAX / WORD_BYTES;

/// Most words that one packed byte can stand for: two bytes name a run of 256 zero words.
pub(crate) const WORDS_PER_PACKED_BYTE_MAX: usize = 128;

/// Words that a decoder may visit beyond twice those that are there: elements of lists that hold
/// nothing but defaults take no space, yet each becomes a value.
pub(crate) const TRAVERSAL_SLACK_WORDS_MAX: usize = 65_536;

/// Deepest nesting of structs and lists; the deepest record has 12.
pub(crate) const NESTING_MAX: i32 = 32;

const _: () = assert!(RECORD_BYTES_MAX.is_multiple_of(WORD_BYTES));
const _: () = assert!(TRAVERSAL_SLACK_WORDS_MAX < RECORD_WORDS_MAX);
