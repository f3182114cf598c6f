//! Exactly one audit record per query, before its answer (AUD-1), that says what was seen and
//! nothing of whom (PHI-1).

use crate::world::{Person, World, asker, patient, tenant};
use actors_runtime::trail;
use node_query::{Asker, QueryError, QueryLimits, ask};
use schema_types::audit::{AuditAction, AuditOutcome};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityId, EntityKind};

async fn last_record(world: &World) -> schema_types::audit::AuditDraft {
    let snapshot = world.runtime.snapshot().await.unwrap();
    let queries = EntityId::new(tenant(), EntityKind::Facility, "query");
    let records = trail::of_entity(&*snapshot, &queries, 1_000).await.unwrap();
    records.into_iter().last().expect("a record").record
}

fn people() -> [(&'static str, Person); 3] {
    let person = |unit| Person { unit: Some(unit), ..Person::default() };
    [("a", person("W1")), ("b", person("W2")), ("c", person("W1"))]
}

#[tokio::test]
async fn an_answer_has_one_record_with_whom_it_showed() {
    let world = World::with(&people()).await;
    let before = world.audit_records().await;
    world.ask("unit = \"W1\"").await.unwrap();
    assert_eq!(world.audit_records().await, before + 1);
    let record = last_record(&world).await;
    assert_eq!(record.operation, "query unit = ? [matched 2 of 3, returned 2]");
    assert_eq!(record.outcome, AuditOutcome::Done);
    assert_eq!(record.action, AuditAction::Read);
    assert_eq!(record.principal, asker().principal);
    let snapshot = world.runtime.snapshot().await.unwrap();
    for (key, expected) in [("a", 1), ("b", 0), ("c", 1)] {
        let seen = trail::of_entity(&*snapshot, &patient(key), 10).await.unwrap();
        assert_eq!(seen.len(), expected, "{key}");
    }
}

#[tokio::test]
async fn groups_show_nobody() {
    let world = World::with(&people()).await;
    let before = world.audit_records().await;
    world.ask("select unit, count(*) from patients group by unit").await.unwrap();
    assert_eq!(world.audit_records().await, before + 1);
    let snapshot = world.runtime.snapshot().await.unwrap();
    assert!(trail::of_entity(&*snapshot, &patient("a"), 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn refusals_are_recorded() {
    let world = World::with(&people()).await;
    let curious = Asker { purpose: "curiosity".to_owned(), ..asker() };
    let narrow = QueryLimits { groups_max: 1, ..QueryLimits::default() };
    let all = QueryLimits::default();
    let grouped = "select key from patients group by key";
    let cases = [
        ("unit = 'W1'", &curious, all, AuditOutcome::Denied(ErrorCode::PurposeRefused)),
        ("unit = ", &curious, all, AuditOutcome::Denied(ErrorCode::PurposeRefused)),
        ("CANARY = 'W1'", &asker(), all, AuditOutcome::Rejected(ErrorCode::QueryText)),
        (grouped, &asker(), narrow, AuditOutcome::Rejected(ErrorCode::QueryLimit)),
    ];
    for (text, asker, limits, outcome) in cases {
        let before = world.audit_records().await;
        let answer = ask(&world.runtime, &tenant(), text, asker, limits).await;
        let error = answer.expect_err(text);
        assert_eq!(world.audit_records().await, before + 1, "{text}");
        let record = last_record(&world).await;
        assert_eq!(record.outcome, outcome, "{text}: {error}");
        assert!(!record.operation.contains("CANARY"), "{}", record.operation);
        assert!(!matches!(error, QueryError::Node(_)), "{error}");
    }
}
