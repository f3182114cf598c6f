//! Limits, time and cancellation (LIM-1).

use crate::world::{Person, World, asker, patient, tenant};
use node_query::{QueryError, QueryLimits, ask};
use schema_types::error_code::ErrorCode;
use std::sync::atomic::Ordering;

async fn crowd(people: u32) -> World {
    let world = World::new().await;
    let row = |number: u32| Person { observations: number, ..Person::default() }.row();
    let rows = (0..people).map(|number| (patient(&format!("p{number}")), row(number)));
    world.put(rows.collect()).await;
    world
}

#[tokio::test]
async fn answers_are_bounded_and_say_so() {
    let world = crowd(2_500).await;
    let answer = world.ask("observations_total >= 0").await.unwrap();
    assert_eq!((answer.rows.len(), answer.matched, answer.truncated), (1_000, 2_500, true));
    let answer = world.ask("observations_total >= 0 limit 10000").await.unwrap();
    assert_eq!((answer.rows.len(), answer.truncated), (2_500, false));
    let few = QueryLimits { rows_max: 7, ..QueryLimits::default() };
    let text = "from patients order by observations_total desc limit 100";
    let answer = ask(&world.runtime, &tenant(), text, &asker(), few).await.unwrap();
    assert_eq!((answer.rows.len(), answer.truncated), (7, true));
}

#[tokio::test]
async fn too_many_groups_are_refused() {
    let world = crowd(50).await;
    let few = QueryLimits { groups_max: 49, ..QueryLimits::default() };
    let text = "select key, count(*) from patients group by key";
    let answer = ask(&world.runtime, &tenant(), text, &asker(), few).await;
    assert!(matches!(answer, Err(QueryError::Limit { what: "groups", max: 49 })));
    let answer = world.ask(text).await.unwrap();
    assert_eq!(answer.rows.len(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_query_ends_in_its_time() {
    let world = crowd(10).await;
    world.store.stuck.store(true, Ordering::SeqCst);
    let error = world.ask("observations_total > 3").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::QueryTooLong);
}

#[tokio::test]
async fn a_dropped_query_reads_no_further_and_leaves_no_record() {
    let world = crowd(20_000).await;
    let before = world.audit_records().await;
    let mut query = Box::pin(world.ask("observations_total > 3"));
    while world.store.pages.load(Ordering::SeqCst) < 2 {
        tokio::select! {
            biased;
            answer = &mut query => panic!("{:?} ended too early", answer.map(|one| one.scanned)),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(query);
    let read = world.store.pages.load(Ordering::SeqCst);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.store.pages.load(Ordering::SeqCst), read, "of 20 pages");
    assert!(read < 20);
    assert_eq!(world.audit_records().await, before);
    assert!(world.ask("observations_total > 3").await.is_ok(), "its place is free again");
}
