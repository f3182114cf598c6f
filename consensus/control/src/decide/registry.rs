//! Decisions about what is kept for others: tenants, policies, audit heads.

use super::{Decided, happened};
use crate::bytes::Digest32;
use crate::command::{AuditHeadChange, PolicyChange, TenantChange};
use crate::event::Event;
use crate::limits::{
    AUDIT_HEAD_BYTES_MAX, NAME_BYTES_MAX, POLICIES_BYTES_MAX, POLICIES_MAX, POLICY_BYTES_MAX,
    TENANT_SETTINGS_BYTES_MAX, TENANTS_MAX,
};
use crate::node::Node;
use crate::refusal::{Ignored, Refusal};
use crate::registry::{AuditHead, Policy, Tenant};
use crate::shard::Holding;
use crate::state::ControlState;
use sha2::{Digest, Sha256};

fn within(part: &str, bytes: usize, max: usize) -> Result<(), Refusal> {
    if bytes > max { Err(Refusal::PartLimit { part: part.to_owned() }) } else { Ok(()) }
}

fn named(part: &str, name: &str) -> Result<(), Refusal> {
    let bytes = if name.is_empty() { usize::MAX } else { name.len() };
    within(part, bytes, NAME_BYTES_MAX)
}

fn room(what: &str, count: usize, max: usize) -> Result<(), Refusal> {
    if count < max {
        return Ok(());
    }
    Err(Refusal::TooMany { what: what.to_owned(), max: u64::try_from(max).unwrap_or(u64::MAX) })
}

/// The revision after the current one.
fn follows(current: u64, proposed: u64) -> Result<(), Refusal> {
    if current.checked_add(1) == Some(proposed) {
        return Ok(());
    }
    Err(Refusal::RevisionMoved { current })
}

pub(super) fn put_tenant(state: &ControlState, change: &TenantChange) -> Decided {
    named("tenant", change.tenant.as_str())?;
    within("settings", change.settings.0.len(), TENANT_SETTINGS_BYTES_MAX)?;
    let TenantChange { tenant, revision, standing, settings } = change;
    let record = Tenant { revision: *revision, standing: *standing, settings: settings.clone() };
    let known = state.tenants.get(tenant);
    if known == Some(&record) {
        return Err(Ignored::AlreadyDone.into());
    }
    follows(known.map_or(0, |known| known.revision), *revision)?;
    if known.is_none() {
        room("tenants", state.tenants.len(), TENANTS_MAX)?;
    }
    happened(Event::TenantChanged { tenant: tenant.clone(), record })
}

pub(super) fn put_policy(state: &ControlState, change: &PolicyChange) -> Decided {
    let PolicyChange { name, version, digest, content } = change;
    named("policy", name)?;
    within("policy", content.0.len(), POLICY_BYTES_MAX)?;
    let record = Policy { version: *version, digest: *digest, content: content.clone() };
    let known = state.policies.get(name);
    if known == Some(&record) {
        return Err(Ignored::AlreadyDone.into());
    }
    follows(known.map_or(0, |known| known.version), *version)?;
    if *digest != Digest32::of(&content.0) {
        return Err(Refusal::DigestDiffers.into());
    }
    let others = state.policies.iter().filter(|(other, _)| *other != name);
    let bytes: usize = others.map(|(_, policy)| policy.content.0.len()).sum();
    within("all policies", bytes.saturating_add(content.0.len()), POLICIES_BYTES_MAX)?;
    if known.is_none() {
        room("policies", state.policies.len(), POLICIES_MAX)?;
    }
    happened(Event::PolicyChanged { name: name.clone(), record })
}

impl Digest32 {
    /// The SHA-256 digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// A head is taken when it is larger than the known one: a log that was cut, forked or rolled
/// back is told by the refusal (AUD-2).
pub(super) fn anchor(state: &ControlState, change: &AuditHeadChange) -> Decided {
    within("audit head", change.signed.0.len(), AUDIT_HEAD_BYTES_MAX)?;
    may_anchor(state, change)?;
    let AuditHeadChange { holding, size, root, signed, .. } = change;
    if let Some(known) = state.audit_heads.get(&holding.shard) {
        let size = known.size;
        if change.size < size && !node_env::planted!("audit-anchor-goes-back") {
            return Err(Refusal::AuditHeadBehind { size }.into());
        }
        if change.size == size && *root != known.root {
            return Err(Refusal::AuditHeadForked { size }.into());
        }
        if change.size == size {
            return Err(Ignored::AlreadyDone.into());
        }
    }
    let head = AuditHead { size: *size, root: *root, signed: signed.clone() };
    happened(Event::AuditHeadAnchored { shard: holding.shard, head })
}

fn may_anchor(state: &ControlState, change: &AuditHeadChange) -> Result<(), Refusal> {
    let Holding { shard, epoch } = change.holding;
    let node = change.node;
    if !state.nodes.get(&node).is_some_and(Node::is_alive) {
        return Err(Refusal::NodeNotUp { node });
    }
    let Some(record) = state.shards.get(shard) else {
        let next = state.cluster.as_ref().map_or(0, |cluster| cluster.shard_next);
        let was = u32::from(shard.0) < next;
        return if was { Ok(()) } else { Err(Refusal::ShardUnknown { shard }) };
    };
    let is_closing = record
        .source()
        .is_some_and(|source| source.node == node && source.closes.contains(&change.holding));
    if is_closing || (record.epoch == epoch && record.owner == Some(node)) {
        return Ok(());
    }
    if node_env::planted!("audit-anchor-by-former-owner") {
        return Ok(());
    }
    Err(Refusal::EpochMoved { shard, current: record.epoch })
}
