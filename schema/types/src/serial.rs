//! What the words add to the data model of serde where a derive would say too much or check too
//! little: stable numbers, digests, names of a closed list. No byte form is chosen here; stored
//! data never pass through serde (`schema/wire` has them), calls between nodes do.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A word is told by its stable number, so that its name in the code may change.
macro_rules! by_number {
    ($($name:ty: $number:ty),* $(,)?) => {
        $(
            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    self.number().serialize(serializer)
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let number = <$number>::deserialize(deserializer)?;
                    Self::from_number(number).ok_or_else(|| {
                        D::Error::custom(concat!("unknown number of a ", stringify!($name)))
                    })
                }
            }
        )*
    };
}

mod numbered {
    use super::{Deserialize, Deserializer, Error, Serialize, Serializer};
    use crate::clinical::{EncounterClass, MovementKind};
    use crate::ids::EntityKind;
    use crate::measure::Measure;
    use crate::score::{Band, ScoreModel};

    by_number! {
        EntityKind: u8,
        EncounterClass: u8,
        MovementKind: u8,
        Measure: u16,
        Band: u8,
        ScoreModel: u16,
    }
}

/// A byte string, not a list of numbers.
pub(crate) struct Octets<'a>(pub(crate) &'a [u8]);

impl Serialize for Octets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// A byte string that was read. Formats without byte strings give a list of numbers.
pub(crate) struct OctetBuffer(pub(crate) Vec<u8>);

/// Room made ahead for a list whose length the sender states.
const LIST_BYTES_RESERVED_MAX: usize = 4_096;

impl<'de> Deserialize<'de> for OctetBuffer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(OctetVisitor).map(Self)
    }
}

struct OctetVisitor;

impl<'de> Visitor<'de> for OctetVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<u8>, A::Error> {
        let room = list.size_hint().unwrap_or(0).min(LIST_BYTES_RESERVED_MAX);
        let mut bytes = Vec::with_capacity(room);
        while let Some(byte) = list.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes)
    }
}
