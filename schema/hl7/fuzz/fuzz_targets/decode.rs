//! Arbitrary bytes through every decoder of the crate; the properties are in `fuzz_entry`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| schema_hl7::fuzz_entry(bytes));
