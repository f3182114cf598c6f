//! Live rows in the store: where they are, and which row a decision has to write. What is in a row
//! is the entity's matter (`Entity::live_row`); queries over them are in `node/query`.

mod fill;

pub(crate) use fill::complete_mark;
pub use fill::{fill, is_complete};

use crate::audit_log::entity_ref;
use actors_core::Entity;
use actors_store::tuple::{TupleError, TupleReader, TupleWriter};
use actors_store::{KeyRange, Mutation, keys};
use bytes::Bytes;
use schema_types::ids::{EntityId, EntityKind, TenantId};
use schema_types::live::ROW_VERSION;
use std::hash::{DefaultHasher, Hasher};
use std::sync::LazyLock;

/// How the tuple form of a whole number without bytes begins.
const ZERO_CODE: u8 = 0x14;

/// Rows of another version of the layout are under another name, so both never mix.
static INDEX_NAME: LazyLock<String> = LazyLock::new(|| format!("live{ROW_VERSION}"));

fn of_kind(tenant: &TenantId, kind: EntityKind) -> TupleWriter {
    keys::index(&INDEX_NAME, tenant.as_str()).unsigned(u64::from(kind.number()))
}

/// The key of an entity's live row: ordered by tenant, kind and hash.
#[must_use]
pub fn row_key(entity: &EntityId) -> Bytes {
    let reference = entity_ref(entity);
    of_kind(entity.tenant(), entity.kind()).unsigned(reference.hash).text(reference.key).finish()
}

/// The rows of one kind as at most `parts` disjoint ranges that cover equal shares of the hash
/// space, in key order.
#[must_use]
pub fn ranges(tenant: &TenantId, kind: EntityKind, parts: usize) -> Vec<KeyRange> {
    let all = KeyRange::prefix(&of_kind(tenant, kind).finish());
    let parts = u64::try_from(parts).unwrap_or(u64::MAX).clamp(1, 1 << 16);
    let share = u64::MAX / parts;
    let begin = |part: u64| match part {
        0 => all.begin.clone(),
        part => of_kind(tenant, kind).unsigned(part * share).finish(),
    };
    (0..parts)
        .map(|part| {
            let end = if part + 1 == parts { all.end.clone() } else { begin(part + 1) };
            KeyRange { begin: begin(part), end }
        })
        .collect()
}

/// Reads entity keys from the keys of live rows of one kind.
#[derive(Debug, Clone)]
pub struct RowKeys {
    prefix_bytes: usize,
}

impl RowKeys {
    /// For the rows of one tenant and kind.
    #[must_use]
    pub fn new(tenant: &TenantId, kind: EntityKind) -> Self {
        Self { prefix_bytes: of_kind(tenant, kind).finish().len() }
    }

    /// The key of the entity as bytes of the row's key: its alphabet has nothing to escape.
    #[inline]
    #[must_use]
    pub fn key_bytes<'a>(&self, row_key: &'a [u8]) -> Option<&'a [u8]> {
        let (code, rest) = row_key.get(self.prefix_bytes..)?.split_first()?;
        let hash_bytes = usize::from(code.checked_sub(ZERO_CODE)?);
        rest.get(hash_bytes + 1..rest.len().checked_sub(1)?)
    }

    /// The key of the entity whose row it is.
    ///
    /// # Errors
    /// [`TupleError`] when it is not the key of a live row.
    pub fn entity_key(&self, row_key: &[u8]) -> Result<String, TupleError> {
        let rest = row_key.get(self.prefix_bytes..).ok_or(TupleError::Truncated)?;
        let mut reader = TupleReader::new(rest);
        reader.unsigned()?;
        let key = reader.text()?;
        reader.finish().map(|()| key)
    }
}

/// What is known of the row that an actor's last commits left. Forget it whenever the speculative
/// state is thrown away: the row may not have been written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LastRow {
    /// Nothing: the next row is written whatever it is.
    #[default]
    Unknown,
    /// There is none.
    Absent,
    /// There is one with this digest.
    Written(u64),
}

/// What to write so that the stored row says what the state is; `None` when it does already.
pub fn changed_row<E: Entity>(
    entity: &EntityId,
    state: &E::State,
    last: &mut LastRow,
) -> Option<Mutation> {
    let row = E::live_row(entity, state);
    let now = row.as_deref().map_or(LastRow::Absent, |row| LastRow::Written(digest(row)));
    if *last == now {
        return None;
    }
    *last = now;
    let key = row_key(entity);
    Some(match row {
        Some(row) => Mutation::set(key, row),
        None => Mutation::clear(key),
    })
}

/// Only ever compared within one process.
fn digest(row: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(row);
    hasher.finish()
}

#[cfg(test)]
#[path = "live_test.rs"]
mod tests;
