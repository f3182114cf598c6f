//! Cases about reading: order, pages, directions, and that a snapshot does not move.

use bytes::Bytes;
use futures::FutureExt;

use super::{Case, Outcome, Subject, equal, holds, key, pairs, put, range, read, set, text};
use crate::mutation::{KeyRange, Mutation};
use crate::port::RangeQuery;
use crate::transaction::Transaction;

pub(super) const CASES: [(&str, Case); 7] = [
    ("an empty store holds nothing", |subject| empty(subject).boxed()),
    ("keys come in byte order", |subject| ordered(subject).boxed()),
    ("reverse ranges come from the end", |subject| reverse(subject).boxed()),
    ("limits cut pages and pages join up", |subject| pages(subject).boxed()),
    ("range ends are inclusive and exclusive", |subject| ends(subject).boxed()),
    ("a snapshot shows its version for ever", |subject| isolation(subject).boxed()),
    ("a transaction reads its own writes", |subject| own_writes(subject).boxed()),
];

async fn empty(subject: &dyn Subject) -> Outcome {
    let snapshot = subject.store().begin().await.map_err(text)?;
    equal("value of an absent key", &snapshot.get(b"a").await.map_err(text)?, &None)?;
    let query = RangeQuery::forward(KeyRange::prefix(b""), 10);
    let page = snapshot.range(query).await.map_err(text)?;
    equal("items of an empty store", &page.items, &Vec::new())?;
    equal("more after an empty page", &page.more, &false)
}

async fn ordered(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    let names: [&[u8]; 7] = [b"", b"\0", b"\0\0", b"a", b"a\0", b"b", b"\xff\xff"];
    let mutations = names.iter().rev();
    let mutations = mutations
        .map(|name| Mutation::set(Bytes::copy_from_slice(name), Bytes::copy_from_slice(name)));
    put(&store, mutations.collect()).await?;
    let snapshot = store.begin().await.map_err(text)?;
    let query = RangeQuery::forward(KeyRange::prefix(b""), 100);
    let page = snapshot.range(query).await.map_err(text)?;
    let found: Vec<&[u8]> = page.items.iter().map(|(name, _)| name.as_ref()).collect();
    equal("order of keys", &found, &names.to_vec())?;
    for (name, value) in &page.items {
        equal("value", value, name)?;
    }
    Ok(())
}

async fn reverse(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    for name in ["b", "d", "a", "c"] {
        set(&store, name, name).await?;
    }
    let snapshot = store.begin().await.map_err(text)?;
    let page = snapshot.range(RangeQuery::backward(range("a", "d"), 2)).await.map_err(text)?;
    equal("last two", &page.items, &pairs(&[("c", "c"), ("b", "b")]))?;
    equal("more", &page.more, &true)?;
    let rest = RangeQuery::backward(range("a", "d"), 2).after(&page);
    let rest = rest.ok_or("a page with more has a next query")?;
    let page = snapshot.range(rest).await.map_err(text)?;
    equal("the rest", &page.items, &pairs(&[("a", "a")]))?;
    equal("more", &page.more, &false)
}

async fn pages(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    let names: Vec<String> = (0..25).map(|number| format!("k{number:02}")).collect();
    let mutations = names.iter().map(|name| Mutation::set(key(name), key(name)));
    put(&store, mutations.collect()).await?;
    let snapshot = store.begin().await.map_err(text)?;
    for limit in [1, 7, 24, 25, 26] {
        for reverse in [false, true] {
            let all = KeyRange::prefix(b"k");
            let query = RangeQuery { begin: all.begin, end: all.end, limit, reverse };
            let mut next = Some(query);
            let mut found = Vec::new();
            while let Some(query) = next {
                let page = snapshot.range(query.clone()).await.map_err(text)?;
                holds("a page keeps its limit", page.items.len() <= limit)?;
                found.extend(page.items.iter().map(|(name, _)| name.clone()));
                next = query.after(&page);
            }
            if reverse {
                found.reverse();
            }
            let expected: Vec<Bytes> = names.iter().map(|name| key(name)).collect();
            equal("all pages together", &found, &expected)?;
        }
    }
    Ok(())
}

async fn ends(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    for name in ["a", "b", "c"] {
        set(&store, name, name).await?;
    }
    let snapshot = store.begin().await.map_err(text)?;
    for (begin, end, expected) in [
        ("a", "c", vec!["a", "b"]),
        ("a\0", "c\0", vec!["b", "c"]),
        ("b", "b", vec![]),
        ("c", "a", vec![]),
    ] {
        let query = RangeQuery::forward(range(begin, end), 10);
        let page = snapshot.range(query).await.map_err(text)?;
        let expected: Vec<_> = expected.into_iter().map(|name| (key(name), key(name))).collect();
        equal("items of a range", &page.items, &expected)?;
    }
    Ok(())
}

async fn isolation(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    set(&store, "a", "1").await?;
    set(&store, "b", "1").await?;
    let before = store.begin().await.map_err(text)?;
    set(&store, "a", "2").await?;
    put(&store, vec![Mutation::clear(key("b")), Mutation::set(key("c"), key("2"))]).await?;
    put(&store, vec![Mutation::ClearRange { range: range("a", "b") }]).await?;
    equal("old value", &before.get(b"a").await.map_err(text)?, &Some(key("1")))?;
    let query = RangeQuery::forward(KeyRange::prefix(b""), 10);
    let page = before.range(query.clone()).await.map_err(text)?;
    equal("old range", &page.items, &pairs(&[("a", "1"), ("b", "1")]))?;
    let after = store.begin().await.map_err(text)?;
    holds("versions grow", after.version() > before.version())?;
    let page = after.range(query).await.map_err(text)?;
    equal("new range", &page.items, &pairs(&[("c", "2")]))
}

async fn own_writes(subject: &dyn Subject) -> Outcome {
    let store = subject.store();
    for name in ["a", "b", "c", "d"] {
        set(&store, name, "old").await?;
    }
    let mut transaction = Transaction::begin(&store).await.map_err(text)?;
    transaction.set(key("b"), key("new"));
    transaction.clear(key("c"));
    transaction.clear_range(range("d", "e"));
    transaction.set(key("e"), key("new"));
    transaction.add(key("n"), 5);
    transaction.add(key("n"), -2);
    equal("own set", &transaction.get(b"b").await.map_err(text)?, &Some(key("new")))?;
    equal("own clear", &transaction.get(b"c").await.map_err(text)?, &None)?;
    equal("own range clear", &transaction.get(b"d").await.map_err(text)?, &None)?;
    let sum = Bytes::copy_from_slice(&3_i64.to_le_bytes());
    equal("own add", &transaction.get(b"n").await.map_err(text)?, &Some(sum))?;
    let query = RangeQuery::forward(range("a", "f"), 10);
    let page = transaction.get_range(query).await.map_err(text)?;
    equal("own range", &page.items, &pairs(&[("a", "old"), ("b", "new"), ("e", "new")]))?;
    let page = transaction.get_range(RangeQuery::backward(range("a", "f"), 2)).await;
    let page = page.map_err(text)?;
    equal("own reverse range", &page.items, &pairs(&[("e", "new"), ("b", "new")]))?;
    equal("others see nothing yet", &read(&store, "e").await?, &None)?;
    transaction.commit().await.map_err(text)?;
    equal("others see it now", &read(&store, "e").await?, &Some(key("new")))
}
