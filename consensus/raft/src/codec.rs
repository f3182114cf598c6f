//! Values as bytes: one version byte, then postcard. Used on the wire and inside log entries and
//! snapshots; a value that leaves bytes over is refused, so garbage is not half understood.

use std::fmt;

use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Version of every encoding in this crate; a reader refuses any other.
pub(crate) const FORMAT_VERSION: u8 = 1;

/// Why bytes are not the value that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("format version {found:?} is unknown, {FORMAT_VERSION} is known")]
    Version { found: Option<u8> },
    #[error("bytes do not fit the format: {0}")]
    Format(postcard::Error),
    #[error("{0} bytes are left over")]
    LeftOver(usize),
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    postcard::to_extend(value, vec![FORMAT_VERSION]).map_err(CodecError::Format)
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (&version, rest) = bytes.split_first().ok_or(CodecError::Version { found: None })?;
    if version != FORMAT_VERSION {
        return Err(CodecError::Version { found: Some(version) });
    }
    let (value, rest) = postcard::take_from_bytes(rest).map_err(CodecError::Format)?;
    if rest.is_empty() { Ok(value) } else { Err(CodecError::LeftOver(rest.len())) }
}

/// Bytes that are copied as a whole instead of one by one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Blob(pub(crate) Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(BlobVisitor)
    }
}

struct BlobVisitor;

impl Visitor<'_> for BlobVisitor {
    type Value = Blob;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Blob, E> {
        Ok(Blob(bytes.to_vec()))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Blob, E> {
        Ok(Blob(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        let value = (7_u64, Blob(vec![1, 2, 3]), Some("name".to_owned()));
        let bytes = encode(&value).unwrap();
        assert_eq!(bytes[0], FORMAT_VERSION);
        assert_eq!(decode::<(u64, Blob, Option<String>)>(&bytes).unwrap(), value);
    }

    #[test]
    fn other_versions_rests_and_stubs_are_refused() {
        let mut bytes = encode(&300_u64).unwrap();
        for length in 0..bytes.len() {
            assert!(decode::<u64>(&bytes[..length]).is_err(), "{length}");
        }
        bytes.push(0);
        assert_eq!(decode::<u64>(&bytes), Err(CodecError::LeftOver(1)));
        bytes[0] = 9;
        assert_eq!(decode::<u64>(&bytes), Err(CodecError::Version { found: Some(9) }));
    }
}
