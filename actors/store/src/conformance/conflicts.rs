//! Cases about conflicts: what must be refused, and what must not.

use futures::FutureExt;

use super::{
    Case, Outcome, Subject, equal, holds, key, put, range, set, text, version, write_after_read,
};
use crate::error::CommitError;
use crate::mutation::{KeyRange, Mutation};
use crate::port::{CommitRequest, RangeQuery};
use crate::transaction::Transaction;

pub(super) const CASES: [(&str, Case); 10] = [
    ("a key written after it was read conflicts", |subject| point(subject).boxed()),
    ("a key cleared after it was read conflicts", |subject| cleared(subject).boxed()),
    ("a new key in a range that was read conflicts", |subject| phantom(subject).boxed()),
    ("only the part of a range that was read conflicts", |subject| partial(subject).boxed()),
    ("blind writes do not conflict", |subject| blind(subject).boxed()),
    ("snapshot reads do not conflict", |subject| snapshot_reads(subject).boxed()),
    ("explicit conflict ranges count", |subject| explicit(subject).boxed()),
    ("write skew is refused", |subject| write_skew(subject).boxed()),
    ("a refused commit leaves nothing behind", |subject| refused(subject).boxed()),
    ("concurrent counters lose no increment", |subject| increments(subject).boxed()),
];

async fn point(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    set(&store, "a", "1").await?;
    let read_version = version(&store).await?;
    let unaffected = write_after_read(&store, read_version, KeyRange::single(b"b"), "x").await;
    holds("an untouched key does not conflict", unaffected.is_ok())?;
    set(&store, "a", "2").await?;
    let found = write_after_read(&store, read_version, KeyRange::single(b"a"), "x").await;
    equal("stale read of a key", &found, &Err(CommitError::Conflict))?;
    let read_version = version(&store).await?;
    let found = write_after_read(&store, read_version, KeyRange::single(b"a"), "x").await;
    holds("a fresh read commits", found.is_ok())
}

async fn cleared(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    set(&store, "b", "1").await?;
    for mutation in [Mutation::clear(key("b")), Mutation::ClearRange { range: range("a", "c") }] {
        let read_version = version(&store).await?;
        put(&store, vec![mutation]).await?;
        let found = write_after_read(&store, read_version, KeyRange::single(b"b"), "x").await;
        equal("stale read of a cleared key", &found, &Err(CommitError::Conflict))?;
    }
    Ok(())
}

async fn phantom(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    let mut reader = Transaction::begin(&store).await.map_err(text)?;
    let query = RangeQuery::forward(range("a", "c"), 10);
    holds("nothing yet", reader.get_range(query).await.map_err(text)?.items.is_empty())?;
    reader.set(key("z"), key("nothing was there"));
    set(&store, "b", "phantom").await?;
    equal("phantom", &reader.commit().await, &Err(CommitError::Conflict))
}

async fn partial(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    for name in ["b", "d", "f"] {
        set(&store, name, "1").await?;
    }
    for (reverse, written, conflicts) in
        [(false, "c", true), (false, "e", false), (true, "c", false), (true, "e", true)]
    {
        put(&store, vec![Mutation::clear(key("c")), Mutation::clear(key("e"))]).await?;
        let mut reader = Transaction::begin(&store).await.map_err(text)?;
        let query = RangeQuery { reverse, ..RangeQuery::forward(range("a", "z"), 2) };
        let page = reader.get_range(query).await.map_err(text)?;
        equal("items read", &page.items.len(), &2)?;
        reader.set(key("zz"), key("1"));
        set(&store, written, "1").await?;
        let refused = reader.commit().await == Err(CommitError::Conflict);
        equal("conflict of a partly read range", &(written, refused), &(written, conflicts))?;
    }
    Ok(())
}

async fn blind(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    let read_version = version(&store).await?;
    set(&store, "a", "1").await?;
    let request = CommitRequest {
        read_version,
        mutations: vec![
            Mutation::set(key("a"), key("2")),
            Mutation::Add { key: key("n"), delta: 1 },
            Mutation::ClearRange { range: range("b", "c") },
        ],
        ..Default::default()
    };
    store.commit(request).await.map_err(text)?;
    Ok(())
}

async fn snapshot_reads(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    let mut reader = Transaction::begin(&store).await.map_err(text)?;
    reader.snapshot_get(b"a").await.map_err(text)?;
    reader.snapshot_get_range(RangeQuery::forward(range("a", "z"), 9)).await.map_err(text)?;
    reader.set(key("x"), key("1"));
    set(&store, "a", "1").await?;
    reader.commit().await.map_err(text)?;
    Ok(())
}

async fn explicit(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    let mut reader = Transaction::begin(&store).await.map_err(text)?;
    reader.add_read_conflict(KeyRange::single(b"fence"));
    reader.set(key("x"), key("1"));
    let mut writer = Transaction::begin(&store).await.map_err(text)?;
    writer.add_write_conflict(KeyRange::single(b"fence"));
    writer.set(key("y"), key("1"));
    writer.commit().await.map_err(text)?;
    equal("explicit ranges", &reader.commit().await, &Err(CommitError::Conflict))
}

async fn write_skew(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    put(&store, vec![Mutation::set(key("a"), key("on")), Mutation::set(key("b"), key("on"))])
        .await?;
    let mut first = Transaction::begin(&store).await.map_err(text)?;
    let mut second = Transaction::begin(&store).await.map_err(text)?;
    for transaction in [&mut first, &mut second] {
        for name in ["a", "b"] {
            let value = transaction.get(name.as_bytes()).await.map_err(text)?;
            equal("both are on call", &value, &Some(key("on")))?;
        }
    }
    first.set(key("a"), key("off"));
    second.set(key("b"), key("off"));
    first.commit().await.map_err(text)?;
    equal("second of a write skew", &second.commit().await, &Err(CommitError::Conflict))
}

async fn refused(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    let read_version = version(&store).await?;
    set(&store, "a", "1").await?;
    let after_first = version(&store).await?;
    let found = write_after_read(&store, read_version, KeyRange::single(b"a"), "x").await;
    equal("stale commit", &found, &Err(CommitError::Conflict))?;
    equal("its write", &super::read(&store, "x").await?, &None)?;
    let found = write_after_read(&store, after_first, KeyRange::single(b"x"), "y").await;
    holds("its write does not conflict with others", found.is_ok())
}

async fn increments(subject: &dyn Subject) -> Outcome {
    const WORKERS: usize = 8;
    const ROUNDS: usize = 10;
    let store = subject.store();
    let workers = (0..WORKERS).map(|_| {
        let store = store.clone();
        async move {
            for _ in 0..ROUNDS {
                loop {
                    let mut transaction = Transaction::begin(&store).await.map_err(text)?;
                    let count = transaction.get(b"n").await.map_err(text)?;
                    let count = count.map_or(0, |bytes| bytes.len());
                    transaction.set(key("n"), vec![b'x'; count + 1]);
                    match transaction.commit().await {
                        Ok(_) => break,
                        Err(CommitError::Conflict) => {}
                        Err(error) => return Err(text(error)),
                    }
                }
            }
            Ok(())
        }
    });
    futures::future::try_join_all(workers).await?;
    let count = super::read(&store, "n").await?.map_or(0, |bytes| bytes.len());
    equal("increments", &count, &(WORKERS * ROUNDS))
}
