//! Rows: layout, exactness of numbers, and that no bytes make reading panic.

use super::*;
use proptest::prelude::*;

const NOON: Timestamp = Timestamp::from_unix_seconds(1_795_435_200);

fn one_decimal(text: &str) -> Option<f64> {
    let mut row = RowWriter::new(NOON);
    row.decimal(3, text.parse().unwrap());
    let bytes = row.finish();
    LiveRow::open(&bytes).unwrap().decimal(3)
}

#[test]
fn layout_is_pinned() {
    let mut row = RowWriter::new(NOON);
    row.decimal(0, Decimal::new(371, 1));
    row.time(1, NOON.plus_micros(-61 * MICROS_PER_SECOND));
    row.count(2, 70_000);
    row.text(127, "F1");
    let bytes = row.finish();
    let header = [
        &[1][..],
        &(1_u128 << 127 | 0b111).to_le_bytes(),
        &0b100_u128.to_le_bytes(),
        &1_795_435_200_i64.to_le_bytes(),
    ];
    let slots = [&[0x73, 0x41][..], &[61, 0], &[0x70, 0x11, 1, 0], &[2, 0], b"F1"];
    assert_eq!(bytes, [header.concat(), slots.concat()].concat());
}

#[test]
fn numbers_are_as_entered() {
    let cases = ["0", "120", "37.1", "98.60", "0.9", "-1.5", "16383", "16384", "1.234", "0.0001"];
    for text in cases {
        assert_eq!(one_decimal(text), text.parse::<f64>().ok(), "{text}");
    }
    let rounded = [
        ("0.9230769230769230769230769231", 0.923_076_9),
        ("268435455", 268_435_455.0),
        ("900000000", 268_435_455.0),
        ("-900000000", -268_435_455.0),
        ("128.12345678", 128.123_457),
        ("37.1000000000000000", 37.1),
        ("0.00000000001", 0.0),
    ];
    for (text, expected) in rounded {
        assert_eq!(one_decimal(text), Some(expected), "{text}");
    }
}

#[test]
fn times_keep_the_second() {
    let cases = [0, -1, -65_535, -65_536, 1, 86_400, -2_000_000_000, 2_000_000_000];
    for offset in cases {
        let mut row = RowWriter::new(NOON);
        let at = NOON.plus_micros(offset * MICROS_PER_SECOND + 999_999);
        row.time(9, at);
        let bytes = row.finish();
        let read = LiveRow::open(&bytes).unwrap().time_seconds(9);
        assert_eq!(read, Some(1_795_435_200 + offset), "{offset}");
    }
    let mut row = RowWriter::new(Timestamp::MIN);
    row.time(0, Timestamp::MAX);
    let bytes = row.finish();
    assert!(LiveRow::open(&bytes).unwrap().time_seconds(0).is_some());
}

#[test]
fn texts_are_found_and_bounded() {
    let long = "ü".repeat(200);
    let names = ["F1", "", &long, "W", &long, "Z"];
    let mut row = RowWriter::new(NOON);
    for (slot, name) in (10..).zip(names) {
        row.text(slot, name);
    }
    let bytes = row.finish();
    let row = LiveRow::open(&bytes).unwrap();
    let cut = &long.as_bytes()[..254];
    let expected: [Option<&[u8]>; 6] =
        [Some(b"F1"), None, Some(cut), Some(b"W"), Some(cut), Some(b"Z")];
    for (slot, expected) in (10..).zip(expected) {
        assert_eq!(row.text(slot), expected, "{slot}");
    }
}

#[test]
fn other_versions_are_not_read() {
    let mut bytes = RowWriter::new(NOON).finish();
    assert!(LiveRow::open(&bytes).is_some());
    bytes[0] = ROW_VERSION + 1;
    assert!(LiveRow::open(&bytes).is_none());
    assert!(LiveRow::open(&bytes[..40]).is_none());
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Some(first) = bytes.first_mut() {
            *first = ROW_VERSION;
        }
        if let Some(row) = LiveRow::open(&bytes) {
            for slot in 0..=u8::MAX {
                let found = row.count(slot).is_some();
                prop_assert!(slot < SLOTS || !found);
                prop_assert_eq!(row.decimal(slot).is_some(), found);
                prop_assert_eq!(row.time_seconds(slot).is_some(), found);
                prop_assert!(found || row.text(slot).is_none());
            }
        }
    }

    #[test]
    fn slots_come_back(
        counts in prop::collection::btree_map(0_u8..64, any::<u32>(), 0..40),
        decimals in prop::collection::btree_map(64_u8..128, (0_i64..268_435_455, 0_u32..8), 0..40),
    ) {
        let mut row = RowWriter::new(NOON);
        for (slot, count) in &counts {
            row.count(*slot, *count);
        }
        for (slot, (mantissa, scale)) in &decimals {
            row.decimal(*slot, Decimal::new(*mantissa, *scale));
        }
        let bytes = row.finish();
        let row = LiveRow::open(&bytes).unwrap();
        for slot in 0..64 {
            prop_assert_eq!(row.count(slot), counts.get(&slot).copied());
        }
        for slot in 64..128 {
            let expected = decimals.get(&slot).map(|(mantissa, scale)| {
                Decimal::new(*mantissa, *scale).to_string().parse::<f64>().unwrap()
            });
            prop_assert_eq!(row.decimal(slot), expected);
        }
    }
}
