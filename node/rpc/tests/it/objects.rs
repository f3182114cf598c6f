//! What applications do on a good day: observe, read, explain, page, stream, operate.

use super::world::{NOW, SECOND, World, code, heart_rate, log_in, potassium, raw};
use node_client::{AlertChange, NewObservation};
use schema_types::Decimal;
use schema_types::error_code::ErrorCode;

#[tokio::test(flavor = "multi_thread")]
async fn an_observation_is_scored_and_read_back() {
    let node = World::new().start().await;
    let client = node.client().await;
    let receipt = client.observe("p1", heart_rate(140, 1)).await.unwrap();
    assert!(receipt.recorded && !receipt.repeated && receipt.sequence > 0);
    assert!(receipt.scores.iter().any(|score| score.model == "news2"), "{receipt:?}");
    let state = client.read("p1").await.unwrap();
    assert_eq!(state.patient, "p1");
    assert_eq!(state.registration, "provisional");
    let vital = state.vitals.iter().find(|vital| vital.measure == "heart-rate").unwrap();
    assert_eq!((vital.value, vital.unit.as_str()), (Decimal::from(140), "/min"));
    assert_eq!(vital.effective_at_unix_micros, NOW - SECOND);
    let explained = client.explain("p1", Some("news2")).await.unwrap();
    assert_eq!(explained.len(), 1);
    let inputs = &explained[0].inputs;
    assert!(inputs.iter().any(|(parameter, _, _)| parameter == "heart-rate"), "{inputs:?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_item_of_a_batch_has_its_own_result() {
    let node = World::new().start().await;
    let client = node.client().await;
    let bad_unit = NewObservation { unit: "mg/dL".to_owned(), ..heart_rate(80, 1) };
    let no_code = NewObservation { code: String::new(), ..heart_rate(80, 1) };
    let items = vec![
        ("p1".to_owned(), heart_rate(80, 3)),
        ("p2".to_owned(), bad_unit),
        (String::new(), heart_rate(80, 1)),
        ("p3".to_owned(), no_code),
        ("p1".to_owned(), heart_rate(81, 2)),
    ];
    let results = client.observe_many(items).await.unwrap();
    let codes: Vec<Option<ErrorCode>> =
        results.iter().map(|result| result.as_ref().err().map(|error| error.code())).collect();
    let (unit, bad) = (Some(ErrorCode::ClinicalUnit), Some(ErrorCode::BadRequest));
    assert_eq!(codes, [None, unit, bad, bad, None]);
    let read = client.read_many(vec!["p1".to_owned(), "p2".to_owned()]).await.unwrap();
    assert_eq!(read[0].as_ref().unwrap().observations_total, 2);
    assert_eq!(read[1].as_ref().unwrap_err().code(), ErrorCode::PatientUnknown);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_patients_and_facilities_have_stable_codes() {
    let node = World::new().start().await;
    let client = node.client().await;
    let unknown = client.read("nobody").await.unwrap_err();
    assert_eq!(unknown.code(), ErrorCode::PatientUnknown);
    assert_eq!(client.census("nowhere").await.unwrap_err().code(), ErrorCode::FacilityUnknown);
    assert_eq!(client.explain("p1", Some("astrology")).await.unwrap_err().code(), {
        ErrorCode::BadRequest
    });
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_is_paged_without_gap_or_repeat() {
    let node = World::new().start().await;
    let client = node.client().await;
    for value in 0..9 {
        client.observe("p1", heart_rate(60 + value, 100 - value)).await.unwrap();
    }
    let all = client.timeline("p1", 0, None).await.unwrap();
    assert!(all.next.is_none());
    assert!(all.items.is_sorted_by(|one, other| one.0 >= other.0), "newest first");
    let (mut paged, mut cursor) = (Vec::new(), None);
    loop {
        let page = client.timeline("p1", 4, cursor).await.unwrap();
        assert!(page.items.len() <= 4);
        paged.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged, all.items);
    let observations = paged.iter().filter(|(_, kind, _)| kind == "observation").count();
    assert_eq!(observations, 9);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_taken_once() {
    let node = World::new().start().await;
    let client = node.client().await;
    let mut stream = client.subscribe_alerts(None).await.unwrap();
    let receipt = client.observe("p1", potassium(70, 1)).await.unwrap();
    let raised = receipt.alerts.iter().find(|alert| alert.condition == "critical-potassium");
    let alert = raised.unwrap().id.clone();
    let taken = client.acknowledge("p1", &alert).await.unwrap().unwrap();
    assert_eq!(taken.status, "acknowledged");
    let unknown = client.acknowledge("p1", "no-such").await.unwrap_err();
    assert_eq!(unknown.code(), ErrorCode::PatientAlert);
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!((first.patient.as_str(), first.change), ("p1", AlertChange::Raised));
    let second = stream.next().await.unwrap().unwrap();
    assert_eq!(second.change, AlertChange::Acknowledged);
    assert_eq!(second.alert.unwrap().id, alert);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_takes_loads_larger_than_its_window() {
    let node = World::new().start().await;
    let (recorded, failed) = raw(node.address, |gateway| async move {
        let session = log_in(&gateway);
        let stream = session.observe_stream_request().send().pipeline.get_stream();
        for batch in 0..3_u32 {
            let mut push = stream.push_request();
            let mut items = push.get().init_items(1_000);
            for place in 0..1_000_u32 {
                let mut item = items.reborrow().get(place);
                item.set_patient(&format!("p{}", place % 50)[..]);
                item.set_command_id(&format!("c{batch}-{place}")[..]);
                let mut observation = item.init_observation();
                observation.reborrow().init_code().set_code("8867-4");
                observation.set_effective_at_unix_micros(NOW - i64::from(place + batch) * SECOND);
                let mut quantity = observation.init_value().init_quantity();
                quantity.set_unit(if place == 999 { "mg/dL" } else { "/min" });
                quantity.init_value().set_low(80);
            }
            push.send().promise.await.unwrap();
        }
        let answer = stream.finish_request().send().promise.await.unwrap();
        let summary = answer.get().unwrap().get_summary().unwrap();
        let failures = summary.get_failures().unwrap();
        let at: Vec<u64> = failures.iter().map(|failure| failure.get_index()).collect();
        let after = stream.push_request().send().promise.await;
        assert_eq!(code(after), "MED-NODE-013", "a finished stream takes no more");
        (summary.get_recorded() + summary.get_repeated(), at)
    })
    .await;
    assert_eq!((recorded, failed), (2_997, vec![999, 1_999, 2_999]));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_the_node() {
    let node = World::new().start().await;
    let client = node.client().await;
    client.observe("p1", heart_rate(80, 1)).await.unwrap();
    let status = client.status().await.unwrap();
    assert!(status.ready && status.node == "node-1");
    assert!(status.metrics["medulla_rpc_calls_total"] > 0);
    assert!(status.metrics["medulla_runtime_commands_accepted_total"] > 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_round_trip_reaches_from_login_to_receipt() {
    let node = World::new().start().await;
    raw(node.address, |gateway| async move {
        let session = log_in(&gateway);
        let mut patient = session.patient_request();
        patient.get().set_key("p1");
        let patient = patient.send().pipeline.get_patient();
        let mut observe = patient.observe_request();
        let mut observation = observe.get().init_observation();
        observation.reborrow().init_code().set_code("8867-4");
        let mut quantity = observation.init_value().init_quantity();
        quantity.set_unit("/min");
        quantity.init_value().set_low(75);
        let answer = observe.send().promise.await.unwrap();
        assert!(answer.get().unwrap().get_receipt().unwrap().get_recorded());
    })
    .await;
    node.stop().await;
}
