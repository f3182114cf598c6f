//! No byte of a request is in what may be logged, however much is asked for (PHI-1).

use super::world::{LONG, pair, soon};
use node_rpc::peer::{PeerLimits, may_be_logged};
use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Bytes that nothing else here has, and how a list of them looks.
const CANARY: &[u8] = b"Zebedee-canary";
const CANARY_LISTED: &str = "90, 101, 98, 101, 100, 101, 101, 45, 99";

/// Counts the events that quote the canary, by whether they may be logged.
#[derive(Default)]
struct Recorder {
    events: AtomicUsize,
    leaked: AtomicUsize,
    withheld: AtomicUsize,
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
        write!(self.0, "{value:?} ").unwrap();
    }
}

struct Everything(Arc<OnceLock<Recorder>>);

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let recorder = self.0.get_or_init(Recorder::default);
        recorder.events.fetch_add(1, Ordering::Relaxed);
        if text.0.contains(CANARY_LISTED) || text.0.contains("Zebedee") {
            let is_leak = may_be_logged(event.metadata());
            let counter = if is_leak { &recorder.leaked } else { &recorder.withheld };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

// One thread: the subscriber is that thread's.
#[tokio::test]
async fn what_may_be_logged_quotes_no_request() {
    let recorder: Arc<OnceLock<Recorder>> = Arc::default();
    let _subscribed = tracing::subscriber::set_default(Everything(Arc::clone(&recorder)));
    let (one, two) = pair(PeerLimits::default()).await;
    // Tests beside this one may have met the events first, with nobody listening to them.
    tracing::callsite::rebuild_interest_cache();
    assert_eq!(soon(one.network.call(two.id, CANARY, LONG)).await, Ok(CANARY.to_vec()));
    let failing = [b"nonsense ".as_slice(), CANARY].concat();
    assert!(soon(one.network.call(two.id, &failing, LONG)).await.is_err());
    let recorder = recorder.get().unwrap();
    assert!(recorder.events.load(Ordering::Relaxed) > 10);
    assert_eq!(recorder.leaked.load(Ordering::Relaxed), 0);
    assert!(recorder.withheld.load(Ordering::Relaxed) > 0, "the rule is for nothing");
}
