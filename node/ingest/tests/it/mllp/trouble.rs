//! Messages that are wrong, and a store that cannot take them: every refusal has its code, its
//! answer by the HL7 rules, and keeps what the sender need not keep.

use crate::mllp::world::{NOW_MICROS, PID, PV1, World, adt, heart_rate, join, msh};
use actors_store::CommitError;
use schema_types::error_code::ErrorCode;
use schema_types::measure::Measure;

struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    answer: &'static str,
    code: &'static str,
    location: &'static str,
}

fn case(
    name: &'static str,
    bytes: Vec<u8>,
    answer: &'static str,
    code: &'static str,
    location: &'static str,
) -> Case {
    Case { name, bytes, answer, code, location }
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.contains(from), "the fixture does not hold {from}");
    text.replace(from, to).into_bytes()
}

fn header_cases() -> Vec<Case> {
    let good = adt("A01", "C1");
    let long = "9".repeat(600);
    vec![
        case("not a message", b"GET / HTTP/1.1".to_vec(), "AR", "MED-HL7-001", ""),
        case("delimiters", replaced(&good, "|^~\\&|", "|^^^^|"), "AR", "MED-HL7-002", "MSH-2"),
        case("letters", replaced(&good, "|^~\\&|", "|ABCD|"), "AR", "MED-HL7-002", "MSH-2"),
        case("trigger", replaced(&good, "ADT^A01", "ADT^A99"), "AR", "MED-HL7-006", "MSH-9"),
        case("type", replaced(&good, "ADT^A01", "SIU^S12"), "AR", "MED-HL7-006", "MSH-9"),
        case("version", replaced(&good, "|2.5.1", "|9.9"), "AR", "MED-HL7-007", "MSH-12"),
        case("no control id", replaced(&good, "|C1|", "||"), "AE", "MED-HL7-009", "MSH-10"),
        case(
            "long id",
            replaced(&good, "|C1|", &format!("|{long}|")),
            "AE",
            "MED-HL7-010",
            "MSH-10",
        ),
        case(
            "long name",
            replaced(&good, "|APP|", &format!("|{long}|")),
            "AE",
            "MED-HL7-010",
            "MSH-3",
        ),
    ]
}

fn content_cases() -> Vec<Case> {
    let good = adt("A01", "C1");
    let result = heart_rate("4711", "C1", "80");
    let mut not_utf_8 = replaced(&good, "|2.5.1", "|2.5.1||||||UNICODE UTF-8");
    let at = not_utf_8.windows(6).position(|window| window == b"Canary").unwrap();
    not_utf_8[at] = 0xFF;
    let long = format!("PID|1||{}^^^NORTH^MR", "9".repeat(2_000));
    let no_patient = join(&[&msh("ADT^A01", "C1"), "EVN|A01|20261120083000", PV1]);
    let no_stay = join(&[&msh("ADT^A01", "C1"), "EVN|A01|20261120083000", PID]);
    vec![
        case("not UTF-8", not_utf_8, "AE", "MED-HL7-005", "MSH-18"),
        case("no PID", no_patient, "AE", "MED-HL7-008", "PID"),
        case("no PV1", no_stay, "AE", "MED-HL7-008", "PV1"),
        case("no key", replaced(&good, "4711^^^NORTH^MR", ""), "AE", "MED-HL7-009", "PID-3"),
        case("long key", replaced(&good, PID, &long), "AE", "MED-HL7-010", "PID-3"),
        case(
            "not a number",
            replaced(&result, "||80|", "||fast|"),
            "AE",
            "MED-HL7-010",
            "OBX[1]-5",
        ),
        case(
            "not a time",
            replaced(&result, "20261120080100", "20261120990100"),
            "AE",
            "MED-HL7-010",
            "OBX[1]-14",
        ),
        case(
            "future event",
            replaced(&good, "20261120083000", "20261225083000"),
            "AE",
            "MED-CLIN-001",
            "EVN-2",
        ),
        case(
            "future result",
            replaced(&result, "20261120080100", "20261225080100"),
            "AE",
            "MED-CLIN-001",
            "OBX[1]-14",
        ),
        case("segment name", replaced(&good, "PV1|1", "pv-1|1"), "AE", "MED-HL7-013", "line 4"),
    ]
}

#[tokio::test]
async fn wrong_messages_are_refused_kept_and_change_nothing() {
    for case in header_cases().into_iter().chain(content_cases()) {
        let Case { name, bytes, answer, code, location } = case;
        let world = World::new().await;
        let mut client = world.client().await;
        let ack = client.exchange(&bytes).await;
        assert_eq!((ack.msa().0, ack.code()), (answer, code), "{name}: {}", ack.0);
        assert!(!ack.0.contains("Canary"), "PHI-1: {name}");
        let kept = world.quarantined().await;
        assert_eq!(kept.len(), 1, "{name}");
        assert_eq!(kept[0].code.as_str(), code, "{name}");
        assert_eq!(
            (kept[0].location.as_str(), kept[0].channel.as_str()),
            (location, "mllp"),
            "{name}"
        );
        assert_eq!(world.raw(&kept[0]).await, bytes, "{name}");
        assert!(ack.field("ERR", 8).ends_with(&format!("quarantine {}", kept[0].id)), "{}", ack.0);
        assert_eq!(world.state("NORTH.4711").await, Default::default(), "{name}");
        // The connection goes on, and the control id is still free.
        assert_eq!(client.exchange(&adt("A01", "C1")).await.msa(), ("AA", "C1"), "{name}");
        world.verify_audit().await;
    }
}

