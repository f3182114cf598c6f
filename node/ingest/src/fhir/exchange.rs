//! One request that writes or reads FHIR, as everything behind the handlers sees it: who, under
//! which command name, from which archived bytes, and how to answer.

use crate::gateway::{Caller, Gateway, Origin};
use crate::http::limits::ARCHIVE_INLINE_BYTES_MAX;
use actors_runtime::{Attachments, SubmitError, Urgency};
use bytes::Bytes;
use schema_fhir::{ExtractContext, Limits};
use schema_types::ids::{CommandId, MessageDigest, SourceId};
use schema_types::time::Timestamp;

/// What the client wants back after a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefer {
    /// Headers only.
    Minimal,
    /// The resource as stored.
    Representation,
    /// An OperationOutcome.
    Outcome,
}

/// One request.
pub(crate) struct Exchange {
    pub(crate) gateway: Gateway,
    pub(crate) caller: Caller,
    pub(crate) source: SourceId,
    /// The command id that the caller chose: makes the request have one effect (ONCE-1).
    pub(crate) key: Option<String>,
    /// The name of the command: the key, or one of our own.
    pub(crate) command: String,
    /// Digest of method, path and body.
    pub(crate) content: MessageDigest,
    /// The bytes as received.
    pub(crate) raw: Bytes,
    /// Digest of [`Exchange::raw`].
    pub(crate) message: MessageDigest,
    pub(crate) received_at: Timestamp,
    pub(crate) base_url: String,
    pub(crate) prefer: Option<Prefer>,
    pub(crate) limits: Limits,
    /// Whether refused entries of a batch go into quarantine; a replay is there already.
    pub(crate) keeps_refused: bool,
}

impl Exchange {
    /// The name and origin of a command of this request; `part` tells commands apart that are
    /// addressed to one entity, and is empty when there is only one.
    pub(crate) fn origin(&self, part: &str) -> Origin {
        let command_id = format!("{}{part}", self.command);
        Origin {
            source: self.source.clone(),
            command_id: CommandId::new(command_id),
            content: self.content,
            message: (!self.raw.is_empty()).then_some(self.message),
        }
    }

    /// Whether the command is remembered, so that a repeat has no second effect.
    pub(crate) const fn once(&self) -> bool {
        self.key.is_some()
    }

    /// What goes with a command; the raw message only when it is short.
    pub(crate) fn attachments(&self) -> Attachments {
        let archives = !self.raw.is_empty() && self.raw.len() <= ARCHIVE_INLINE_BYTES_MAX;
        Attachments {
            once: self.once(),
            archive: archives.then(|| self.raw.clone()),
            urgency: Urgency::Bulk,
            ..Attachments::default()
        }
    }

    /// Archives a long message ahead of the commands that refer to it.
    pub(crate) async fn archive_ahead(&self) -> Result<(), SubmitError> {
        if self.raw.len() > ARCHIVE_INLINE_BYTES_MAX {
            self.gateway.runtime.archive(&self.raw).await?;
        }
        Ok(())
    }

    /// For reading facts out of resources.
    pub(crate) fn extract_context(&self) -> ExtractContext {
        ExtractContext {
            tenant: self.gateway.tenant.clone(),
            source: self.source.clone(),
            message: self.message,
            received_at: self.received_at,
        }
    }

    /// An id for a new resource: random, or derived from the command id that the caller chose, so
    /// that a retry names the same resource.
    pub(crate) fn new_id(&self, resource_type: &str, index: usize) -> String {
        match &self.key {
            Some(key) => {
                let name = format!("{}\n{key}\n{resource_type}\n{index}", self.source);
                derived_id(&[name.as_bytes()])
            }
            None => uuid_text(self.gateway.rng.next_u64(), self.gateway.rng.next_u64(), 4),
        }
    }
}

/// An id that depends on the parts alone.
pub(crate) fn derived_id(parts: &[&[u8]]) -> String {
    let digest = MessageDigest::of(&parts.join(&b'\n')).0;
    let half = |range: std::ops::Range<usize>| {
        digest[range].iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte))
    };
    uuid_text(half(0..8), half(8..16), 8)
}

/// Two numbers in the form of a UUID of a version (RFC 9562).
fn uuid_text(high: u64, low: u64, version: u64) -> String {
    let high = (high & !0xF000) | (version << 12);
    let low = (low & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xFFFF,
        high & 0xFFFF,
        low >> 48,
        low & 0xFFFF_FFFF_FFFF,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_form_of_a_uuid_and_depend_on_every_part() {
        let id = derived_id(&[b"a", b"b"]);
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'8');
        assert_eq!(id, derived_id(&[b"a", b"b"]));
        assert_ne!(id, derived_id(&[b"a", b"c"]));
        assert_eq!(uuid_text(u64::MAX, u64::MAX, 4), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
