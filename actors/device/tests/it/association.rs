//! DEV-1: whom a device measures, and who hears of it.

use crate::support::{Harness, at, batch, device, notices, observation, patient};
use actors_core::{Effect, ResourceBody};
use actors_device::Command;
use actors_device::command::Reply;
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityId, EntityKind, TenantId};
use schema_types::patient::PatientNotice;

fn association(name: &str, associated: bool, seconds: i64) -> (EntityId, PatientNotice) {
    let notice = PatientNotice::DeviceAssociation { device: device(), associated, at: at(seconds) };
    (patient(name), notice)
}

#[test]
fn dev_1_a_new_patient_takes_the_place_of_the_old_one() {
    let mut harness = Harness::default();
    assert_eq!(notices(&harness.associate("p1", 10)), [association("p1", true, 10)]);
    let moved = harness.associate("p2", 20);
    assert_eq!(notices(&moved), [association("p1", false, 20), association("p2", true, 20)]);
    let reply =
        Reply::Associated { previous: Some(patient("p1")), current: Some((patient("p2"), at(20))) };
    assert_eq!(moved.reply, reply);
    assert_eq!(harness.associate("p2", 30).events, [], "the same patient again changes nothing");
    let ended = harness.run(40, Command::Dissociate { at: at(40) });
    assert_eq!(notices(&ended), [association("p2", false, 40)]);
    assert_eq!(harness.run(50, Command::Dissociate { at: at(50) }).events, []);
    let past = [(patient("p1"), at(10), at(20)), (patient("p2"), at(20), at(40))];
    assert_eq!(harness.state.past_associations, past);
    harness.assert_replay();
}

#[test]
fn dev_1_associations_neither_overlap_nor_cross_tenants() {
    let mut harness = Harness::default();
    harness.associate("p1", 10);
    let stranger = EntityId::new(TenantId::new("t2"), EntityKind::Patient, "p9");
    let no_patient = EntityId::new(TenantId::new("t1"), EntityKind::Device, "p9");
    let cases = [
        Command::Associate { patient: patient("p2"), at: at(9) },
        Command::Associate { patient: stranger, at: at(20) },
        Command::Associate { patient: no_patient, at: at(20) },
        Command::Dissociate { at: at(9) },
    ];
    for command in cases {
        let rejection = harness.try_at(20, command.clone()).unwrap_err();
        assert_eq!((rejection.code, rejection.denied), (ErrorCode::BadRequest, false));
    }
    harness.run(30, Command::Dissociate { at: at(30) });
    let early = Command::Associate { patient: patient("p2"), at: at(29) };
    assert_eq!(harness.try_at(31, early).unwrap_err().code, ErrorCode::BadRequest);
}

#[test]
fn dev_1_late_samples_go_to_who_was_measured_then() {
    let mut harness = Harness::default();
    harness.associate("p1", 100);
    harness.associate("p2", 200);
    let mut summary = batch(None, 300);
    summary.stored_and_forwarded = true;
    let observations =
        [("a", 150), ("b", 199), ("c", 200), ("d", 99)].map(|(id, time)| observation(id, time));
    let decision = harness.record_with(summary, observations.to_vec());
    let told: Vec<(EntityId, Vec<String>)> = notices(&decision)
        .into_iter()
        .map(|(to, notice)| {
            let PatientNotice::DeviceObservations { device: from, observations } = notice else {
                panic!("another notice");
            };
            assert_eq!(from, device());
            assert!(observations.iter().all(|one| one.device == Some(device())));
            (to, observations.iter().map(|one| one.id.to_string()).collect())
        })
        .collect();
    let expected =
        [(patient("p1"), vec!["a".into(), "b".into()]), (patient("p2"), vec!["c".into()])];
    assert_eq!(told, expected);
    let kept = decision.effects.iter().filter_map(|effect| match effect {
        Effect::PutResource { body: ResourceBody::Observation(kept), .. } => Some(kept.id.as_str()),
        Effect::PutResource { .. }
        | Effect::Send { .. }
        | Effect::SetTimer { .. }
        | Effect::CancelTimer { .. }
        | Effect::PutIndex(_)
        | Effect::ClearIndex(_) => None,
    });
    assert_eq!(kept.collect::<Vec<_>>(), ["d"], "DEV-4: nobody was measured, nothing is lost");
}

#[test]
fn dev_1_an_association_ends_before_its_end() {
    let mut harness = Harness::default();
    harness.associate("p1", 100);
    harness.run(200, Command::Dissociate { at: at(200) });
    let observations = [199, 200].map(|time| observation("a", time)).to_vec();
    let Reply::Recorded(recorded) = harness.record_with(batch(None, 300), observations).reply
    else {
        panic!("another reply");
    };
    assert_eq!((recorded.forwarded, recorded.kept, recorded.association), (1, 1, None));
}
