//! Cases about limits: sizes (LIM-1) and the transaction window.

use futures::FutureExt;

use super::{
    Case, Outcome, Subject, equal, holds, key, put, range, set, text, too_old, version,
    write_after_read,
};
use crate::error::CommitError;
use crate::limits::{KEY_BYTES_MAX, TRANSACTION_BYTES_MAX, VALUE_BYTES_MAX};
use crate::mutation::{KeyRange, Mutation};
use crate::port::{CommitRequest, RangeQuery};

pub(super) const CASES: [(&str, Case); 5] = [
    ("sizes up to the limits are taken", |subject| largest(subject).boxed()),
    ("sizes beyond the limits are refused", |subject| too_large(subject).boxed()),
    ("requests without sense are refused", |subject| invalid(subject).boxed()),
    ("a commit from before the window is too old", |subject| old_commit(subject).boxed()),
    ("a read from before the window is too old", |subject| old_read(subject).boxed()),
];

async fn largest(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    let name = vec![b'k'; KEY_BYTES_MAX];
    let value = vec![b'v'; VALUE_BYTES_MAX];
    put(&store, vec![Mutation::set(name.clone(), value)]).await?;
    let snapshot = store.begin().await.map_err(text)?;
    let found = snapshot.get(&name).await.map_err(text)?.map(|value| value.len());
    equal("largest value", &found, &Some(VALUE_BYTES_MAX))
}

async fn too_large(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    let commit =
        |mutations: Vec<Mutation>| store.commit(CommitRequest { mutations, ..Default::default() });
    let found = commit(vec![Mutation::set(vec![b'k'; KEY_BYTES_MAX + 1], key("v"))]).await;
    holds("key too large", matches!(found, Err(CommitError::KeyTooLarge { .. })))?;
    let found = commit(vec![Mutation::set(key("k"), vec![b'v'; VALUE_BYTES_MAX + 1])]).await;
    holds("value too large", matches!(found, Err(CommitError::ValueTooLarge { .. })))?;
    let count = TRANSACTION_BYTES_MAX / VALUE_BYTES_MAX + 1;
    let many = (0..count)
        .map(|number| Mutation::set(key(&format!("k{number}")), vec![b'v'; VALUE_BYTES_MAX]));
    let found = commit(many.collect()).await;
    holds("transaction too large", matches!(found, Err(CommitError::TooLarge { .. })))?;
    equal("nothing was written", &super::read_all(&store).await?, &Vec::new())
}

async fn invalid(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    for mutation in [
        Mutation::SetVersionstampedKey { key: key("0123456789"), offset: 1, value: key("v") },
        Mutation::SetVersionstampedValue {
            key: key("k"),
            value: key("012345678"),
            offset: usize::MAX,
        },
        Mutation::ClearRange { range: range("b", "a") },
    ] {
        let request = CommitRequest { mutations: vec![mutation], ..Default::default() };
        let found = store.commit(request).await;
        holds("invalid mutation", matches!(found, Err(CommitError::Invalid { .. })))?;
    }
    let future = version(&store).await? + 1_000_000;
    let found = write_after_read(&store, future, KeyRange::single(b"a"), "x").await;
    holds("future read version", matches!(found, Err(CommitError::Invalid { .. })))
}

async fn old_commit(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    let read_version = version(&store).await?;
    set(&store, "a", "1").await?;
    subject.pass_window();
    set(&store, "a", "2").await?;
    let found = write_after_read(&store, read_version, KeyRange::single(b"b"), "x").await;
    equal("commit from before the window", &found, &Err(CommitError::TooOld))?;
    let blind = CommitRequest {
        read_version,
        mutations: vec![Mutation::set(key("x"), key("1"))],
        ..Default::default()
    };
    holds("a blind write is never too old", store.commit(blind).await.is_ok())
}

async fn old_read(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    set(&store, "a", "1").await?;
    let snapshot = store.begin().await.map_err(text)?;
    subject.pass_window();
    holds("get is too old", too_old(snapshot.get(b"a")).await)?;
    let query = RangeQuery::forward(range("a", "b"), 1);
    holds("range is too old", too_old(snapshot.range(query)).await)?;
    let fresh = store.begin().await.map_err(text)?;
    equal("a new snapshot", &fresh.get(b"a").await.map_err(text)?, &Some(key("1")))
}
