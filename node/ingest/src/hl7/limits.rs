//! Limits of what a message may make the store keep as keys (LIM-1): a key that is too long would
//! fail the whole transaction, with the commands of others in it.

/// Bytes of `MSH-3|MSH-4`. The standard allows 227 characters for each.
pub const SOURCE_BYTES_MAX: usize = 512;
/// Bytes of one identifier with its assigner: both stand in the key of an index row.
pub const IDENTIFIER_BYTES_MAX: usize = 1_024;
/// Characters of MSH-10 in our answers: versions before 2.7 allow 20.
pub const REPLY_CONTROL_ID_CHARACTERS_MAX: usize = 20;

const _: () = assert!(
    SOURCE_BYTES_MAX + schema_hl7::limits::CONTROL_ID_BYTES_MAX + IDENTIFIER_BYTES_MAX
        < actors_store::limits::KEY_BYTES_MAX / 2
);
