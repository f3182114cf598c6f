//! Typed, tenant-scoped ids, and the stable 64-bit hash that places an entity in the key space.

use crate::serial::{OctetBuffer, Octets};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use smol_str::SmolStr;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// Longest key of an entity, in bytes; longer source identifiers are shortened with a digest.
pub const ENTITY_KEY_BYTES_MAX: usize = 64;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
        )]
        pub struct $name(SmolStr);

        impl $name {
            /// Wraps the text as it stands. Up to 23 bytes are held in place; a longer text is
            /// shared by all clones.
            pub fn new(text: impl Into<SmolStr>) -> Self {
                Self(text.into())
            }

            /// The text of the id.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// A tenant: one organisation whose data nobody else sees.
    TenantId
}
text_id! {
    /// Where commands come from (sending application and facility, API client, other actor).
    /// Commands of one source to one entity keep their order (ORD-1).
    SourceId
}
text_id! {
    /// A command's name within its source; the pair has one effect (ONCE-1).
    CommandId
}
text_id! {
    /// Who acts, as the audit log names them.
    PrincipalId
}
text_id! {
    /// One stay or visit, unique within a patient (HL7 PV1-19 with its assigner, FHIR Encounter
    /// id).
    EncounterId
}
text_id! {
    /// One observation, unique within a patient.
    ObservationId
}
text_id! {
    /// One alert, unique within a patient.
    AlertId
}

text_id! {
    /// A place within a message, for example `OBX-3` or `Observation.component[1]`.
    MessagePlace
}

/// SHA-256 of the raw bytes of a received message: provenance and archive key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MessageDigest(pub [u8; 32]);

impl MessageDigest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Lower-case hexadecimal form, 64 characters.
    #[must_use]
    pub fn to_hex(self) -> String {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let digit = |number: u8| char::from(DIGITS[usize::from(number & 0xf)]);
        let digits = |byte: &u8| [digit(byte >> 4), digit(*byte)];
        self.0.iter().flat_map(digits).collect()
    }
}

impl Serialize for MessageDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Octets(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for MessageDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = OctetBuffer::deserialize(deserializer)?.0;
        let digest = <[u8; 32]>::try_from(bytes);
        digest.map(Self).map_err(|_| D::Error::custom("a digest has 32 bytes"))
    }
}

impl fmt::Debug for MessageDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", &self.to_hex()[..12])
    }
}

/// The kinds of entity that own state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityKind {
    /// A person under care.
    Patient,
    /// A monitor, pump, wearable.
    Device,
    /// A hospital with its units and beds, or a directory of shared resources.
    Facility,
}

impl EntityKind {
    /// The stable number of the kind in keys; never reused.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Patient => 1,
            Self::Device => 2,
            Self::Facility => 3,
        }
    }

    /// The kind of a stable number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Patient),
            2 => Some(Self::Device),
            3 => Some(Self::Facility),
            _ => None,
        }
    }

    /// The lower-case name, for labels and paths.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Device => "device",
            Self::Facility => "facility",
        }
    }
}

/// An entity's full name: tenant, kind and key. The key uses the FHIR id alphabet
/// (`[A-Za-z0-9.-]`, at most 64), so that it can stand in a URL and in `Reference.reference`.
/// Clones share one allocation. The order is by tenant, kind, key.
#[derive(Clone)]
pub struct EntityId(Arc<EntityName>);

struct EntityName {
    tenant: TenantId,
    kind: EntityKind,
    key: SmolStr,
    /// Of the other three.
    hash: u64,
}

impl EntityId {
    /// Names an entity. Characters outside the FHIR id alphabet are replaced and a digest of the
    /// original keeps the result unique; so is anything longer than [`ENTITY_KEY_BYTES_MAX`].
    #[must_use]
    pub fn new(tenant: TenantId, kind: EntityKind, raw_key: &str) -> Self {
        let key = safe_key(raw_key);
        let hash = entity_hash(&tenant, kind, &key);
        Self(Arc::new(EntityName { tenant, kind, key, hash }))
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.0.tenant
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> EntityKind {
        self.0.kind
    }

    /// The key within tenant and kind.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// The stable 64-bit hash of the whole id: the place of the entity in the shard key space.
    /// Found when the id is made, free here.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.0.hash
    }
}

