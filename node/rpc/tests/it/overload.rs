//! Past every limit callers get `Overloaded` with a hint or are cut, and the node goes on (LIM-1).

use super::world::{World, code, heart_rate, log_in, raw};
use node_client::{ClientConfig, ClientError, RetryPolicy};
use schema_types::error_code::ErrorCode;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn calls_items_and_capabilities_have_limits() {
    let mut world = World::new();
    world.limits.calls_in_flight_max = 2;
    world.limits.items_in_flight_max = 3;
    world.limits.capabilities_max = 4;
    world.limits.subscriptions_max = 0;
    let node = world.start().await;
    let client = node.impatient().await;
    let batch = |length| (0..length).map(|n| (format!("p{n}"), heart_rate(80, 1))).collect();
    let refused = client.observe_many(batch(4)).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Overloaded);
    assert!(refused.retry_after_ms().is_some() && refused.is_transient());
    assert_eq!(client.observe_many(batch(3)).await.unwrap().len(), 3);
    let subscribed = client.subscribe_alerts(None).await;
    assert_eq!(subscribed.err().unwrap().code(), ErrorCode::Overloaded);
    raw(node.address, |gateway| async move {
        let session = log_in(&gateway);
        session.renew_request().send().promise.await.unwrap();
        let key = |key: &str| {
            let mut request = session.patient_request();
            request.get().set_key(key);
            request.send().promise
        };
        let mut held = Vec::new();
        for name in ["a", "b", "c"] {
            held.push(key(name).await.unwrap());
        }
        assert_eq!(code(key("d").await), "MED-NODE-001");
        drop(held.pop());
        let again = async {
            while code(key("d").await) != "none" {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, again).await.unwrap();
    })
    .await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_once_are_refused_and_retries_bring_all_through() {
    let mut world = World::new();
    world.limits.calls_in_flight_max = 4;
    let node = world.start().await;
    let retry = RetryPolicy { tries_max: 1_000, backoff_ms: 1 };
    let patient = node_client::Client::connect(ClientConfig { retry, ..node.config() });
    let (hasty, patient) = (node.impatient().await, patient.await.unwrap());
    let (hasty, patient) = (&hasty, &patient);
    let calls = (0..200).map(|n| async move {
        let observation = heart_rate(60 + n % 50, n).with_command_id(format!("c{n}"));
        let first = hasty.observe("p1", observation.clone()).await;
        (first, patient.observe("p1", observation).await)
    });
    let results = futures::future::join_all(calls).await;
    let refused = |(first, _): &&(Result<_, ClientError>, _)| {
        first.as_ref().err().is_some_and(|error| error.code() == ErrorCode::Overloaded)
    };
    assert!(results.iter().filter(refused).count() > 0, "the limit was never met");
    for (_, second) in results {
        second.unwrap();
    }
    assert_eq!(node.recorded(patient, "p1").await, 200);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_waits_no_longer_learns_the_outcome_by_its_command_id() {
    let mut world = World::new();
    world.runtime.entity_in_flight_max = 100_000;
    let node = world.start().await;
    let given_up = raw(node.address, |gateway| async move {
        let session = log_in(&gateway);
        session.renew_request().send().promise.await.unwrap();
        let calls = (0..1_000_u64).map(|number| {
            let mut request = session.observe_many_request();
            request.get().set_deadline_ms(1);
            let mut items = request.get().init_items(2);
            for place in 0..2_u64 {
                let mut item = items.reborrow().get(u32::try_from(place).unwrap());
                item.set_patient("p1");
                item.set_command_id(&format!("c{number}-{place}")[..]);
                let mut observation = item.init_observation();
                observation.reborrow().init_code().set_code("8867-4");
                let mut quantity = observation.init_value().init_quantity();
                quantity.set_unit("/min");
                quantity.init_value().set_low(60 + (number + place) % 50);
            }
            request.send().promise
        });
        let mut codes = Vec::new();
        for answer in futures::future::join_all(calls).await.into_iter().flatten() {
            for result in answer.get().unwrap().get_results().unwrap() {
                use schema_wire::rpc_capnp::observe_result::Which;
                if let Which::Failure(failure) = result.which().unwrap() {
                    let code = failure.unwrap().get_code().unwrap();
                    codes.push(code.to_string().unwrap());
                }
            }
        }
        codes
    })
    .await;
    let deadlines = given_up.iter().filter(|code| *code == "MED-NODE-012").count();
    assert!(deadlines > 0, "two thousand effects took less than a millisecond each");
    let client = node.client().await;
    for number in 0..1_000 {
        for place in 0..2 {
            let value = 60 + (number + place) % 50;
            let mut observation = heart_rate(value, 0);
            observation.effective_at_unix_micros = 0;
            let named = observation.with_command_id(format!("c{number}-{place}"));
            client.observe("p1", named).await.unwrap();
        }
    }
    assert!(node.recorded(&client, "p1").await <= 2_000, "no command had two effects");
    node.stop().await;
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 1_024];
    let closed = async {
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return true,
                Ok(_) => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.unwrap_or(false)
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_and_surplus_connections_are_closed() {
    let mut world = World::new();
    world.limits.login_ms_max = 50;
    world.limits.idle_ms_max = 50;
    world.limits.connections_max = 2;
    let node = world.start().await;
    let mut silent = TcpStream::connect(node.address).await.unwrap();
    assert!(is_closed(&mut silent).await, "a connection that does not log in");
    let client = node.client().await;
    let mut filler = TcpStream::connect(node.address).await.unwrap();
    let mut surplus = TcpStream::connect(node.address).await.unwrap();
    assert!(is_closed(&mut surplus).await, "a connection too many");
    assert!(is_closed(&mut filler).await);
    // The idle connection is closed meanwhile; the client mends that by itself.
    client.observe("p1", heart_rate(80, 1)).await.unwrap();
    node.stop().await;
}
