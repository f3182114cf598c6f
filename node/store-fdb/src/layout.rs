//! Where the keys of a store lie in the cluster: eight bytes before each. Seven name the store, the
//! eighth tells the port's keys from the adapter's own.
//!
//! | key | value | what for |
//! |---|---|---|
//! | prefix `00` `h` | format and name | whose keys these are |
//! | prefix `00` `m` instance slot | number, versionstamp | marker: the last commit of a slot |
//! | prefix `00` `t` instance number | never stored | a conflict range for one commit alone |
//! | prefix `01` key | value | the port's data |

use actors_store::KeyRange;
use bytes::Bytes;

use crate::limits::PREFIX_BYTES;

const OWN: u8 = 0;
const DATA: u8 = 1;
const BEYOND: u8 = 2;
const NAME_BYTES: usize = PREFIX_BYTES - 1;
/// First byte of every store; no type code of the tuple encoding that other layers use.
const FIRST: u8 = b'M';
/// Format of what is stored beside the data.
const FORMAT: &str = "medulla store 1";

/// Which opening of the store: random, so that no two in the world are the same.
pub(crate) type Instance = [u8; 16];

/// Where the keys of one store lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    name: String,
    prefix: [u8; NAME_BYTES],
}

impl Layout {
    pub(crate) fn new(name: &str) -> Self {
        let mut prefix = [FIRST; NAME_BYTES];
        let hash = fnv1a(name.as_bytes()).to_be_bytes();
        prefix[1..].copy_from_slice(&hash[..NAME_BYTES - 1]);
        Self { name: name.to_owned(), prefix }
    }

    fn place(&self, kind: u8, parts: [&[u8]; 3]) -> Bytes {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let mut key = Vec::with_capacity(PREFIX_BYTES + length);
        key.extend_from_slice(&self.prefix);
        key.push(kind);
        parts.iter().for_each(|part| key.extend_from_slice(part));
        Bytes::from(key)
    }

    /// Everything of the store.
    pub(crate) fn all(&self) -> KeyRange {
        KeyRange { begin: self.place(OWN, [b""; 3]), end: self.place(BEYOND, [b""; 3]) }
    }

    pub(crate) fn header(&self) -> Bytes {
        self.place(OWN, [b"h", b"", b""])
    }

    /// What the header says.
    pub(crate) fn header_value(&self) -> Bytes {
        Bytes::from(format!("{FORMAT} {}", self.name))
    }

    /// A key of the port.
    pub(crate) fn data(&self, key: &[u8]) -> Bytes {
        self.place(DATA, [key, b"", b""])
    }

    /// A key of the port with an offset for a versionstamp behind it.
    pub(crate) fn stamped(&self, key: &[u8], offset: usize) -> Bytes {
        self.place(DATA, [key, &offset_bytes(PREFIX_BYTES.saturating_add(offset)), b""])
    }

    /// A range of the port.
    pub(crate) fn range(&self, range: &KeyRange) -> KeyRange {
        KeyRange { begin: self.data(&range.begin), end: self.data(&range.end) }
    }

    /// The port's key, without the prefix; shares the bytes.
    pub(crate) fn strip(key: &Bytes) -> Bytes {
        key.slice(PREFIX_BYTES.min(key.len())..)
    }

    /// Markers of every opening of the store.
    pub(crate) fn markers(&self) -> KeyRange {
        KeyRange::prefix(&self.place(OWN, [b"m", b"", b""]))
    }

    pub(crate) fn markers_of(&self, instance: &Instance) -> KeyRange {
        KeyRange::prefix(&self.place(OWN, [b"m", instance, b""]))
    }

    pub(crate) fn marker(&self, instance: &Instance, slot: u32) -> Bytes {
        self.place(OWN, [b"m", instance, &slot.to_be_bytes()])
    }

    pub(crate) fn ticket(&self, instance: &Instance, number: u64) -> Bytes {
        self.place(OWN, [b"t", instance, &number.to_be_bytes()])
    }
}

/// The offset as FoundationDB wants it behind a versionstamped key or value.
pub(crate) fn offset_bytes(offset: usize) -> [u8; 4] {
    u32::try_from(offset).unwrap_or(u32::MAX).to_le_bytes()
}

/// FNV-1a, 64 bits; the header finds names that meet.
fn fnv1a(bytes: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::CLUSTER_KEY_BYTES_MAX;
    use actors_store::limits::KEY_BYTES_MAX;

    #[test]
    fn families_do_not_meet_and_lie_in_the_store() {
        let layout = Layout::new("medulla");
        let instance = [7; 16];
        let keys = [
            layout.header(),
            layout.marker(&instance, 0),
            layout.marker(&instance, u32::MAX),
            layout.ticket(&instance, 1),
            layout.data(b""),
            layout.data(&[0xFF; KEY_BYTES_MAX]),
        ];
        assert!(keys.is_sorted());
        assert!(keys.iter().all(|key| layout.all().contains(key)));
        assert!(keys[1..3].iter().all(|key| layout.markers_of(&instance).contains(key)));
        assert!(!layout.markers().contains(&keys[3]) && !layout.markers().contains(&keys[0]));
        assert_eq!(keys[5].len(), CLUSTER_KEY_BYTES_MAX);
        assert_eq!(Layout::strip(&keys[5]).len(), KEY_BYTES_MAX);
    }

    #[test]
    fn the_port_s_whole_range_stays_inside() {
        let layout = Layout::new("medulla");
        let whole = layout.range(&KeyRange::prefix(b""));
        assert!(whole.contains(&layout.data(b"")));
        assert!(whole.contains(&layout.data(&[0xFF; KEY_BYTES_MAX])));
        assert!(whole.end < layout.all().end);
        assert!(!whole.contains(&layout.header()));
    }

    #[test]
    fn offsets_count_the_prefix() {
        let key = Layout::new("medulla").stamped(b"log/0123456789", 4);
        assert_eq!(key[key.len() - 4..], [12, 0, 0, 0]);
        assert_ne!(Layout::new("a").all(), Layout::new("b").all());
    }
}
