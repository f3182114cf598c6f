//! Any bytes as a resource, a Bundle and a query: nothing may panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    schema_fhir::fuzz_entry(bytes);
});
