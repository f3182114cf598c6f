//! Entities from before there were live rows: found as soon as their rows are made, and until then
//! answers say that they are not complete. Rows are made from what commands left behind.

use crate::world::{NOW_SECONDS, World, patient};
use actors_core::Envelope;
use actors_patient::Patient;
use actors_patient::command::{AdtReport, Command};
use actors_runtime::{Attachments, live};
use actors_store::keys::{self, Family};
use actors_store::{KeyRange, Mutation};
use schema_types::ids::{CommandId, MessageDigest, PrincipalId, SourceId};
use schema_types::patient::{DemographicsPatch, FieldUpdate};
use schema_types::time::Timestamp;

async fn register(world: &World, key: &str) {
    let now = Timestamp::from_unix_seconds(NOW_SECONDS);
    let patch = DemographicsPatch {
        birth_date: FieldUpdate::Set("1950-01-02".to_owned().into()),
        ..DemographicsPatch::default()
    };
    let envelope = Envelope {
        entity: patient(key),
        source: SourceId::new("test"),
        command_id: CommandId::new(key),
        content: MessageDigest::default(),
        principal: PrincipalId::new("clerk"),
        purpose: "TREAT".to_owned(),
        now,
        message: None,
        command: Command::ApplyAdt(Box::new(AdtReport {
            patch,
            stated_at: now,
            movement: None,
            registers: true,
            operation: "adt-a04".to_owned(),
        })),
    };
    world.runtime.submit::<Patient>(envelope, Attachments::default()).await.unwrap();
}

/// As if no live row had ever been written.
async fn forget_rows(world: &World) {
    let rows = keys::index("live1", "t1").finish();
    let done = keys::meta("live1-complete");
    let range = KeyRange::prefix(&rows);
    world.commit(vec![Mutation::ClearRange { range }, Mutation::clear(done)]).await;
}

#[tokio::test]
async fn missing_rows_are_made_once() {
    let world = World::new().await;
    for number in 0..150 {
        register(&world, &format!("p{number}")).await;
    }
    forget_rows(&world).await;
    let snapshot = world.runtime.snapshot().await.unwrap();
    assert!(!live::is_complete(&*snapshot).await.unwrap());
    assert_eq!(live::fill(&world.runtime).await.unwrap(), 150);
    let answer = world.ask("age = 76").await.unwrap();
    assert_eq!((answer.matched, answer.scanned, answer.complete), (150, 150, true));
    assert_eq!(live::fill(&world.runtime).await.unwrap(), 0, "nothing is left to do");
}

#[tokio::test]
async fn a_first_question_has_the_rows_made() {
    let world = World::new().await;
    register(&world, "a").await;
    forget_rows(&world).await;
    // Another test of this process may be filling, then the next question begins.
    for _ in 0..10_000 {
        let answer = world.ask("age = 76").await.unwrap();
        if answer.complete {
            assert_eq!(answer.matched, 1);
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("never complete");
}

#[tokio::test]
async fn a_fill_begins_again_with_what_is_missing() {
    let world = World::new().await;
    for key in ["a", "b", "c"] {
        register(&world, key).await;
    }
    live::fill(&world.runtime).await.unwrap();
    let done = keys::meta("live1-complete");
    world.commit(vec![Mutation::clear(live::row_key(&patient("b"))), Mutation::clear(done)]).await;
    assert_eq!(live::fill(&world.runtime).await.unwrap(), 1);
    assert_eq!(world.ask("age > 0").await.unwrap().matched, 3);
}

#[tokio::test]
async fn damage_keeps_answers_incomplete() {
    let world = World::new().await;
    register(&world, "a").await;
    forget_rows(&world).await;
    let journal = keys::entity_range(Family::Journal, actors_runtime::entity_ref(&patient("a")));
    let mut damaged = journal.begin.to_vec();
    damaged.extend_from_slice(&[0x15, 1]);
    world.commit(vec![Mutation::set(damaged, vec![9; 9])]).await;
    assert!(live::fill(&world.runtime).await.is_err());
    assert!(!world.ask("age > 0").await.unwrap().complete);
}
