//! A Bloom filter per run, so that a key that is not in a run costs no read of it.

use bytes::Bytes;

use crate::codec::{hash64, length32};

const BITS_PER_KEY: usize = 10;
const PROBES: u64 = 6;

/// Collects the keys of a run.
#[derive(Debug, Default)]
pub(super) struct FilterBuilder {
    hashes: Vec<u64>,
}

impl FilterBuilder {
    pub(super) fn add(&mut self, key: &[u8]) {
        self.hashes.push(hash64(key));
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let bits = (self.hashes.len() * BITS_PER_KEY).max(64).next_multiple_of(8);
        let mut filter = vec![0; bits / 8];
        for hash in self.hashes {
            for bit in probes(hash, bits) {
                filter[bit / 8] |= 1 << (bit % 8);
            }
        }
        filter
    }
}

/// Whether the run may hold the key.
pub(super) fn may_contain(filter: &Bytes, hash: u64) -> bool {
    let bits = filter.len() * 8;
    bits == 0 || probes(hash, bits).all(|bit| filter[bit / 8] & (1 << (bit % 8)) != 0)
}

fn probes(hash: u64, bits: usize) -> impl Iterator<Item = usize> {
    let step = (hash >> 32) | 1;
    let bits = u64::from(length32(bits));
    (0..PROBES).map(move |probe| {
        let bit = hash.wrapping_add(probe.wrapping_mul(step)) % bits;
        usize::try_from(bit).unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_every_key_and_few_others() {
        let mut builder = FilterBuilder::default();
        for number in 0..10_000_u32 {
            builder.add(format!("key {number}").as_bytes());
        }
        let filter = Bytes::from(builder.finish());
        for number in 0..10_000_u32 {
            assert!(may_contain(&filter, hash64(format!("key {number}").as_bytes())));
        }
        let wrong = (10_000..20_000_u32)
            .filter(|number| may_contain(&filter, hash64(format!("key {number}").as_bytes())))
            .count();
        assert!(wrong < 300, "{wrong}");
    }
}
