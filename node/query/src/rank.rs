//! Cells as bytes whose order is the order of the answer: numbers, times and texts ascending or
//! descending, what is missing last either way.

use crate::tree::Cell;

const KNOWN: u8 = 1;
const MISSING: u8 = 2;

/// Appends a cell to a rank.
pub(crate) fn push(rank: &mut Vec<u8>, cell: &Cell, descending: bool) {
    if *cell == Cell::Missing {
        rank.push(MISSING);
        return;
    }
    rank.push(KNOWN);
    let begin = rank.len();
    match cell {
        Cell::Missing => {}
        Cell::Number(number) => rank.extend_from_slice(&ordered(*number).to_be_bytes()),
        Cell::Time(seconds) => {
            // The sign bit turned: two's complement then orders as unsigned.
            let turned = seconds.to_be_bytes();
            rank.push(turned[0] ^ 0x80);
            rank.extend_from_slice(&turned[1..]);
        }
        Cell::Text(text) => {
            // Zero bytes are escaped, so that the end orders before any further byte.
            for byte in text {
                rank.push(*byte);
                if *byte == 0 {
                    rank.push(0xFF);
                }
            }
            rank.extend_from_slice(&[0, 0]);
        }
        Cell::Word(index) => rank.push(*index),
        Cell::Truth(truth) => rank.push(u8::from(*truth)),
    }
    if descending {
        for byte in &mut rank[begin..] {
            *byte = !*byte;
        }
    }
}

/// Bits that order as the numbers do; both zeros are one.
fn ordered(number: f64) -> u64 {
    let bits = if number == 0.0 { 0 } else { number.to_bits() };
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(cell: &Cell, descending: bool) -> Vec<u8> {
        let mut rank = Vec::new();
        push(&mut rank, cell, descending);
        rank
    }

    #[test]
    fn ranks_order_as_cells_do() {
        let text = |text: &str| Cell::Text(text.as_bytes().into());
        let sorted = [
            [-1e9, -1.5, 0.0, 0.25, 7.0, 1e300].map(Cell::Number).to_vec(),
            [i64::MIN, -1, 0, 1, i64::MAX].map(Cell::Time).to_vec(),
            ["", "A", "A\0", "A\0B", "AB", "B"].map(text).to_vec(),
            [0, 1, 4].map(Cell::Word).to_vec(),
            [false, true].map(Cell::Truth).to_vec(),
        ];
        for cells in sorted {
            for pair in cells.windows(2) {
                assert!(rank(&pair[0], false) < rank(&pair[1], false), "{pair:?}");
                assert!(rank(&pair[0], true) > rank(&pair[1], true), "{pair:?}");
                assert!(rank(&pair[1], false) < rank(&Cell::Missing, false));
                assert!(rank(&pair[0], true) < rank(&Cell::Missing, true));
            }
        }
        assert_eq!(rank(&Cell::Number(0.0), false), rank(&Cell::Number(-0.0), false));
    }
}
