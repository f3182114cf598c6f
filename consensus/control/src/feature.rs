//! Feature barriers: what all nodes must be able to do before anybody may ask for it, so that a
//! cluster of mixed versions never applies one command in two ways.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// A capability of the software by its stable number. A command, or a field of a command that
/// changes what it does, that came after the first release belongs to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
pub struct Feature(pub u16);

impl Feature {
    /// What every node can do; always active.
    pub const BASE: Self = Self(0);
    /// Shards split and merge online.
    pub const SPLIT_AND_MERGE: Self = Self(1);

    /// What this software can do beyond the base.
    pub const SUPPORTED: [Self; 1] = [Self::SPLIT_AND_MERGE];

    /// What this software can do, as a node says it when it joins.
    #[must_use]
    pub fn supported() -> BTreeSet<Self> {
        Self::SUPPORTED.into_iter().collect()
    }

    /// Whether this software can do it.
    #[must_use]
    pub fn is_supported(self) -> bool {
        self == Self::BASE || Self::SUPPORTED.contains(&self)
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "feature {}", self.0)
    }
}
