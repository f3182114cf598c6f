//! Cases about what a commit writes: versionstamps, atomic adds, cleared ranges, order.

use bytes::Bytes;
use futures::FutureExt;

use super::{Case, Outcome, Subject, equal, holds, key, pairs, put, range, read, read_all, set};
use crate::mutation::{Mutation, VERSIONSTAMP_BYTES};

pub(super) const CASES: [(&str, Case); 6] = [
    ("versionstamps grow and carry the version", |subject| stamps(subject).boxed()),
    ("versionstamped keys sort in commit order", |subject| stamped_keys(subject).boxed()),
    ("versionstamped values are filled in", |subject| stamped_values(subject).boxed()),
    ("atomic add wraps, extends and starts at zero", |subject| adds(subject).boxed()),
    ("a cleared range is empty and its ends remain", |subject| clears(subject).boxed()),
    ("mutations of a commit apply in order", |subject| in_order(subject).boxed()),
];

async fn stamps(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    let mut last = [0; VERSIONSTAMP_BYTES];
    for _ in 0..20 {
        let committed = set(&store, "a", "1").await?;
        holds("versionstamps grow", committed.versionstamp > last)?;
        last = committed.versionstamp;
        equal("version in the stamp", &&last[..8], &&committed.version.to_be_bytes()[..])?;
        let seen = super::version(&store).await?;
        holds("a commit is visible to the next snapshot", seen >= committed.version)?;
    }
    let together = (0..50).map(|_| set(&store, "a", "1"));
    let together = futures::future::try_join_all(together).await?;
    let mut unique: Vec<_> = together.iter().map(|committed| committed.versionstamp).collect();
    equal("stamps in call order", &unique.is_sorted(), &true)?;
    unique.dedup();
    equal("unique stamps", &unique.len(), &50)
}

async fn stamped_keys(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    let mut expected = Vec::new();
    for number in 0..5 {
        let value = key(&format!("v{number}"));
        let placeholder = key("log/0123456789/end");
        let mutation =
            Mutation::SetVersionstampedKey { key: placeholder, offset: 4, value: value.clone() };
        let committed = put(&store, vec![mutation]).await?;
        let mut filled = b"log/".to_vec();
        filled.extend_from_slice(&committed.versionstamp);
        filled.extend_from_slice(b"/end");
        expected.push((Bytes::from(filled), value));
    }
    equal("stamped keys", &read_all(&store).await?, &expected)
}

async fn stamped_values(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    let value = key("<0123456789>");
    let mutation = Mutation::SetVersionstampedValue { key: key("a"), value, offset: 1 };
    let committed = put(&store, vec![mutation]).await?;
    let mut filled = b"<".to_vec();
    filled.extend_from_slice(&committed.versionstamp);
    filled.push(b'>');
    equal("stamped value", &read(&store, "a").await?, &Some(Bytes::from(filled)))
}

async fn adds(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    let add = |delta: i64| vec![Mutation::Add { key: key("n"), delta }];
    let number = |value: i64| Some(Bytes::copy_from_slice(&value.to_le_bytes()));
    put(&store, add(5)).await?;
    equal("from nothing", &read(&store, "n").await?, &number(5))?;
    put(&store, add(-7)).await?;
    equal("below zero", &read(&store, "n").await?, &number(-2))?;
    put(&store, [add(i64::MAX), add(3)].concat()).await?;
    equal("wrapped", &read(&store, "n").await?, &number(i64::MIN))?;
    put(&store, vec![Mutation::set(key("n"), vec![255_u8])]).await?;
    put(&store, add(1)).await?;
    equal("extended", &read(&store, "n").await?, &number(256))?;
    let together = (0..40).map(|_| put(&store, add(1)));
    futures::future::try_join_all(together).await?;
    equal("added together", &read(&store, "n").await?, &number(296))
}

async fn clears(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    let mutations = ["a", "b", "b\0", "c", "d"].map(|name| Mutation::set(key(name), key(name)));
    put(&store, mutations.to_vec()).await?;
    put(&store, vec![Mutation::ClearRange { range: range("b", "d") }]).await?;
    equal("left over", &read_all(&store).await?, &pairs(&[("a", "a"), ("d", "d")]))?;
    put(&store, vec![Mutation::ClearRange { range: range("a", "a") }]).await?;
    equal("an empty range clears nothing", &read_all(&store).await?.len(), &2)?;
    put(&store, vec![Mutation::clear(key("a")), Mutation::clear(key("absent"))]).await?;
    equal("left over", &read_all(&store).await?, &pairs(&[("d", "d")]))
}

async fn in_order(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    let mutations = vec![
        Mutation::set(key("a"), key("first")),
        Mutation::ClearRange { range: range("a", "c") },
        Mutation::set(key("b"), key("second")),
        Mutation::set(key("b"), key("third")),
        Mutation::set(key("c"), key("fourth")),
        Mutation::clear(key("c")),
        Mutation::Add { key: key("n"), delta: 1 },
        Mutation::Add { key: key("n"), delta: 1 },
    ];
    put(&store, mutations).await?;
    let expected =
        vec![(key("b"), key("third")), (key("n"), Bytes::copy_from_slice(&2_i64.to_le_bytes()))];
    equal("result", &read_all(&store).await?, &expected)
}
