//! Records of the store beside the audit log: journal and snapshots, the rows that make repeats
//! harmless (ONCE-1), outbox, timers, resources, quarantine. Keys are the store's business; a
//! record repeats of its key only what its reader needs.

mod delivery;
mod entry;
mod quarantine;
mod repeats;
mod resource;

pub use delivery::{
    OutboxRecord, StoredNotice, TimerRecord, decode_outbox, decode_timer, encode_outbox,
    encode_timer,
};
pub use entry::{
    JournalRecord, SnapshotRecord, decode_record, decode_snapshot, encode_record, encode_snapshot,
};
pub use quarantine::{QuarantineRecord, RawMessage, decode_quarantine, encode_quarantine};
pub use repeats::{
    DedupeOutcome, DedupeRecord, MessageRecord, decode_dedupe, decode_message, encode_dedupe,
    encode_message,
};
pub use resource::{StoredBody, StoredResource, decode_resource, encode_resource};
