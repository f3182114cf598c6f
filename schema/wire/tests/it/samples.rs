//! One representative value per record and per arm of every union, with its name. The values are
//! made up; golden bytes exist for each and a value never changes once its bytes are published.

pub(crate) mod clinical;
pub(crate) mod common;
mod journal;
mod other;
mod patient;

use schema_wire::{WireError, audit, device, facility, journal as stored, patient as person};
use std::fmt::Debug;
use std::rc::Rc;

type OfBytes<T> = Box<dyn Fn(&[u8]) -> T>;

/// A named value with its stored form and a way to judge stored bytes.
pub(crate) struct Sample {
    /// The name of the golden file, without version and ending.
    pub(crate) name: String,
    /// The stored form that this code gives.
    pub(crate) encoded: Vec<u8>,
    /// Which decoder of the fuzz entry reads it.
    pub(crate) decoder: u8,
    judge: OfBytes<Result<(), String>>,
    decode: OfBytes<Result<(), String>>,
    refuse: OfBytes<Option<WireError>>,
}

impl Sample {
    /// Whether `bytes` decode to exactly this value and come back as the same bytes.
    pub(crate) fn judge(&self, bytes: &[u8]) -> Result<(), String> {
        (self.judge)(bytes).map_err(|reason| format!("{}: {reason}", self.name))
    }

    /// Whether `bytes`, which an earlier version wrote, decode to exactly this value.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<(), String> {
        (self.decode)(bytes).map_err(|reason| format!("{}: {reason}", self.name))
    }

    /// The error with which the decoder refuses `bytes`, if it does.
    pub(crate) fn refuse(&self, bytes: &[u8]) -> Option<WireError> {
        (self.refuse)(bytes)
    }
}

/// The functions of one record.
#[derive(Clone, Copy)]
struct Codec<T> {
    decoder: u8,
    encode: fn(&T) -> Vec<u8>,
    decode: fn(&[u8]) -> Result<T, WireError>,
}

fn sample<T>(codec: Codec<T>, name: &str, value: T) -> Sample
where
    T: PartialEq + Debug + 'static,
{
    let encoded = (codec.encode)(&value);
    let value = Rc::new(value);
    let decode = move |bytes: &[u8]| {
        let decoded = (codec.decode)(bytes).map_err(|error| error.to_string())?;
        if decoded != *value {
            return Err(format!("decoded {decoded:?} instead of {value:?}"));
        }
        Ok(decoded)
    };
    let judge = {
        let decode = decode.clone();
        move |bytes: &[u8]| {
            if (codec.encode)(&decode(bytes)?) != bytes {
                return Err("the bytes differ after a round trip".to_owned());
            }
            Ok(())
        }
    };
    let refuse = move |bytes: &[u8]| (codec.decode)(bytes).err();
    Sample {
        name: name.to_owned(),
        encoded,
        decoder: codec.decoder,
        judge: Box::new(judge),
        decode: Box::new(move |bytes| decode(bytes).map(drop)),
        refuse: Box::new(refuse),
    }
}

macro_rules! codec {
    ($decoder:literal, $module:ident, $encode:ident, $decode:ident) => {
        Codec { decoder: $decoder, encode: $module::$encode, decode: $module::$decode }
    };
}

/// Every sample.
pub(crate) fn all() -> Vec<Sample> {
    let mut all = Vec::new();
    for (name, value) in patient::events() {
        all.push(sample(codec!(0, person, encode_event, decode_event), name, value));
    }
    for (name, value) in patient::states() {
        all.push(sample(codec!(1, person, encode_state, decode_state), name, value));
    }
    for (name, value) in patient::notices() {
        all.push(sample(codec!(2, person, encode_notice, decode_notice), name, value));
    }
    for (name, value) in other::device_events() {
        all.push(sample(codec!(3, device, encode_event, decode_event), name, value));
    }
    for (name, value) in other::device_states() {
        all.push(sample(codec!(4, device, encode_state, decode_state), name, value));
    }
    for (name, value) in other::device_notices() {
        all.push(sample(codec!(5, device, encode_notice, decode_notice), name, value));
    }
    for (name, value) in other::facility_events() {
        all.push(sample(codec!(6, facility, encode_event, decode_event), name, value));
    }
    for (name, value) in other::facility_states() {
        all.push(sample(codec!(7, facility, encode_state, decode_state), name, value));
    }
    for (name, value) in other::facility_notices() {
        all.push(sample(codec!(8, facility, encode_notice, decode_notice), name, value));
    }
    for (name, value) in journal::audit_records() {
        all.push(sample(codec!(9, audit, encode_record, decode_record), name, value));
    }
    all.extend(of_journal());
    all
}

fn of_journal() -> Vec<Sample> {
    let mut all = Vec::new();
    for (name, value) in journal::journal_records() {
        all.push(sample(codec!(10, stored, encode_record, decode_record), name, value));
    }
    for (name, value) in journal::snapshots() {
        all.push(sample(codec!(11, stored, encode_snapshot, decode_snapshot), name, value));
    }
    for (name, value) in journal::dedupes() {
        all.push(sample(codec!(12, stored, encode_dedupe, decode_dedupe), name, value));
    }
    for (name, value) in journal::outboxes() {
        all.push(sample(codec!(13, stored, encode_outbox, decode_outbox), name, value));
    }
    for (name, value) in journal::timers() {
        all.push(sample(codec!(14, stored, encode_timer, decode_timer), name, value));
    }
    for (name, value) in journal::resources() {
        all.push(sample(codec!(15, stored, encode_resource, decode_resource), name, value));
    }
    for (name, value) in journal::quarantines() {
        all.push(sample(codec!(16, stored, encode_quarantine, decode_quarantine), name, value));
    }
    for (name, value) in journal::messages() {
        all.push(sample(codec!(17, stored, encode_message, decode_message), name, value));
    }
    all
}
