//! The entry of the fuzz target and of its smoke test: any bytes through any decoder. What decodes
//! must encode to a stable form.

use crate::error::WireError;
use crate::{audit, device, facility, journal, patient};

/// One pair of functions: bytes in, canonical bytes out.
type Recode = fn(&[u8]) -> Result<Vec<u8>, WireError>;

/// Every decoder of the crate. Append only, so that saved inputs keep their decoder.
const DECODERS: &[Recode] = &[
    |bytes| patient::decode_event(bytes).map(|event| patient::encode_event(&event)),
    |bytes| patient::decode_state(bytes).map(|state| patient::encode_state(&state)),
    |bytes| patient::decode_notice(bytes).map(|notice| patient::encode_notice(&notice)),
    |bytes| device::decode_event(bytes).map(|event| device::encode_event(&event)),
    |bytes| device::decode_state(bytes).map(|state| device::encode_state(&state)),
    |bytes| device::decode_notice(bytes).map(|notice| device::encode_notice(&notice)),
    |bytes| facility::decode_event(bytes).map(|event| facility::encode_event(&event)),
    |bytes| facility::decode_state(bytes).map(|state| facility::encode_state(&state)),
    |bytes| facility::decode_notice(bytes).map(|notice| facility::encode_notice(&notice)),
    |bytes| audit::decode_record(bytes).map(|record| audit::encode_record(&record)),
    |bytes| journal::decode_record(bytes).map(|record| journal::encode_record(&record)),
    |bytes| journal::decode_snapshot(bytes).map(|record| journal::encode_snapshot(&record)),
    |bytes| journal::decode_dedupe(bytes).map(|record| journal::encode_dedupe(&record)),
    |bytes| journal::decode_outbox(bytes).map(|record| journal::encode_outbox(&record)),
    |bytes| journal::decode_timer(bytes).map(|record| journal::encode_timer(&record)),
    |bytes| journal::decode_resource(bytes).map(|record| journal::encode_resource(&record)),
    |bytes| journal::decode_quarantine(bytes).map(|record| journal::encode_quarantine(&record)),
    |bytes| journal::decode_message(bytes).map(|record| journal::encode_message(&record)),
];

/// Feeds `bytes` to one decoder: the first byte chooses it, the rest is its input. Returns how
/// many decoders there are.
///
/// # Panics
/// When a decoder panics, or when what it read does not come back from its own stored form.
#[doc(hidden)]
pub fn fuzz_entry(bytes: &[u8]) -> usize {
    if let Some((choice, input)) = bytes.split_first() {
        let recode = DECODERS[usize::from(*choice) % DECODERS.len()];
        if let Ok(canonical) = recode(input) {
            let again = recode(&canonical).expect("what was encoded decodes");
            assert!(again == canonical, "the canonical form is not stable");
        }
    }
    DECODERS.len()
}
