//! What the control plane keeps for others and does not read: tenants, policies, audit heads.

use crate::bytes::{Blob, Digest32};
use serde::{Deserialize, Serialize};

/// Whether a tenant is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TenantStanding {
    /// Served.
    Active,
    /// Not served for now.
    Suspended,
    /// Not served any longer; its data may be destroyed.
    Closed,
}

/// A tenant's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Counts its changes, from 1.
    pub revision: u64,
    /// Whether it is served.
    pub standing: TenantStanding,
    /// Settings that the control plane does not read.
    pub settings: Blob,
}

/// A policy's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Counts its changes, from 1.
    pub version: u64,
    /// SHA-256 of the content.
    pub digest: Digest32,
    /// The policy; empty when it is withdrawn.
    pub content: Blob,
}

/// The newest known head of a shard's audit log (AUD-2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// Records in the log.
    pub size: u64,
    /// Root of the Merkle tree over them.
    pub root: Digest32,
    /// The signed head as the store holds it.
    pub signed: Blob,
}
