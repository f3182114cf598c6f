//! Who asks, and when: a closed loop, in which each caller asks again as soon as it was answered,
//! and an open loop, in which requests are due at fixed times whatever the node does and latency
//! counts from when a request was due, so that a stall is charged to all who waited behind it.

use crate::histogram::Observed;
use node_env::Clock;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Books in which callers note what they saw. A histogram takes some hundred kilobytes: one for
/// each of thousands of callers would measure the caches of the machine.
const BOOKS: usize = 16;

/// What some of the callers saw.
type Book = Arc<Mutex<Observed>>;

/// One caller. It has at most one call in flight.
pub trait Caller: Send + 'static {
    /// Makes one call; gives the operations that it stood for, or the code of the failure.
    fn call(&mut self) -> impl Future<Output = Result<u32, String>> + Send;
}

/// How requests come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Each caller asks again as soon as it was answered.
    Closed,
    /// So many requests a second, whatever the node does.
    Open {
        /// Requests a second.
        rate: u64,
    },
}

/// How long to ask, and how long before that without counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Time before counting starts, microseconds.
    pub warm_up_micros: u64,
    /// Time that counts, microseconds.
    pub micros: u64,
}

/// What one run of the load gave.
#[derive(Debug)]
pub struct Loaded<C, S> {
    /// The callers, to go on with.
    pub callers: Vec<C>,
    /// What they saw while it counted.
    pub observed: Observed,
    /// Length of the time that counted, microseconds.
    pub micros: u64,
    /// Samples of counters taken when counting started and when it ended.
    pub samples: (S, S),
}

/// Runs callers and takes a sample of counters around what is counted. A call counts when it ends
/// within the time that counts.
pub async fn run<C: Caller, S>(
    callers: Vec<C>,
    clock: &Arc<dyn Clock>,
    pace: Pace,
    span: Span,
    sample: impl Fn() -> S,
) -> Loaded<C, S> {
    let begin = clock.monotonic_micros();
    let from = begin + span.warm_up_micros;
    let schedule = Arc::new(Schedule {
        begin,
        from,
        until: from + span.micros,
        pace,
        next: AtomicU64::new(0),
    });
    let books: Vec<Book> = (0..BOOKS).map(|_| Book::default()).collect();
    let tasks: Vec<_> = callers
        .into_iter()
        .zip(books.iter().cycle())
        .map(|(caller, book)| {
            tokio::spawn(drive(caller, Arc::clone(clock), Arc::clone(&schedule), Arc::clone(book)))
        })
        .collect();
    sleep_until(clock, from).await;
    let (started_at, before) = (clock.monotonic_micros(), sample());
    sleep_until(clock, schedule.until).await;
    let (ended_at, after) = (clock.monotonic_micros(), sample());
    let mut loaded = Loaded {
        callers: Vec::new(),
        observed: Observed::default(),
        micros: ended_at.saturating_sub(started_at).max(1),
        samples: (before, after),
    };
    for task in tasks {
        match task.await {
            Ok(caller) => loaded.callers.push(caller),
            Err(_) => loaded.observed.failure("caller-failed"),
        }
    }
    for book in books {
        loaded.observed.merge(&book.lock().unwrap_or_else(PoisonError::into_inner));
    }
    loaded
}

async fn sleep_until(clock: &Arc<dyn Clock>, at: u64) {
    let now = clock.monotonic_micros();
    if at > now {
        tokio::time::sleep(Duration::from_micros(at - now)).await;
    }
}

/// When requests are due and which of them count.
#[derive(Debug)]
struct Schedule {
    begin: u64,
    from: u64,
    until: u64,
    pace: Pace,
    next: AtomicU64,
}

impl Schedule {
    /// When the next request of a caller that is free at `now` is due; `None` at the end.
    fn due(&self, now: u64) -> Option<u64> {
        let due = match self.pace {
            Pace::Closed => now,
            Pace::Open { rate } => {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                self.begin + number.saturating_mul(1_000_000) / rate.max(1)
            }
        };
        (due < self.until && now < self.until).then_some(due)
    }

