//! A Bloom filter per run, so that a key that is not in a run costs no read of it. All bits of a
//! key lie in one block, so it costs one access of memory. Runs of the first format have bits
//! anywhere; those are read, not written.

use bytes::Bytes;

use crate::codec::{hash64, length32};

/// Bits of a filter per key: one wrong answer in some hundred.
const BITS_PER_KEY: usize = 14;
/// Words of a block, each with one bit of a key.
const WORDS: usize = 8;
const WORD_BYTES: usize = 4;
const BLOCK_BYTES: usize = WORDS * WORD_BYTES;
/// Odd numbers that draw the bit of each word from a hash.
const DRAWS: [u32; WORDS] = [
    0x9E37_79B1,
    0x85EB_CA77,
    0xC2B2_AE3D,
    0x27D4_EB2F,
    0x1656_67B1,
    0xD3A2_646D,
    0xFD70_46C5,
    0xB55A_4F09,
];
/// Bits of a key in a filter of the first format.
const SCATTERED_PROBES: u64 = 6;

/// How the bits of a filter lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Anywhere; the first format of runs.
    Scattered,
    /// All bits of a key in one block.
    Blocked,
}

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
        let bits = (self.hashes.len() * BITS_PER_KEY).max(1);
        let blocks = bits.div_ceil(BLOCK_BYTES * 8);
        let mut filter = vec![[0; WORDS]; blocks];
        for hash in self.hashes {
            let block = &mut filter[block_of(hash, blocks)];
            for (word, mask) in block.iter_mut().zip(masks(hash)) {
                *word |= mask;
            }
        }
        filter.into_iter().flatten().flat_map(u32::to_le_bytes).collect()
    }
}

fn block_of(hash: u64, blocks: usize) -> usize {
    usize::try_from(((hash >> 32) * blocks as u64) >> 32).unwrap_or(0)
}

fn masks(hash: u64) -> [u32; WORDS] {
    let low = u32::try_from(hash & u64::from(u32::MAX)).unwrap_or(0);
    DRAWS.map(|draw| 1 << (low.wrapping_mul(draw) >> 27))
}

/// Whether the run may hold a key of this hash.
pub(super) fn may_contain(filter: &Bytes, layout: Layout, hash: u64) -> bool {
    match layout {
        Layout::Blocked => {
            let blocks = filter.len() / BLOCK_BYTES;
            if blocks == 0 {
                return true;
            }
            let at = block_of(hash, blocks) * BLOCK_BYTES;
            let (words, _) = filter[at..at + BLOCK_BYTES].as_chunks::<WORD_BYTES>();
            let mut found = words.iter().map(|word| u32::from_le_bytes(*word)).zip(masks(hash));
            found.all(|(word, mask)| word & mask != 0)
        }
        Layout::Scattered => {
            let bits = filter.len() * 8;
            let mut probes = scattered(hash, bits);
            bits == 0 || probes.all(|bit| filter[bit / 8] & (1 << (bit % 8)) != 0)
        }
    }
}

fn scattered(hash: u64, bits: usize) -> impl Iterator<Item = usize> {
    let step = (hash >> 32) | 1;
    let bits = u64::from(length32(bits)).max(1);
    (0..SCATTERED_PROBES).map(move |probe| {
        let bit = hash.wrapping_add(probe.wrapping_mul(step)) % bits;
        usize::try_from(bit).unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u32) -> u64 {
        hash64(format!("key {number}").as_bytes())
    }

    /// A filter as the first format has it.
    fn of_first_format(hashes: impl ExactSizeIterator<Item = u64>) -> Vec<u8> {
        let bits = (hashes.len() * 10).next_multiple_of(8);
        let mut filter = vec![0; bits / 8];
        for hash in hashes {
            scattered(hash, bits).for_each(|bit| filter[bit / 8] |= 1 << (bit % 8));
        }
        filter
    }

    #[test]
    fn holds_every_key_and_few_others() {
        let mut builder = FilterBuilder::default();
        (0..10_000).for_each(|number| builder.add(format!("key {number}").as_bytes()));
        for (layout, filter, wrong_max) in [
            (Layout::Blocked, builder.finish(), 60),
            (Layout::Scattered, of_first_format((0..10_000_u16).map(|n| hash(n.into()))), 300),
        ] {
            let filter = Bytes::from(filter);
            let found = |number| may_contain(&filter, layout, hash(number));
            assert!((0..10_000).all(found));
            let wrong = (10_000..20_000).filter(|number| found(*number)).count();
            assert!(wrong < wrong_max, "{layout:?} {wrong}");
        }
    }

    #[test]
    fn an_empty_filter_excludes_nothing_or_everything_without_harm() {
        let none = Bytes::from(FilterBuilder::default().finish());
        assert!(!may_contain(&none, Layout::Blocked, hash(1)));
        assert!(may_contain(&Bytes::new(), Layout::Blocked, hash(1)));
        assert!(may_contain(&Bytes::new(), Layout::Scattered, hash(1)));
    }
}
