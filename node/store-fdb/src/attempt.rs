//! One try of a commit: the request as a transaction of FoundationDB, with a ticket in it by which
//! its outcome can be found out.
//!
//! The ticket is a number that is used once. The transaction writes it, with the versionstamp,
//! under the marker key of its slot, which nobody else uses at the time. And it has a conflict
//! range of its own, the ticket's key, on both sides: whoever writes that key afterwards keeps it
//! from taking effect. This also is what the client means by self-conflicting, so it need not see
//! to that itself (`causal_write_risky`).

use actors_store::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use actors_store::mutation::VERSIONSTAMP_BYTES;
use actors_store::{CommitError, CommitRequest, KeyRange, Mutation, Versionstamp};
use bytes::Bytes;

use crate::client::{Atomic, ClientTransaction, ConflictSide, Landed, Purpose};
use crate::code::Code;
use crate::core::{Core, within};
use crate::layout::{Layout, offset_bytes};
use crate::limits::STAMP_OFFSET_BYTES;

const NUMBER_BYTES: usize = 8;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    number: u64,
    pub(crate) marker: Bytes,
    pub(crate) own_range: KeyRange,
    /// Version at which the transaction counts as having read.
    pub(crate) read_version: i64,
}

impl Ticket {
    pub(crate) fn new(core: &Core, slot: u32, read_version: i64) -> Self {
        let number = core.next_ticket();
        Self {
            number,
            marker: core.layout.marker(&core.instance, slot),
            own_range: KeyRange::single(&core.layout.ticket(&core.instance, number)),
            read_version,
        }
    }

    /// What is written under the marker: the number, room for a versionstamp, and where that is.
    fn operand(&self) -> Vec<u8> {
        let mut operand = self.number.to_be_bytes().to_vec();
        operand.extend_from_slice(&[0; VERSIONSTAMP_BYTES]);
        operand.extend_from_slice(&offset_bytes(NUMBER_BYTES));
        operand
    }

    /// The versionstamp, if what is stored under the marker is this ticket's.
    pub(crate) fn landed(&self, stored: Option<&[u8]>) -> Option<Versionstamp> {
        let (number, stamp) = stored?.split_at_checked(NUMBER_BYTES)?;
        if number != self.number.to_be_bytes() {
            return None;
        }
        stamp.try_into().ok()
    }
}

/// The versionstamp under a marker, whosever it is.
pub(crate) fn marker_stamp(stored: &[u8]) -> Option<Versionstamp> {
    stored.get(NUMBER_BYTES..)?.try_into().ok()
}

/// The version in a versionstamp.
pub(crate) fn stamp_version(stamp: &Versionstamp) -> i64 {
    let mut version = [0; 8];
    version.copy_from_slice(&stamp[..8]);
    i64::from_be_bytes(version)
}

/// What the port takes and FoundationDB does not: a versionstamped key or value travels with four
/// bytes more, which count.
pub(crate) fn check_stamped(request: &CommitRequest) -> Result<(), CommitError> {
    for mutation in &request.mutations {
        match mutation {
            Mutation::SetVersionstampedKey { key, .. } => {
                let (bytes, bytes_max) = (key.len(), KEY_BYTES_MAX - STAMP_OFFSET_BYTES);
                if bytes > bytes_max {
                    return Err(CommitError::KeyTooLarge { bytes, bytes_max });
                }
            }
            Mutation::SetVersionstampedValue { value, .. } => {
                let (bytes, bytes_max) = (value.len(), VALUE_BYTES_MAX - STAMP_OFFSET_BYTES);
                if bytes > bytes_max {
                    return Err(CommitError::ValueTooLarge { bytes, bytes_max });
                }
            }
            Mutation::Set { .. }
            | Mutation::Clear { .. }
            | Mutation::ClearRange { .. }
            | Mutation::Add { .. } => {}
        }
    }
    Ok(())
}

/// Sends the request and waits for what is said of it.
pub(crate) async fn attempt(
    core: &Core,
    request: &CommitRequest,
    ticket: &Ticket,
) -> Result<Landed, Code> {
    let transaction = core.transaction(Purpose::Commit)?;
    transaction.set_read_version(ticket.read_version);
    fill(&*transaction, &core.layout, request)?;
    transaction.atomic(Atomic::VersionstampedValue, &ticket.marker, &ticket.operand());
    for side in [ConflictSide::Read, ConflictSide::Write] {
        transaction.add_conflict(side, &ticket.own_range.begin, &ticket.own_range.end)?;
    }
    within(core.config.commit_try_ms_max, transaction.commit()).await
}

fn fill(
    transaction: &dyn ClientTransaction,
    layout: &Layout,
    request: &CommitRequest,
) -> Result<(), Code> {
    let reads = request.read_conflicts.iter().map(|range| (ConflictSide::Read, range));
    let writes = request.write_conflicts.iter().map(|range| (ConflictSide::Write, range));
    for (side, range) in reads.chain(writes).filter(|(_, range)| !range.is_empty()) {
        let range = layout.range(range);
        transaction.add_conflict(side, &range.begin, &range.end)?;
    }
    for mutation in &request.mutations {
        apply(transaction, layout, mutation);
    }
    Ok(())
}

fn apply(transaction: &dyn ClientTransaction, layout: &Layout, mutation: &Mutation) {
    match mutation {
        Mutation::Set { key, value } => transaction.set(&layout.data(key), value),
        Mutation::Clear { key } => {
            let range = KeyRange::single(&layout.data(key));
            transaction.clear_range(&range.begin, &range.end);
        }
        Mutation::ClearRange { range } if range.is_empty() => {}
        Mutation::ClearRange { range } => {
            let range = layout.range(range);
            transaction.clear_range(&range.begin, &range.end);
        }
        Mutation::Add { key, delta } => {
            transaction.atomic(Atomic::Add, &layout.data(key), &delta.to_le_bytes());
        }
        Mutation::SetVersionstampedKey { key, offset, value } => {
            let key = layout.stamped(key, *offset);
            transaction.atomic(Atomic::VersionstampedKey, &key, value);
        }
        Mutation::SetVersionstampedValue { key, value, offset } => {
            let operand = [value, &offset_bytes(*offset)[..]].concat();
            transaction.atomic(Atomic::VersionstampedValue, &layout.data(key), &operand);
        }
    }
}
