//! What is written is read again, exactly; equal values have equal bytes, in canonical form
//! (DET-1).

use crate::samples;
use crate::strategies::{Tape, from_tape};
use capnp::message::ReaderOptions;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use schema_types::Decimal;
use schema_types::clinical::ObservationValue;
use schema_types::patient::PatientEvent;
use schema_types::quantity::Quantity;
use schema_wire::{WireError, audit, device, facility, journal, patient};
use std::fmt::Debug;

fn is_canonical(stored: &[u8]) -> bool {
    let mut packed = &stored[1..];
    let message = capnp::serialize_packed::read_message(&mut packed, ReaderOptions::new()).unwrap();
    packed.is_empty() && message.is_canonical().unwrap()
}

fn check<T: Debug + PartialEq + Clone>(
    read: fn(&mut Tape) -> T,
    encode: fn(&T) -> Vec<u8>,
    decode: fn(&[u8]) -> Result<T, WireError>,
) {
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() };
    let outcome = TestRunner::new(config).run(&from_tape(read), |value| {
        let bytes = encode(&value);
        prop_assert_eq!(&encode(&value.clone()), &bytes, "not deterministic");
        let decoded = decode(&bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(&decoded, &value);
        // Decimals are equal whatever their scale; bytes are not.
        prop_assert_eq!(&encode(&decoded), &bytes, "precision was lost");
        prop_assert!(is_canonical(&bytes));
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

macro_rules! round_trips {
    ($($test:ident: $read:ident, $module:ident, $encode:ident, $decode:ident;)*) => {
        $(
            #[test]
            fn $test() {
                check(Tape::$read, $module::$encode, $module::$decode);
            }
        )*
    };
}

round_trips! {
    patient_events: patient_event, patient, encode_event, decode_event;
    patient_states: patient_state, patient, encode_state, decode_state;
    patient_notices: patient_notice, patient, encode_notice, decode_notice;
    device_events: device_event, device, encode_event, decode_event;
    device_states: device_state, device, encode_state, decode_state;
    device_notices: device_notice, device, encode_notice, decode_notice;
    facility_events: facility_event, facility, encode_event, decode_event;
    facility_states: facility_state, facility, encode_state, decode_state;
    facility_notices: facility_notice, facility, encode_notice, decode_notice;
    audit_records: audit_record, audit, encode_record, decode_record;
    journal_records: journal_record, journal, encode_record, decode_record;
    snapshots: snapshot, journal, encode_snapshot, decode_snapshot;
    dedupe_records: dedupe, journal, encode_dedupe, decode_dedupe;
    outbox_records: outbox, journal, encode_outbox, decode_outbox;
    timers: timer, journal, encode_timer, decode_timer;
    resources: resource, journal, encode_resource, decode_resource;
    quarantine_records: quarantine, journal, encode_quarantine, decode_quarantine;
    messages: message, journal, encode_message, decode_message;
}

#[test]
fn samples_are_canonical() {
    for sample in samples::all() {
        assert!(is_canonical(&sample.encoded), "{}", sample.name);
    }
}

fn stored_text_of(value: Decimal) -> String {
    let mut observation = samples::clinical::heart_rate();
    let unit = String::new();
    observation.value = ObservationValue::Quantity(Quantity { value, unit });
    let resource = PatientEvent::ObservationRecorded {
        observation: Box::new(observation),
        recorded_at: samples::common::at(0),
        future_dated: false,
        as_resource: false,
    };
    let decoded = patient::decode_event(&patient::encode_event(&resource)).unwrap();
    let PatientEvent::ObservationRecorded { observation, .. } = decoded else {
        panic!("another event came back");
    };
    let ObservationValue::Quantity(quantity) = observation.value else {
        panic!("another value came back");
    };
    quantity.value.to_string()
}

#[test]
fn decimals_keep_their_precision() {
    let cases = [
        "0",
        "0.00",
        "1.5",
        "1.50",
        "-37.0",
        "79228162514264337593543950335",
        "-79228162514264337593543950335",
        "0.0000000000000000000000000001",
        "18446744073709551616",
    ];
    for text in cases {
        assert_eq!(stored_text_of(text.parse().unwrap()), text);
    }
    assert_eq!(stored_text_of(-Decimal::ZERO), "0");
}
