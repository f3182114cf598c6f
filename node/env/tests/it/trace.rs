//! Traces: who is traced, what belongs to what, and what happens when nobody takes the spans.

use node_env::fake::{ManualClock, SeededRng};
use node_env::trace::{
    Carried, FinishedSpan, LABELS_MAX, Label, LabelValue, Operation, Outcome, QUEUE_SPANS_MAX,
    SpanContext, TraceParts, Tracer, child,
};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

fn tracer(traces_per_million: u32) -> (Tracer, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(1_000_000));
    let rng = Arc::new(SeededRng::new(5));
    (Tracer::new(TraceParts { clock: clock.clone(), rng, traces_per_million }), clock)
}

/// Polls a future that waits for nothing but its own turns.
fn run<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
}

async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|_| {
        let is_second = std::mem::replace(&mut has_yielded, true);
        if is_second { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn named(spans: &[FinishedSpan], operation: Operation) -> &FinishedSpan {
    spans.iter().find(|span| span.operation == operation).unwrap()
}

#[test]
fn a_tracer_that_is_off_begins_nothing() {
    let tracer = Tracer::off();
    let kept = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert!(tracer.request(Operation::RpcCall, Some(kept)).is_none());
    let context = SpanContext::new(1, 1).unwrap();
    assert!(tracer.continued(Operation::Serve, context).is_none());
    assert!(child(Operation::Submit).is_none() && tracer.counts().is_none());
    assert!(Carried::current().child(Operation::Commit).is_none());
    assert!(tracer.take(10).is_empty());
}

#[test]
fn parts_know_what_they_belong_to_over_turns_tasks_and_nodes() {
    let (tracer, clock) = tracer(1_000_000);
    let (elsewhere, _) = self::tracer(0);
    run(async {
        let root = tracer.request(Operation::HttpRequest, None).unwrap();
        let carried = root
            .around(Box::pin(async {
                yield_now().await;
                clock.advance_micros(7);
                let span = child(Operation::Submit).unwrap();
                let carried = span
                    .around(Box::pin(async {
                        yield_now().await;
                        let forward = child(Operation::Forward).unwrap();
                        let header = forward.context().header();
                        let (context, _) = SpanContext::split_header(&header);
                        let serve = elsewhere.continued(Operation::Serve, context.unwrap());
                        serve.unwrap().end(Outcome::Done("answered"));
                        Carried::current()
                    }))
                    .await;
                span.end(Outcome::Done("done"));
                carried
            }))
            .await;
        assert!(child(Operation::Submit).is_none(), "the thread works on nothing any more");
        // In another task, later.
        carried.child(Operation::Commit).unwrap().end(Outcome::Failed("store"));
        root.end(Outcome::Done("done"));
    });
    let (spans, there) = (tracer.take(100), elsewhere.take(100));
    let root = named(&spans, Operation::HttpRequest);
    assert_eq!((root.parent, root.duration_micros, root.start_unix_micros), (None, 7, 1_000_000));
    let submit = named(&spans, Operation::Submit);
    assert_eq!(submit.parent, Some(root.context.span()));
    for part in [Operation::Forward, Operation::Commit] {
        assert_eq!(named(&spans, part).parent, Some(submit.context.span()));
    }
    assert_eq!(named(&spans, Operation::Commit).outcome, Outcome::Failed("store"));
    let forward = named(&spans, Operation::Forward);
    assert_eq!(forward.outcome, Outcome::Failed("abandoned"), "it was dropped");
    assert_eq!(there[0].parent, Some(forward.context.span()));
    for span in spans.iter().chain(&there) {
        assert_eq!(span.context.trace(), root.context.trace());
    }
}

#[test]
fn work_that_panics_leaves_the_thread_as_it_was() {
    let (tracer, _) = tracer(1_000_000);
    let root = tracer.request(Operation::RpcCall, None).unwrap();
    let work = root.around(Box::pin(async { panic!("by the test") }));
    let work = std::panic::AssertUnwindSafe(|| run::<()>(work));
    assert!(std::panic::catch_unwind(work).is_err());
    assert!(child(Operation::Submit).is_none());
}

#[test]
fn callers_decide_for_themselves_and_chance_for_the_others() {
    let (tracer, _) = tracer(10_000);
    let count =
        (0..100_000).filter(|_| tracer.request(Operation::MllpMessage, None).is_some()).count();
    assert!((800..1_200).contains(&count), "one in a hundred: {count}");
    let asked = |flag: &str| {
        let text = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flag}");
        (0..100).filter(|_| tracer.request(Operation::HttpRequest, Some(&text)).is_some()).count()
    };
    assert_eq!((asked("01"), asked("00")), (100, 0));
}

#[test]
fn a_full_queue_drops_and_counts() {
    let (tracer, _) = tracer(1_000_000);
    for _ in 0..QUEUE_SPANS_MAX + 3 {
        let mut span = tracer.request(Operation::RpcCall, None).unwrap();
        for shard in 0..20 {
            span.label(Label::Shard, LabelValue::Number(shard));
        }
        span.end(Outcome::Done("done"));
    }
    let counts = tracer.counts().unwrap();
    assert_eq!(counts.recorded, u64::try_from(QUEUE_SPANS_MAX).unwrap());
    assert_eq!(counts.dropped, 3, "LIM-1");
    let taken = tracer.take(10);
    assert_eq!((taken.len(), taken[0].labels.len()), (10, LABELS_MAX));
    tracer.request(Operation::RpcCall, None).unwrap().end(Outcome::Done("done"));
    assert_eq!(tracer.counts().unwrap().dropped, 3, "there is room again");
}
