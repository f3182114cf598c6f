//! Any bytes through any decoder of stored forms: no panic, and what decodes has a stable form.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    schema_wire::fuzz_entry(bytes);
});
