//! The calls of groups across nodes: everything comes back as it was, contradictions are refused.

use super::super::group::{
    CommitCall, Prepared, SettleCall, decode_prepared, encode_commit, encode_prepare,
    encode_settle, read_commit, read_prepare, read_settle,
};
use super::words::Seed;
use super::*;
use crate::group::{Guard, HeldUnit, Verdict};
use crate::limits::{GROUP_HOLD_NAME_BYTES_MAX, GROUP_MEMBERS_MAX};
use schema_types::ids::{EntityId, ShardId, TenantId};

const VERDICTS: [Verdict; 3] = [Verdict::Committed, Verdict::GivenUp, Verdict::Unknown];

pub(super) fn unit_of(seed: &Seed, entity: EntityId) -> HeldUnit {
    let (bytes, beside) = (Bytes::from(seed.text.clone()), attachments(seed));
    let shard = ShardId(u16::try_from(seed.number % 65_536).unwrap());
    let guard = Guard { shard, owner_row: bytes.clone(), mark: bytes.clone() };
    HeldUnit::new(entity, bytes, (beside.rows, beside.preconditions), guard)
}

fn unit(seed: &Seed) -> HeldUnit {
    unit_of(seed, seed.entity(EntityKind::Patient))
}

fn opened(bytes: &[u8]) -> (Form, &[u8]) {
    form::open(bytes, REMOTE_CALL_BYTES_MAX).unwrap()
}

