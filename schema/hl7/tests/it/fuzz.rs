//! Seeded mutations of good messages: the fuzz target's properties on stable Rust.

use crate::fixture::{admission, join, msh, vitals};
use schema_hl7::fuzz_entry;
use schema_hl7::mllp::encode_frame;

const ITERATIONS: usize = 20_000;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    const TOKENS: [&[u8]; 14] = [
        b"|",
        b"^",
        b"~",
        b"\\",
        b"&",
        b"\r",
        b"\n",
        b"\"\"",
        b"MSH|^~\\&",
        b"\x0B",
        b"\x1C\r",
        b"\xFF",
        b"99999999999999",
        b"\\M2442\\",
    ];
    let at = random.below(bytes.len());
    match random.below(5) {
        0 if !bytes.is_empty() => bytes[at] = random.next().to_le_bytes()[0],
        1 => {
            let token = TOKENS[random.below(TOKENS.len())];
            bytes.splice(at..at, token.iter().copied());
        }
        2 => bytes.truncate(at),
        3 => {
            let end = (at + random.below(12)).min(bytes.len());
            bytes.drain(at..end);
        }
        _ => {
            let end = (at + random.below(40)).min(bytes.len());
            let piece = bytes[at..end].to_vec();
            let to = random.below(bytes.len());
            bytes.splice(to..to, piece);
        }
    }
}

#[test]
fn fuzz_smoke() {
    let merge = join(&[&msh("ADT^A40"), "EVN|A40|20261120", "PID|1||1^^^N^MR", "MRG|2^^^N^MR"]);
    let batch = join(&["FHS|^~\\&|A", "BHS|^~\\&|A"]);
    let batch = [batch, admission(), vitals(), join(&["BTS|2", "FTS|1"])].concat();
    let japanese =
        join(&["MSH|^~\\&|A|B|||2026||ORU^R01|1|P|2.5||||||~ISO IR87", "PID|||\x1B$B;3"]);
    let seeds = [admission(), vitals(), merge, batch, japanese, encode_frame(&vitals())];
    let mut random = Random(20_261_123);
    for iteration in 0..ITERATIONS {
        let mut bytes = seeds[iteration % seeds.len()].clone();
        for _ in 0..=random.below(6) {
            mutate(&mut bytes, &mut random);
        }
        fuzz_entry(&bytes);
    }
}
