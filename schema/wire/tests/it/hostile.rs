//! Bytes that nobody here wrote: cut, changed, random, too large, from a newer version. Decoders
//! answer with an error or a value, never with a panic (LIM-1).

use crate::samples;
use capnp::message::{ReaderOptions, ReaderSegments};
use capnp::serialize_packed;
use proptest::prelude::*;
use schema_types::device::DeviceEvent;
use schema_wire::{WireError, device, fuzz_entry, journal, patient};

/// The words of a stored form, unpacked.
fn words(stored: &[u8]) -> Vec<u64> {
    let mut packed = &stored[1..];
    let message = serialize_packed::read_message(&mut packed, ReaderOptions::new()).unwrap();
    let segments = message.into_segments();
    let segment = segments.get_segment(0).unwrap();
    segment.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect()
}

/// A stored form of the words, in which nothing is compressed.
fn stored(words: &[u64]) -> Vec<u8> {
    let table = u64::try_from(words.len()).unwrap() << 32;
    let mut bytes = vec![1];
    for word in std::iter::once(&table).chain(words) {
        bytes.push(0xff);
        bytes.extend(word.to_le_bytes());
        bytes.push(0);
    }
    bytes
}

/// A pointer to a struct that follows after `offset` words.
fn struct_pointer(offset: u64, data_words: u64, pointers: u64) -> u64 {
    (offset << 2) | (data_words << 32) | (pointers << 48)
}

/// A pointer to a list of structs that take no space, and the tag that counts them.
fn list_of_nothing(count: u64) -> [u64; 2] {
    [1 | (7 << 32), count << 2]
}

#[test]
fn the_helpers_rebuild_stored_forms() {
    for sample in samples::all() {
        let rebuilt = stored(&words(&sample.encoded));
        let reason = sample.judge(&rebuilt).unwrap_err();
        assert!(reason.contains("the bytes differ"), "{reason}");
    }
}

#[test]
fn cut_records_are_refused() {
    for sample in samples::all() {
        for length in 0..sample.encoded.len() {
            let reason = sample.judge(&sample.encoded[..length]).unwrap_err();
            assert!(!reason.contains("decoded"), "{reason} after {length} bytes");
        }
        let mut longer = sample.encoded.clone();
        longer.push(0);
        assert!(sample.judge(&longer).unwrap_err().contains("1 bytes follow"));
    }
}

#[test]
fn changed_bytes_never_panic() {
    for sample in samples::all() {
        let mut input = vec![sample.decoder];
        input.extend(&sample.encoded);
        for place in 1..input.len().min(300) {
            for change in [1 << (place % 8), 0xff] {
                input[place] ^= change;
                fuzz_entry(&input);
                input[place] ^= change;
            }
        }
    }
}

/// The structure itself is attacked, not only its packed form.
#[test]
fn changed_words_never_panic() {
    for sample in samples::all() {
        let original = words(&sample.encoded);
        for place in 0..original.len().min(48) {
            for change in [1, 1 << 2, 1 << 31, 1 << 32, 1 << 35, 1 << 48] {
                let mut changed = original.clone();
                changed[place] ^= change;
                let mut input = vec![sample.decoder];
                input.extend(stored(&changed));
                fuzz_entry(&input);
            }
        }
    }
}

#[test]
fn every_decoder_has_a_sample() {
    let decoders = fuzz_entry(&[]);
    for decoder in 0..decoders {
        let has = samples::all().iter().any(|sample| usize::from(sample.decoder) == decoder);
        assert!(has, "decoder {decoder}");
    }
}

/// A few bytes that stand for much: neither memory nor time may follow.
#[test]
fn bombs_are_refused_lim_1() {
    // The segment table announces 2^30 words.
    assert!(device::decode_state(&[1, 0x10, 0, 0, 0, 0x40]).is_err());
    let zeros = [&[1, 0b1111_0000, 0, 0, 0, 0x10][..], &[0, 255].repeat(65_536)].concat();
    assert!(device::decode_state(&zeros).is_err());
    // Gaps that take no space: a few are allowed, many are not.
    for (count, is_allowed) in [(60_000, true), (1 << 20, false), ((1 << 29) - 1, false)] {
        let [list, tag] = list_of_nothing(count);
        let message = stored(&[struct_pointer(0, 0, 3), 0, 0, list, tag]);
        let decoded = device::decode_state(&message);
        assert_eq!(decoded.is_ok(), is_allowed, "{count}");
    }
}

#[test]
fn envelopes_are_checked() {
    let timer = samples::all().into_iter().find(|sample| sample.name == "timer-record").unwrap();
    assert!(matches!(patient::decode_event(&[]), Err(WireError::Empty)));
    let other = [&[2], &timer.encoded[1..]].concat();
    assert!(matches!(journal::decode_timer(&other), Err(WireError::Format(2))));
    // A segment table of two segments: one word and none.
    let two = [1, 0xff, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert!(matches!(
        journal::decode_timer(&two),
        Err(WireError::Segments(2) | WireError::Structure(_))
    ));
}

#[test]
fn what_a_newer_version_wrote_is_named() {
    let tag_only = |number| stored(&[struct_pointer(0, 1, 0), number]);
    let unknown = patient::decode_event(&tag_only(999)).unwrap_err();
    assert_eq!(unknown.to_string(), "patient event 999 is not known");
    let unset = patient::decode_event(&tag_only(0)).unwrap_err();
    assert_eq!(unset.to_string(), "patient event is not set");
    // A field that is not known here, after the interval: skipped.
    let longer = [struct_pointer(0, 1, 1), 7, struct_pointer(0, 2, 0), 60_000_000, 5];
    let event = device::decode_event(&stored(&longer)).unwrap();
    assert_eq!(event, DeviceEvent::IntervalSet { interval_micros: 60_000_000 });
}

#[test]
fn keys_that_are_not_in_stored_form_are_refused() {
    let timer = samples::all().into_iter().find(|sample| sample.name == "timer-record").unwrap();
    let changed: Vec<u64> = words(&timer.encoded)
        .into_iter()
        .map(|word| if word.to_le_bytes().starts_with(b"NGH.") { word ^ 0x6e } else { word })
        .collect();
    let refused = journal::decode_timer(&stored(&changed)).unwrap_err();
    assert!(matches!(refused, WireError::EntityKey), "{refused}");
}

/// An error names the place, never the stored text (PHI-1).
#[test]
fn errors_do_not_show_content_phi_1() {
    let mut refused = 0;
    for sample in samples::all() {
        let original = words(&sample.encoded);
        for place in 0..original.len() {
            let mut changed = original.clone();
            changed[place] ^= 0x8080_8080_8080_8080;
            let Some(error) = sample.refuse(&stored(&changed)) else { continue };
            refused += 1;
            let shown = format!("{error} {error:?}");
            for content in ["Sample", "700001", "Main Street", "clear", "PID", "LAB"] {
                assert!(!shown.contains(content), "{}: {shown}", sample.name);
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}

/// The fuzz target for a moment, on stable Rust.
#[test]
fn fuzz_smoke() {
    let decoders = u8::try_from(fuzz_entry(&[])).unwrap();
    let config = ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() };
    let bytes = proptest::collection::vec(any::<u8>(), 0..512);
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&(0..decoders, any::<bool>(), bytes), |(decoder, has_format, bytes)| {
            let mut input = vec![decoder];
            if has_format {
                input.push(1);
            }
            input.extend(bytes);
            prop_assert_eq!(fuzz_entry(&input), usize::from(decoders));
            Ok(())
        })
        .unwrap();
}