fn prepares_come_back<E: HostedEntity>(seed: &Seed, commands: Vec<E::Command>)
where
    E::Command: PartialEq,
{
    for command in commands {
        let (sent, beside) = (envelope(seed, E::KIND, command), attachments(seed));
        let bytes = encode_prepare::<E>("a:1:7", &sent, &beside).unwrap();
        let (form, body) = opened(&bytes);
        assert_eq!(form, Form::Prepare(E::KIND));
        let call = read_prepare::<E>(body).unwrap();
        assert_eq!((call.hold.as_str(), &call.envelope), ("a:1:7", &sent));
        assert_eq!(format!("{:?}", call.attachments), format!("{beside:?}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_held_command_comes_back_as_it_was(seed in Seed::any()) {
        prepares_come_back::<Patient>(&seed, patient::commands(&seed));
        prepares_come_back::<Device>(&seed, device::commands(&seed));
        prepares_come_back::<Facility>(&seed, facility::commands(&seed));
    }

    #[test]
    fn what_was_decided_comes_back_as_it_was(seed in Seed::any()) {
        for reply in patient::replies(&seed) {
            let outcome = Outcome::Done { reply: reply.clone(), sequence: seed.number };
            let bytes = answer(Ok(Prepared { outcome, unit: unit(&seed) }));
            let entity = seed.entity(EntityKind::Patient);
            let (outcome, came) = decode_prepared::<Patient>(&bytes, &entity).unwrap();
            prop_assert_eq!(outcome.into_reply(), Some(reply));
            prop_assert_eq!(came, unit(&seed));
            let other = seed.entity(EntityKind::Device);
            let wrong = decode_prepared::<Patient>(&bytes, &other).err();
            prop_assert_eq!(wrong, Some(SubmitError::OutcomeUnknown));
        }
        for error in errors() {
            let bytes = answer::<Prepared<actors_patient::Reply>>(Err(error.clone()));
            let entity = seed.entity(EntityKind::Patient);
            prop_assert_eq!(decode_prepared::<Patient>(&bytes, &entity).err(), Some(error));
        }
    }

    #[test]
    fn groups_come_back_as_they_were(seed in Seed::any()) {
        let units = vec![unit(&seed)];
        let bytes = encode_commit("a:1:7", &units).unwrap();
        let (form, body) = opened(&bytes);
        prop_assert_eq!(form, Form::Commit);
        prop_assert_eq!(read_commit(body), Ok(CommitCall { hold: "a:1:7".to_owned(), units }));
    }
}

#[test]
fn verdicts_come_back_as_they_were() {
    assert_covers!(VERDICTS, Verdict::Committed, Verdict::GivenUp, Verdict::Unknown);
    for verdict in VERDICTS {
        let bytes = encode_settle("a:1:7", verdict).unwrap();
        let (form, body) = opened(&bytes);
        assert_eq!(form, Form::Settle);
        assert_eq!(read_settle(body), Ok(SettleCall { hold: "a:1:7".to_owned(), verdict }));
    }
}

fn named(key: &str) -> HeldUnit {
    let id = EntityId::new(TenantId::new("t"), EntityKind::Patient, key);
    unit_of(&Seed::plain(), id)
}

#[test]
fn groups_that_no_node_writes_are_refused() {
    let read = |units: &[HeldUnit]| {
        let bytes = encode_commit("a:1:7", units).unwrap();
        read_commit(opened(&bytes).1).map(|call| call.units.len())
    };
    assert_eq!(read(&[named("a"), named("b")]), Ok(2));
    assert_eq!(read(&[]), Err(Fault::Contradiction));
    assert_eq!(read(&[named("b"), named("a")]), Err(Fault::Contradiction));
    assert_eq!(read(&[named("a"), named("a")]), Err(Fault::Contradiction));
    let many: Vec<_> = (0..=GROUP_MEMBERS_MAX).map(|n| named(&format!("p{n:05}"))).collect();
    assert_eq!(read(&many), Err(Fault::TooLarge(GROUP_MEMBERS_MAX + 1)), "LIM-1");
    // A device's command for a patient.
    let seed = Seed::plain();
    let stray = envelope(&seed, EntityKind::Device, patient::commands(&seed).remove(0));
    let bytes = encode_prepare::<Patient>("a:1:7", &stray, &Attachments::default()).unwrap();
    assert_eq!(read_prepare::<Patient>(opened(&bytes).1).err(), Some(Fault::Contradiction));
}

#[test]
fn names_of_holds_are_bounded_lim_1() {
    let long = "x".repeat(GROUP_HOLD_NAME_BYTES_MAX + 1);
    for (name, fault) in [("", Fault::Contradiction), (&long, Fault::TooLarge(long.len()))] {
        let bytes = encode_settle(name, Verdict::GivenUp).unwrap();
        assert_eq!(read_settle(opened(&bytes).1), Err(fault));
        let bytes = encode_commit(name, &[named("a")]).unwrap();
        assert_eq!(read_commit(opened(&bytes).1), Err(fault));
    }
}

/// A call to hold, its answer, a verdict and a group.
pub(super) fn samples(seed: &Seed) -> [Vec<u8>; 4] {
    let sent = envelope(seed, EntityKind::Device, device::commands(seed).remove(1));
    let prepare = encode_prepare::<Device>("a:1:7", &sent, &attachments(seed)).unwrap();
    let reply = facility::replies(seed).remove(3);
    let outcome = Outcome::Done { reply, sequence: 9 };
    let prepared = answer(Ok(Prepared { outcome, unit: named("a") }));
    let settle = encode_settle("a:1:7", Verdict::GivenUp).unwrap();
    [prepare, prepared, settle, encode_commit("a:1:7", &[named("a"), named("b")]).unwrap()]
}

/// Calls of every form, for whoever damages them.
pub(super) fn messages(seed: &Seed) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for command in patient::commands(seed) {
        let sent = envelope(seed, EntityKind::Patient, command);
        messages.push(encode_prepare::<Patient>("a:1:7", &sent, &attachments(seed)).unwrap());
    }
    for reply in patient::replies(seed) {
        let outcome = Outcome::Done { reply, sequence: 1 };
        messages.push(answer(Ok(Prepared { outcome, unit: unit(seed) })));
    }
    messages.extend(VERDICTS.map(|verdict| encode_settle("a:1:7", verdict).unwrap()));
    messages.push(encode_commit("a:1:7", &[named("a"), named("b")]).unwrap());
    messages
}

/// Reads bytes as every call of a group; what comes out does not matter.
pub(super) fn read_all_ways(bytes: &[u8]) {
    let entity = Seed::plain().entity(EntityKind::Patient);
    drop(decode_prepared::<Patient>(bytes, &entity));
    drop(decode_prepared::<Device>(bytes, &entity));
    drop(decode_prepared::<Facility>(bytes, &entity));
}

/// Reads a body as that of every call of a group.
pub(super) fn read_body_all_ways(body: &[u8]) {
    drop(read_prepare::<Patient>(body));
    drop(read_prepare::<Device>(body));
    drop(read_prepare::<Facility>(body));
    drop(read_settle(body));
    drop(read_commit(body));
}