    fn counts(&self, ended_at: u64) -> bool {
        (self.from..self.until).contains(&ended_at)
    }
}

async fn drive<C: Caller>(
    mut caller: C,
    clock: Arc<dyn Clock>,
    schedule: Arc<Schedule>,
    book: Book,
) -> C {
    while let Some(due) = schedule.due(clock.monotonic_micros()) {
        if schedule.pace != Pace::Closed {
            sleep_until(&clock, due).await;
        }
        let made_at = clock.monotonic_micros();
        let result = caller.call().await;
        let ended_at = clock.monotonic_micros();
        if schedule.counts(ended_at) {
            let mut observed = book.lock().unwrap_or_else(PoisonError::into_inner);
            match result {
                Ok(operations) => {
                    let (due, made) = (due.min(ended_at), made_at.min(ended_at));
                    observed.success_of(operations, (ended_at - due, ended_at - made));
                }
                Err(code) => observed.failure(&code),
            }
        }
    }
    caller
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    /// The time of the paused test runtime.
    struct TestClock(Instant);

    impl Clock for TestClock {
        fn wall_unix_micros(&self) -> i64 {
            0
        }

        fn monotonic_micros(&self) -> u64 {
            u64::try_from(self.0.elapsed().as_micros()).unwrap()
        }
    }

    /// Answers at once, but for one call that takes a tenth of a second, and every hundredth call,
    /// which fails.
    struct Stalling {
        calls: u64,
    }

    impl Caller for Stalling {
        async fn call(&mut self) -> Result<u32, String> {
            self.calls += 1;
            let pause_ms = if self.calls == 500 { 100 } else { 1 };
            let pause = Duration::from_millis(pause_ms);
            assert!(tokio::time::timeout(pause, std::future::pending::<()>()).await.is_err());
            if self.calls.is_multiple_of(100) { Err("MED-1".to_owned()) } else { Ok(3) }
        }
    }

    async fn stalled(pace: Pace) -> Loaded<Stalling, u64> {
        let clock: Arc<dyn Clock> = Arc::new(TestClock(Instant::now()));
        let span = Span { warm_up_micros: 200_000, micros: 1_000_000 };
        let sampled = Arc::clone(&clock);
        let sample = move || sampled.monotonic_micros();
        run(vec![Stalling { calls: 0 }], &clock, pace, span, sample).await
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_loop_charges_a_stall_to_all_who_waited() {
        let closed = stalled(Pace::Closed).await.observed;
        assert!(closed.quantile(0.99) < 10_000, "one call was slow: {}", closed.quantile(0.99));
        // 500 a second with 1 to 2 ms each: the stall makes fifty late, each a little less.
        let open = stalled(Pace::Open { rate: 500 }).await.observed;
        assert!(open.quantile(0.5) < 10_000, "{}", open.quantile(0.5));
        assert!(open.quantile(0.95) > 50_000, "{}", open.quantile(0.95));
        assert!(open.longest() >= 98_000, "{}", open.longest());
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_ends_within_the_span_counts() {
        let loaded = stalled(Pace::Open { rate: 500 }).await;
        let calls = loaded.callers[0].calls;
        assert!(calls >= 590, "the schedule is kept from the first request on: {calls}");
        let counted = loaded.observed.calls() + loaded.observed.failures();
        assert!((490..=510).contains(&counted), "{counted} of {calls}");
        assert_eq!(loaded.observed.operations, 3 * loaded.observed.calls());
        assert_eq!(loaded.observed.errors.keys().collect::<Vec<_>>(), ["MED-1"]);
        let (before, after) = loaded.samples;
        assert!(before >= 200_000 && after - before >= 1_000_000, "{before} {after}");
    }
}