impl Serialize for EntityId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.tenant(), self.kind(), self.key()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EntityId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (tenant, kind, key) = <(TenantId, EntityKind, SmolStr)>::deserialize(deserializer)?;
        let id = Self::new(tenant, kind, &key);
        // Anything else would be a second name of the entity that `new` makes of it.
        if id.key() == key { Ok(id) } else { Err(D::Error::custom("not the key of an entity")) }
    }
}

fn entity_hash(tenant: &TenantId, kind: EntityKind, key: &str) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update(tenant.as_str().as_bytes());
    hasher.update([0, kind.number(), 0]);
    hasher.update(key.as_bytes());
    let digest = hasher.finalize();
    digest.iter().take(8).fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
}

impl PartialEq for EntityId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.hash == other.0.hash && self.cmp(other) == Ordering::Equal)
    }
}

impl Eq for EntityId {}

impl PartialOrd for EntityId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EntityId {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            return Ordering::Equal;
        }
        let (one, other) = (&*self.0, &*other.0);
        (&one.tenant, one.kind, &one.key).cmp(&(&other.tenant, other.kind, &other.key))
    }
}

impl std::hash::Hash for EntityId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

impl fmt::Debug for EntityId {
    /// Shows kind and hash only: keys can be medical record numbers (PHI-1).
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}#{:016x}", self.0.kind.name(), self.0.hash)
    }
}

fn safe_key(raw: &str) -> SmolStr {
    let is_safe = |character: char| character.is_ascii_alphanumeric() || ".-".contains(character);
    if !raw.is_empty() && raw.len() <= ENTITY_KEY_BYTES_MAX && raw.chars().all(is_safe) {
        return SmolStr::new(raw);
    }
    let digest = MessageDigest::of(raw.as_bytes()).to_hex();
    let readable: String = raw.chars().map(|c| if is_safe(c) { c } else { '-' }).take(40).collect();
    SmolStr::from(format!("{readable}-x{}", &digest[..16]))
}

/// A shard: a contiguous range of the hash space with one owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

/// Equal ranges of the 64-bit hash space; the count is fixed when a data directory is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardCount(pub u16);

impl ShardCount {
    /// The shard that holds `hash`.
    #[must_use]
    pub fn shard_of(self, hash: u64) -> ShardId {
        let scaled = (u128::from(hash) * u128::from(self.0)) >> 64;
        ShardId(u16::try_from(scaled).unwrap_or(u16::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patient(key: &str) -> EntityId {
        EntityId::new(TenantId::new("t1"), EntityKind::Patient, key)
    }

    #[test]
    fn keys_stay_in_the_fhir_alphabet_and_stay_distinct() {
        assert_eq!(patient("OHG.700001").key(), "OHG.700001");
        let odd = patient("a b/ü");
        assert!(odd.key().starts_with("a-b---x"), "{}", odd.key());
        assert_ne!(patient("a b").key(), patient("a_b").key());
        assert!(patient(&"9".repeat(300)).key().len() <= ENTITY_KEY_BYTES_MAX);
        assert_ne!(patient("").key(), "");
    }

    #[test]
    fn hash_is_stable_and_tenant_scoped() {
        assert_eq!(patient("p1").hash(), patient("p1").hash());
        let other = EntityId::new(TenantId::new("t2"), EntityKind::Patient, "p1");
        assert_ne!(patient("p1").hash(), other.hash());
    }

    #[test]
    fn order_is_by_tenant_kind_and_key() {
        let id = |tenant: &str, kind, key: &str| EntityId::new(TenantId::new(tenant), kind, key);
        let sorted = [
            id("t1", EntityKind::Patient, "a"),
            id("t1", EntityKind::Patient, "b"),
            id("t1", EntityKind::Device, "a"),
            id("t2", EntityKind::Patient, "a"),
        ];
        assert!(sorted.is_sorted());
        for (place, one) in sorted.iter().enumerate() {
            for (other_place, other) in sorted.iter().enumerate() {
                assert_eq!(one == other, place == other_place);
            }
            assert_eq!(*one, id(one.tenant().as_str(), one.kind(), one.key()));
        }
    }

    #[test]
    fn debug_does_not_show_the_key_phi_1() {
        assert!(!format!("{:?}", patient("MRN12345")).contains("MRN12345"));
    }

    #[test]
    fn shards_cover_the_whole_space() {
        let count = ShardCount(16);
        assert_eq!(count.shard_of(0), ShardId(0));
        assert_eq!(count.shard_of(u64::MAX), ShardId(15));
        assert_eq!(count.shard_of(1 << 63), ShardId(8));
    }
}