#[tokio::test]
async fn a_sender_that_insists_fills_no_quarantine() {
    let world = World::new().await;
    let mut client = world.client().await;
    for _ in 0..3 {
        let ack = client.exchange(&heart_rate("4711", "R1", "fast")).await;
        assert_eq!(ack.msa(), ("AE", "R1"));
    }
    let kept = world.quarantined().await;
    assert_eq!((kept.len(), kept[0].attempts), (1, 3));
}

#[tokio::test]
async fn an_impossible_value_is_kept_and_not_scored() {
    let world = World::new().await;
    let ack = world.client().await.exchange(&heart_rate("4711", "R1", "900")).await;
    assert_eq!(ack.msa(), ("AA", "R1"), "{}", ack.0);
    let state = world.state("NORTH.4711").await;
    assert_eq!(state.observations_total, 1, "recorded");
    assert!(!state.measures.contains_key(&Measure::HeartRate), "but no value to score");
    assert!(state.scores.is_empty());
}

#[tokio::test]
async fn a_merge_with_itself_leaves_no_trace() {
    let world = World::new().await;
    let merge = join(&[
        &msh("ADT^A40", "M1"),
        "EVN|A40|20261121083000",
        "PID|1||1^^^NORTH^MR",
        "MRG|1^^^NORTH^MR",
    ]);
    let ack = world.client().await.exchange(&merge).await;
    assert_eq!((ack.msa().0, ack.code()), ("AE", "MED-PAT-003"), "{}", ack.0);
    assert_eq!(world.state("NORTH.1").await, Default::default());
}

#[tokio::test]
async fn what_an_entity_refuses_is_kept() {
    let world = World::new().await;
    let unlink = join(&[
        &msh("ADT^A37", "U1"),
        "EVN|A37|20261122083000",
        "PID|1||1^^^NORTH^MR",
        "PID|2||2^^^NORTH^MR",
    ]);
    let ack = world.client().await.exchange(&unlink).await;
    assert_eq!((ack.msa(), ack.code()), (("AE", "U1"), "MED-PAT-005"), "{}", ack.0);
    let kept = world.quarantined().await;
    assert_eq!(kept[0].code, ErrorCode::PatientLink);
}

#[tokio::test]
async fn a_full_disk_takes_nothing_and_says_so_ack_1() {
    let world = World::new().await;
    let mut client = world.client().await;
    let message = heart_rate("4711", "R1", "80");
    world.store.refuse_next_commit(CommitError::NoSpace);
    let ack = client.exchange(&message).await;
    assert_eq!((ack.msa(), ack.code()), (("AE", "R1"), "MED-NODE-003"), "{}", ack.0);
    assert!(ack.field("ERR", 8).starts_with("retry"), "{}", ack.0);
    assert_eq!(ack.field("ERR", 3).split('^').next(), Some("207"));
    assert!(world.quarantined().await.is_empty(), "the sender keeps it");
    assert_eq!(client.exchange(&message).await.msa(), ("AA", "R1"));
    assert_eq!(world.state("NORTH.4711").await.observations_total, 1);
}

#[tokio::test]
async fn what_quarantine_cannot_keep_stays_with_the_sender() {
    let world = World::new().await;
    let mut client = world.client().await;
    let wrong = heart_rate("4711", "R1", "fast");
    // One commit archives the bytes, the next would name them.
    world.store.refuse_next_commit(CommitError::NoSpace);
    let ack = client.exchange(&wrong).await;
    assert_eq!((ack.msa(), ack.code()), (("AE", "R1"), "MED-NODE-003"), "{}", ack.0);
    assert!(world.quarantined().await.is_empty());
    assert_eq!(client.exchange(&wrong).await.code(), "MED-HL7-010");
    assert_eq!(world.quarantined().await.len(), 1);
    assert_eq!(world.counters.messages_refused.get(), 1);
}

#[tokio::test]
async fn a_lost_reply_of_the_store_is_asked_for_again_once_1() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.exchange(&adt("A01", "C1")).await;
    world.store.lose_next_reply();
    let ack = client.exchange(&heart_rate("4711", "R1", "80")).await;
    assert_eq!(ack.msa(), ("AA", "R1"), "{}", ack.0);
    assert_eq!(world.state("NORTH.4711").await.observations_total, 1);
    world.verify_audit().await;
}

#[tokio::test]
async fn a_stopped_store_acknowledges_nothing_ack_1() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.exchange(&adt("A01", "C1")).await;
    world.store.stop("write failed");
    for message in [heart_rate("4711", "R1", "80"), heart_rate("4711", "R1", "fast")] {
        let ack = client.exchange(&message).await;
        assert_eq!((ack.msa(), ack.code()), (("AE", "R1"), "MED-NODE-002"), "{}", ack.0);
    }
    let repeat = client.exchange(&adt("A01", "C1")).await;
    assert_eq!(repeat.msa().0, "AE", "a repeat is not answered without its record (AUD-1)");
}

#[tokio::test]
async fn a_day_of_tolerance_covers_wrong_zones() {
    let world = World::new().await;
    world.clock.set_wall_unix_micros(NOW_MICROS - 60 * 1_000_000);
    let zoned = replaced(&heart_rate("4711", "R1", "80"), "20261120080100", "20261123010000");
    assert_eq!(world.client().await.exchange(&zoned).await.msa(), ("AA", "R1"));
}
