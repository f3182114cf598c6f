//! The same promises with real threads and real time: calls, sessions and cuts at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actors_store::{CommitError, Store};
use futures::future::join_all;
use node_store_remote::{ClientConfig, RemoteStore};

use crate::net::Wire;
use crate::world::{World, config, count, lane, number};

const TASKS: u64 = 6;
const COMMITS: u64 = 150;

/// Commits in a lane of its own, one behind the other, until all are done; gives what is known
/// of each.
async fn work(client: Arc<RemoteStore>, name: &'static str, task: u64) -> Vec<(String, bool)> {
    let mut generation = 1;
    let mut known = Vec::new();
    for step in 0..COMMITS {
        let key = format!("{name} {task} {step}");
        let committed = match client.commit(count(&key, lane(task, generation))).await {
            Ok(committed) => committed,
            Err(error) => {
                generation += 1;
                // The next session shows what became of it, once and for all.
                let snapshot = loop {
                    if let Ok(snapshot) = client.begin().await {
                        break snapshot;
                    }
                };
                if let Ok(found) = snapshot.get(key.as_bytes()).await {
                    let may_be = matches!(error, CommitError::UnknownResult { .. });
                    assert!(found.is_none() || may_be, "{key}: {error}");
                    known.push((key, found.is_some()));
                }
                continue;
            }
        };
        known.push((key, true));
        if let Ok(snapshot) = client.begin().await {
            assert!(snapshot.version() >= committed.version);
        }
    }
    known
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_and_nothing_happens_twice_on_many_threads() {
    let world = World::new();
    let server = world.serve();
    let is_done = Arc::new(AtomicBool::new(false));
    let (mut working, mut cutting) = (Vec::new(), Vec::new());
    for name in ["first", "second"] {
        let wire = Wire::new();
        let quick = ClientConfig { backoff_ms_min: 1, backoff_ms_max: 4, ..config(name, 1) };
        let client = world.connected(quick, &wire).await;
        for task in 0..TASKS {
            working.push(tokio::spawn(work(Arc::clone(&client), name, task)));
        }
        let is_done = Arc::clone(&is_done);
        cutting.push(tokio::spawn(async move {
            // Each connection is used for a while before it is cut.
            while !is_done.load(Ordering::SeqCst) {
                let connections = client.connections();
                for _ in 0..20 {
                    drop(client.begin().await);
                }
                wire.cut();
                while client.connections() == connections && !is_done.load(Ordering::SeqCst) {
                    tokio::task::yield_now().await;
                }
            }
        }));
    }
    let known = join_all(working).await;
    is_done.store(true, Ordering::SeqCst);
    join_all(cutting).await.into_iter().for_each(Result::unwrap);
    for (key, has_effect) in known.into_iter().flat_map(Result::unwrap) {
        let stored = world.stored(&key).await;
        assert_eq!(stored, number(1).filter(|_| has_effect), "{key}");
    }
    assert!(server.stats().sessions > 4, "{:?}", server.stats());
}
