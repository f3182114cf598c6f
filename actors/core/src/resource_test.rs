//! The rules of resource writes, step by step and as one batch.

use super::*;

const LIMITS: WriteLimits = WriteLimits { resources_max: 3, writes_max: 5 };

fn write(id: &str, mode: WriteMode, body: &str, if_match: Option<u64>) -> ResourceWrite {
    let key = ResourceKey { resource_type: "Device".into(), id: id.into() };
    let digest = MessageDigest::of(body.as_bytes());
    let facts = ResourceFacts { digest, ..ResourceFacts::default() };
    ResourceWrite { key, mode, body: Phi::new(body.into()), if_match, facts }
}

fn plan(steps: &[ResourceWrite]) -> Result<Vec<(WriteOutcome, u64)>, WriteError> {
    let mut current = BTreeMap::new();
    let mut results = Vec::new();
    for step in steps {
        let now = Timestamp::from_unix_seconds(1);
        let plan = plan_writes(&current, vec![step.clone()], now, LIMITS)?;
        current.extend(plan.stored.into_iter().map(|meta| (meta.key.clone(), meta)));
        results.extend(plan.versions.iter().map(|stored| (stored.outcome, stored.version)));
    }
    let now = Timestamp::from_unix_seconds(1);
    let at_once = plan_writes(&BTreeMap::new(), steps.to_vec(), now, LIMITS)?;
    let at_once: Vec<_> = at_once.versions.iter().map(|one| (one.outcome, one.version)).collect();
    assert_eq!(at_once, results, "a batch is the same as its writes one by one");
    Ok(results)
}

#[test]
fn versions_count_up_and_repeats_change_nothing() {
    use WriteMode::{Create, Delete, Update};
    use WriteOutcome::{Created, Deleted, Unchanged, Updated};
    let cases = [
        (vec![write("a", Create, "1", None), write("a", Create, "1", None)], "repeat"),
        (vec![write("a", Update, "1", None), write("a", Update, "2", Some(1))], "update"),
        (vec![write("a", Delete, "", None), write("a", Create, "1", Some(0))], "nothing there"),
        (
            vec![
                write("a", Create, "1", None),
                write("a", Delete, "", Some(1)),
                write("a", Delete, "", None),
                write("a", Create, "1", None),
            ],
            "recreate",
        ),
    ];
    let expected = [
        vec![(Created, 1), (Unchanged, 1)],
        vec![(Created, 1), (Updated, 2)],
        vec![(Unchanged, 0), (Created, 1)],
        vec![(Created, 1), (Deleted, 2), (Unchanged, 2), (Created, 3)],
    ];
    for ((steps, name), expected) in cases.iter().zip(expected) {
        assert_eq!(plan(steps), Ok(expected), "{name}");
    }
}

#[test]
fn refuses_stale_versions_empty_bodies_and_too_many() {
    use WriteMode::{Create, Delete, Update};
    let cases = [
        (vec![write("a", Update, "1", Some(1))], WriteError::VersionConflict),
        (
            vec![write("a", Create, "1", None), write("a", Create, "2", None)],
            WriteError::VersionConflict,
        ),
        (
            vec![write("a", Create, "1", None), write("a", Delete, "", Some(7))],
            WriteError::VersionConflict,
        ),
        (vec![write("a", Update, "", None)], WriteError::EmptyBody),
        (vec![write("a", Create, "1", None); 6], WriteError::TooMany),
        (["a", "b", "c", "d"].map(|id| write(id, Create, "1", None)).into(), WriteError::TooMany),
    ];
    for (steps, expected) in cases {
        let code = expected.code();
        assert_eq!(plan(&steps), Err(expected), "{code}");
    }
}

#[test]
fn an_index_row_is_put_once_and_survives_deletion() {
    let steps = vec![
        write("a", WriteMode::Create, "1", None),
        write("a", WriteMode::Update, "2", None),
        write("a", WriteMode::Delete, "", None),
    ];
    let now = Timestamp::from_unix_seconds(1);
    let plan = plan_writes(&BTreeMap::new(), steps, now, LIMITS).unwrap();
    let rows = plan.effects.iter().filter(|effect| matches!(effect, Effect::PutIndex(_))).count();
    assert_eq!((rows, plan.effects.len(), plan.stored.len()), (1, 4, 3));
    let last = plan.stored.last().unwrap();
    let kept = BTreeMap::from([(last.key.clone(), last.clone())]);
    for (version, expected) in [
        (None, Err(ErrorCode::FhirGone)),
        (Some(3), Err(ErrorCode::FhirGone)),
        (Some(2), Ok(last)),
        (Some(0), Err(ErrorCode::FhirNotFound)),
        (Some(4), Err(ErrorCode::FhirNotFound)),
    ] {
        assert_eq!(find(&kept, &last.key, version), expected, "{version:?}");
    }
    assert_eq!(of_types(&kept, &[]), []);
}
