//! Bytes from a broken or hostile peer: an error, never a panic, and no word of them in it.

use super::words::Seed;
use super::*;
use std::sync::LazyLock;

/// One message of each shape, as bytes.
static MESSAGES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let seed = Seed::plain();
    let beside = attachments(&seed);
    let mut messages = Vec::new();
    for command in patient::commands(&seed) {
        let sent = envelope(&seed, EntityKind::Patient, command);
        messages.push(encode_submit::<Patient>(&sent, &beside).unwrap());
    }
    for command in device::commands(&seed) {
        let sent = envelope(&seed, EntityKind::Device, command);
        messages.push(encode_submit::<Device>(&sent, &beside).unwrap());
    }
    messages.push(encode_record(&drafts(&seed)[2], &rows(&seed)).unwrap());
    let done = |reply| Outcome::Done { reply, sequence: 1 };
    messages.extend(patient::replies(&seed).into_iter().map(|reply| answer(Ok(done(reply)))));
    messages.extend(group::messages(&seed));
    messages.extend(errors().into_iter().map(|error| answer::<()>(Err(error))));
    messages
});

/// Reads bytes in every way there is; what comes out does not matter.
fn read_all_ways(bytes: &[u8]) {
    drop(decode_answer::<Patient>(bytes));
    drop(decode_answer::<Device>(bytes));
    drop(decode_answer::<Facility>(bytes));
    drop(decode_record_answer(bytes));
    group::read_all_ways(bytes);
    if let Ok((_, body)) = form::open(bytes, REMOTE_CALL_BYTES_MAX) {
        read_body_all_ways(body);
    }
}

fn read_body_all_ways(body: &[u8]) {
    drop(call::read_submit::<Patient>(body));
    drop(call::read_submit::<Device>(body));
    drop(call::read_submit::<Facility>(body));
    drop(call::read_record(body));
    drop(form::read::<Failure>(body));
    group::read_body_all_ways(body);
}

proptest! {
    #[test]
    fn garbage_is_no_message(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_all_ways(&bytes);
        read_body_all_ways(&bytes);
    }

    #[test]
    fn a_message_cut_anywhere_is_refused(which in any::<usize>(), at in any::<usize>()) {
        let message = &MESSAGES[which % MESSAGES.len()];
        let cut = &message[..at % message.len()];
        prop_assert_eq!(form::open(cut, REMOTE_CALL_BYTES_MAX), Err(Fault::Length));
        if let Some(body) = cut.get(6..) {
            read_body_all_ways(body);
        }
    }

    #[test]
    fn flipped_bits_never_panic(
        which in any::<usize>(),
        flips in prop::collection::vec((any::<usize>(), 0_u8..8), 1..6),
    ) {
        let mut message = MESSAGES[which % MESSAGES.len()].clone();
        for (at, bit) in flips {
            let at = at % message.len();
            message[at] ^= 1 << bit;
        }
        read_all_ways(&message);
        read_body_all_ways(&message[6..]);
    }
}

#[test]
fn bytes_behind_the_end_are_refused() {
    let mut message = MESSAGES[0].clone();
    message.push(0xc0);
    assert_eq!(form::open(&message, REMOTE_CALL_BYTES_MAX), Err(Fault::Length));
}

/// Lists in lists, as deep as the bytes allow, in a field that nobody knows.
#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let mut body = vec![0x81, 0xa1, b'z'];
    body.extend(std::iter::repeat_n(0x91, 1_000_000));
    read_body_all_ways(&body);
    assert_eq!(form::read::<Failure>(&body), Err(Fault::Body));
}

/// A list that says it has more items than memory: nothing is reserved for what is not there.
#[test]
fn a_stated_length_reserves_nothing() {
    for marker in [0xdd, 0xdf, 0xdb, 0xc6] {
        let body = [marker, 0xff, 0xff, 0xff, 0xff];
        assert!(form::read::<Vec<u64>>(&body).is_err());
        assert!(form::read::<schema_types::ids::MessageDigest>(&body).is_err());
        assert!(form::read::<String>(&body).is_err());
        read_body_all_ways(&body);
    }
}

#[test]
fn words_with_rules_of_their_own_are_checked() {
    let body = |value: &dyn Fn() -> Vec<u8>| value();
    let written = |value: &(&str, u8, &str)| rmp_serde::to_vec(value).unwrap();
    type Id = schema_types::ids::EntityId;
    for (key, kind) in [("a b", 1), ("", 1), ("ok", 0), ("ok", 9)] {
        let bytes = body(&|| written(&("t", kind, key)));
        assert_eq!(form::read::<Id>(&bytes), Err(Fault::Body), "{key:?} {kind}");
    }
    let id = form::read::<Id>(&written(&("t", 2, "ok"))).unwrap();
    assert_eq!(id, Id::new(id.tenant().clone(), EntityKind::Device, "ok"));
    assert_eq!(form::read::<ErrorCode>(b"\xa7MED-X-1"), Err(Fault::Body));
    let short = rmp_serde::to_vec(&[1_u8; 31]).unwrap();
    assert!(form::read::<schema_types::ids::MessageDigest>(&short).is_err());
    let twice = rmp_serde::to_vec(&[Seed::plain().result(); 2]).unwrap();
    assert!(form::read::<schema_types::score::Scores>(&twice).is_err());
    let empty = rmp_serde::to_vec(&std::collections::BTreeMap::from([(8_u16, [0_u8; 0])])).unwrap();
    assert!(form::read::<schema_types::history::Measures>(&empty).is_err());
}

#[test]
fn what_is_not_understood_is_not_repeated_phi_1() {
    let faults = [
        Fault::Length,
        Fault::Version(9),
        Fault::Unexpected(9),
        Fault::Body,
        Fault::Contradiction,
        Fault::TooLarge(9),
    ];
    assert_covers!(
        faults,
        Fault::Length,
        Fault::Version(_),
        Fault::Unexpected(_),
        Fault::Body,
        Fault::Contradiction,
        Fault::TooLarge(_),
    );
    let canary = rmp_serde::to_vec("CANARY").unwrap();
    let fault = call::read_submit::<Patient>(&canary).unwrap_err();
    assert_eq!(fault, Fault::Body);
    for text in faults.map(|fault| format!("{fault} {:?}", fault.refusal())) {
        assert!(!text.contains("CANARY"));
    }
}
