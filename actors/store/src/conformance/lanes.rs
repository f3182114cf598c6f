//! Cases about lanes: commits that are sent before the fate of the last one is known take
//! effect in order, and none takes effect behind one that failed.

use futures::FutureExt;
use futures::future::join_all;

use super::{Case, Outcome, Subject, equal, holds, key, read, set, text, version};
use crate::error::CommitError;
use crate::limits::KEY_BYTES_MAX;
use crate::mutation::{KeyRange, Mutation};
use crate::port::{CommitLane, CommitRequest, Version};

pub(super) const CASES: [(&str, Case); 5] = [
    ("commits of a lane take effect in order", |subject| ordered(subject).boxed()),
    ("nothing of a lane takes effect behind a failure", |subject| abandoned(subject).boxed()),
    ("a request that is refused at once ends its generation", |subject| refused(subject).boxed()),
    ("a failed generation concerns no other commit", |subject| others(subject).boxed()),
    ("an older generation is over", |subject| older(subject).boxed()),
];

fn request(lane: (u64, u64), name: &str, value: &str) -> CommitRequest {
    let (id, generation) = lane;
    CommitRequest {
        mutations: vec![Mutation::set(key(name), key(value))],
        lane: Some(CommitLane { id, generation }),
        ..CommitRequest::default()
    }
}

/// The same with a read of a key that was written since.
fn stale(lane: (u64, u64), name: &str, read_version: Version) -> CommitRequest {
    let read_conflicts = vec![KeyRange::single(b"contended")];
    CommitRequest { read_version, read_conflicts, ..request(lane, name, "stale") }
}

/// A version at which `contended` is no longer what it was.
async fn contended(subject: &dyn Subject) -> Result<Version, String> {
    let store = subject.store();
    let before = version(&store).await?;
    set(&store, "contended", "1").await?;
    Ok(before)
}

async fn ordered(subject: &dyn Subject) -> Outcome {
    const COUNT: usize = 200;
    let store = subject.store();
    let sent = (0..COUNT).map(|number| store.commit(request((1, 1), "last", &number.to_string())));
    let mut last = None;
    for committed in join_all(sent.collect::<Vec<_>>()).await {
        let stamp = Some(committed.map_err(text)?.versionstamp);
        holds("versionstamps grow", last < stamp)?;
        last = stamp;
    }
    equal("last value", &read(&store, "last").await?, &Some(key(&(COUNT - 1).to_string())))
}

async fn abandoned(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    let before = contended(subject).await?;
    for generation in 1..4 {
        let lane = (7, generation);
        let name = |step: &str| format!("{step} {generation}");
        let sent = vec![
            store.commit(request(lane, &name("a"), "1")),
            store.commit(stale(lane, &name("b"), before)),
            store.commit(request(lane, &name("c"), "1")),
            store.commit(request(lane, &name("d"), "1")),
        ];
        let found = join_all(sent).await;
        holds("the first takes effect", found[0].is_ok())?;
        equal("the second", &found[1], &Err(CommitError::Conflict))?;
        let late = store.commit(request(lane, &name("e"), "1")).await;
        for later in [&found[2], &found[3], &late] {
            equal("one behind it", later, &Err(CommitError::Abandoned))?;
        }
        for (step, expected) in [("a", true), ("b", false), ("c", false), ("d", false)] {
            let present = read(&store, &name(step)).await?.is_some();
            equal("what took effect", &(step, present), &(step, expected))?;
        }
    }
    Ok(())
}

async fn refused(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    let mut too_long = request((1, 1), "x", "1");
    too_long.mutations.push(Mutation::clear(vec![b'k'; KEY_BYTES_MAX + 1]));
    let sent = vec![
        store.commit(request((1, 1), "a", "1")),
        store.commit(too_long),
        store.commit(request((1, 1), "b", "1")),
    ];
    let found = join_all(sent).await;
    holds("what was sent before takes effect", found[0].is_ok())?;
    holds("the key is too long", matches!(found[1], Err(CommitError::KeyTooLarge { .. })))?;
    equal("what was sent behind it", &found[2], &Err(CommitError::Abandoned))?;
    equal("its write", &read(&store, "b").await?, &None)
}

async fn others(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    let before = contended(subject).await?;
    let sent = vec![
        store.commit(stale((1, 1), "x", before)),
        store.commit(request((2, 1), "other lane", "1")),
        store.commit(CommitRequest { lane: None, ..request((1, 1), "no lane", "1") }),
        store.commit(request((1, 2), "higher generation", "1")),
    ];
    let found = join_all(sent).await;
    equal("the stale one", &found[0], &Err(CommitError::Conflict))?;
    holds("others take effect", found[1..].iter().all(Result::is_ok))
}

async fn older(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    let sent = vec![
        store.commit(request((1, 2), "a", "new")),
        store.commit(request((1, 1), "a", "old")),
        store.commit(request((1, 2), "b", "new")),
    ];
    let found = join_all(sent).await;
    equal("the older one", &found[1], &Err(CommitError::Abandoned))?;
    holds("the higher generation goes on", found[0].is_ok() && found[2].is_ok())?;
    equal("the value", &read(&store, "a").await?, &Some(key("new")))
}
