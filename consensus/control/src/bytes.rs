//! Opaque bytes in commands and state: stored in hexadecimal, shown by length or not at all.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

fn to_hex(bytes: &[u8]) -> String {
    let digit = |number: u8| char::from(DIGITS[usize::from(number & 0xf)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    digits.chunks_exact(2).map(|pair| Some((value(pair[0])? << 4) | value(pair[1])?)).collect()
}

/// Bytes that the control plane keeps and does not read.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Blob(pub Vec<u8>);

impl fmt::Debug for Blob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Blob({} bytes)", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        from_hex(&text).map(Self).ok_or_else(|| D::Error::custom("not hexadecimal"))
    }
}

/// A fixed number of bytes: a digest, a root, a key that somebody drew at random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fixed<const BYTES: usize>(pub [u8; BYTES]);

impl<const BYTES: usize> Fixed<BYTES> {
    /// These bytes.
    #[must_use]
    pub const fn new(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }
}

/// A SHA-256 digest or the root of a Merkle tree.
pub type Digest32 = Fixed<32>;

/// A public key that verifies signatures.
pub type PublicKey = Fixed<32>;

/// A random key that names one request to join, so that its repetition gives the same node.
pub type JoinKey = Fixed<16>;

impl<const BYTES: usize> Default for Fixed<BYTES> {
    fn default() -> Self {
        Self([0; BYTES])
    }
}

impl<const BYTES: usize> fmt::Debug for Fixed<BYTES> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}..", to_hex(&self.0[..BYTES.min(4)]))
    }
}

impl<const BYTES: usize> Serialize for Fixed<BYTES> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_hex(&self.0))
    }
}

impl<'de, const BYTES: usize> Deserialize<'de> for Fixed<BYTES> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = from_hex(&text).and_then(|bytes| <[u8; BYTES]>::try_from(bytes).ok());
        bytes.map(Self).ok_or_else(|| D::Error::custom("not hexadecimal of this length"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_back_and_damage_is_refused() {
        let blob = Blob((0..=255).collect());
        let text = serde_json::to_string(&blob).unwrap();
        assert_eq!(serde_json::from_str::<Blob>(&text).unwrap(), blob);
        let key = Fixed([7_u8; 16]);
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<JoinKey>(&text).unwrap(), key);
        assert!(serde_json::from_str::<Digest32>(&text).is_err());
        for wrong in ["\"0\"", "\"0g\"", "\"AB\"", "7", "\"é\""] {
            assert!(serde_json::from_str::<Blob>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn debug_shows_no_content() {
        assert_eq!(format!("{:?}", Blob(vec![1; 9])), "Blob(9 bytes)");
        assert_eq!(format!("{:?}", Fixed([0xab_u8; 32])), "abababab..");
    }
}
