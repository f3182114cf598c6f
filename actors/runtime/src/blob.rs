//! Values larger than the store takes: kept in place when short, else by digest in chunks under
//! the raw archive (`r/{sha256}/{chunk}`), with a one-byte tag that says which.

use crate::error::SubmitError;
use crate::limits::{PAGE_ITEMS_MAX, STAGE_BYTES_MAX, VALUE_INLINE_BYTES_MAX};
use actors_store::limits::CHUNK_BYTES_MAX;
use actors_store::{CommitRequest, Mutation, RangeQuery, Snapshot, Store, keys};
use bytes::Bytes;
use schema_types::ids::MessageDigest;
use std::sync::Arc;

const TAG_INLINE: u8 = 0;
const TAG_DIGEST: u8 = 1;

/// The stored value for `content` and the chunk rows that must be written with or before it.
#[must_use]
pub fn pack(content: &[u8]) -> (Bytes, Vec<Mutation>) {
    if content.len() <= VALUE_INLINE_BYTES_MAX {
        let mut value = Vec::with_capacity(content.len() + 1);
        value.push(TAG_INLINE);
        value.extend_from_slice(content);
        return (Bytes::from(value), Vec::new());
    }
    pack_by_digest(content)
}

/// The rows that archive `content` under its digest.
#[must_use]
pub fn chunk_rows(digest: MessageDigest, content: &[u8]) -> Vec<Mutation> {
    let chunk = |(index, bytes): (usize, &[u8])| {
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        Mutation::set(keys::raw_chunk(&digest.0, number), Bytes::copy_from_slice(bytes))
    };
    content.chunks(CHUNK_BYTES_MAX).enumerate().map(chunk).collect()
}

/// The content of a packed value.
///
/// # Errors
/// [`SubmitError::Damaged`] when chunks are missing or do not match their digest.
pub async fn unpack(snapshot: &dyn Snapshot, value: &[u8]) -> Result<Vec<u8>, SubmitError> {
    match value.split_first() {
        Some((&TAG_INLINE, content)) => Ok(content.to_vec()),
        Some((&TAG_DIGEST, digest)) => {
            let digest = <[u8; 32]>::try_from(digest)
                .map_err(|_| SubmitError::Damaged { place: "blob pointer".to_owned() })?;
            let content = read_archive(snapshot, MessageDigest(digest)).await?;
            content.ok_or_else(|| SubmitError::Damaged { place: "missing blob".to_owned() })
        }
        _ => Err(SubmitError::Damaged { place: "blob tag".to_owned() }),
    }
}

/// The archived bytes of a digest; `None` when there are none.
///
/// # Errors
/// [`SubmitError::Damaged`] when the chunks do not match the digest.
pub async fn read_archive(
    snapshot: &dyn Snapshot,
    digest: MessageDigest,
) -> Result<Option<Vec<u8>>, SubmitError> {
    let mut content = Vec::new();
    let mut query = Some(RangeQuery::forward(keys::raw_range(&digest.0), PAGE_ITEMS_MAX));
    while let Some(current) = query {
        let page = snapshot.range(current.clone()).await?;
        for (_, chunk) in &page.items {
            content.extend_from_slice(chunk);
        }
        query = current.after(&page);
    }
    if content.is_empty() && digest != MessageDigest::of(&[]) {
        return Ok(None);
    }
    if MessageDigest::of(&content) != digest {
        return Err(SubmitError::Damaged { place: "archived message".to_owned() });
    }
    Ok(Some(content))
}

/// Writes chunk rows in transactions of their own, ahead of the commit that refers to them.
/// Rows are named by content, so that a repeat or an orphan does no harm.
///
/// # Errors
/// [`SubmitError`] when the store refuses.
pub async fn stage(store: &Arc<dyn Store>, rows: Vec<Mutation>) -> Result<(), SubmitError> {
    let mut request = CommitRequest::default();
    let mut bytes = 0;
    for row in rows {
        bytes += row.size_bytes();
        request.mutations.push(row);
        if bytes >= STAGE_BYTES_MAX {
            store.commit(std::mem::take(&mut request)).await?;
            bytes = 0;
        }
    }
    if !request.mutations.is_empty() {
        store.commit(request).await?;
    }
    Ok(())
}

/// Like [`pack`], but always by digest.
#[must_use]
pub(crate) fn pack_by_digest(content: &[u8]) -> (Bytes, Vec<Mutation>) {
    let digest = MessageDigest::of(content);
    let mut value = vec![TAG_DIGEST];
    value.extend_from_slice(&digest.0);
    (Bytes::from(value), chunk_rows(digest, content))
}

/// Whether a row's value was made by [`pack`] and holds its content in place. Only journal and
/// resource rows are packed.
#[must_use]
pub(crate) fn is_inline(key: &[u8], value: &[u8]) -> bool {
    use actors_store::keys::{Family, open};
    let packed = open(Family::Journal, key).is_ok() || open(Family::Resource, key).is_ok();
    packed && value.first() == Some(&TAG_INLINE)
}
