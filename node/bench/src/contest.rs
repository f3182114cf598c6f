//! Several ways to do the same work, measured in turns of about a second, so that a machine that
//! is slow for a while is slow for all of them.

use crate::counters::Counters;
use crate::error::BenchError;
use crate::histogram::Observed;
use crate::load::{self, Caller, Pace, Span};
use crate::local::{Observer, Reader};
use crate::reference::{Work, run_blocking};
use crate::rpc::{RpcObserver, RpcReader};
use crate::wire::{FhirCaller, HttpReader, MllpCaller};
use node_env::Clock;
use std::sync::Arc;

/// A caller of any kind.
pub enum AnyCaller {
    /// Observations in this process.
    Observer(Box<Observer>),
    /// Reads in this process.
    Reader(Box<Reader>),
    /// Observations over RPC.
    RpcObserver(Box<RpcObserver>),
    /// Reads over RPC.
    RpcReader(Box<RpcReader>),
    /// Results over MLLP.
    Mllp(Box<MllpCaller>),
    /// FHIR over HTTP.
    Fhir(Box<FhirCaller>),
    /// Reads over HTTP.
    HttpReader(Box<HttpReader>),
    /// Inserts into PostgreSQL.
    #[cfg(feature = "references")]
    Postgres(Box<crate::reference::postgres::PostgresCaller>),
}

impl Caller for AnyCaller {
    async fn call(&mut self) -> Result<u32, String> {
        match self {
            Self::Observer(caller) => caller.call().await,
            Self::Reader(caller) => caller.call().await,
            Self::RpcObserver(caller) => caller.call().await,
            Self::RpcReader(caller) => caller.call().await,
            Self::Mllp(caller) => caller.call().await,
            Self::Fhir(caller) => caller.call().await,
            Self::HttpReader(caller) => caller.call().await,
            #[cfg(feature = "references")]
            Self::Postgres(caller) => caller.call().await,
        }
    }
}

/// Who does the work.
pub enum Worker {
    /// Callers that wait for answers.
    Callers(Vec<AnyCaller>, Pace),
    /// One thread that blocks; taken out while it runs.
    Blocking(Option<Box<dyn Work>>),
}

/// Samples counters.
pub type Sampler<'a> = Box<dyn Fn() -> Counters + Send + Sync + 'a>;

/// One way to do the work and what it achieved so far.
pub struct Contestant<'a> {
    /// How it is called in the report.
    pub name: &'static str,
    /// What callers saw.
    pub observed: Observed,
    /// Time that counted, microseconds.
    pub micros: u64,
    /// What was counted meanwhile.
    pub counters: Counters,
    worker: Worker,
    sample: Sampler<'a>,
    turns: u32,
}

impl<'a> Contestant<'a> {
    /// A contestant that did nothing yet.
    #[must_use]
    pub fn new(name: &'static str, worker: Worker, sample: Sampler<'a>) -> Self {
        Self {
            name,
            observed: Observed::default(),
            micros: 0,
            counters: Counters::default(),
            worker,
            sample,
            turns: 0,
        }
    }

    /// Runs for one span.
    ///
    /// # Errors
    /// [`BenchError`] when the work panicked.
    pub async fn turn(&mut self, clock: &Arc<dyn Clock>, span: Span) -> Result<(), BenchError> {
        self.turns += 1;
        match &mut self.worker {
            Worker::Callers(callers, pace) => {
                let taken = std::mem::take(callers);
                let loaded = load::run(taken, clock, *pace, span, &self.sample).await;
                *callers = loaded.callers;
                self.observed.merge(&loaded.observed);
                self.micros += loaded.micros;
                self.counters.add(&loaded.samples.1.since(&loaded.samples.0));
            }
            Worker::Blocking(work) => {
                let Some(taken) = work.take() else { return Ok(()) };
                let before = (self.sample)();
                let (given, observed, micros) = run_blocking(taken, clock, span).await?;
                *work = Some(given);
                self.observed.merge(&observed);
                self.micros += micros;
                self.counters.add(&(self.sample)().since(&before));
            }
        }
        Ok(())
    }

    /// Operations a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        crate::report::as_float(self.observed.operations) * 1e6
            / crate::report::as_float(self.micros.max(1))
    }
}

/// Lets everyone run for `micros` each in turns of `turn_micros`; the first turn warms up for
/// `warm_up_micros`, later ones for a tenth of that.
///
/// # Errors
/// [`BenchError`].
pub async fn run(
    contestants: &mut [Contestant<'_>],
    clock: &Arc<dyn Clock>,
    span: Span,
    turn_micros: u64,
) -> Result<(), BenchError> {
    let turns = (span.micros / turn_micros.max(1)).max(1);
    for turn in 0..turns {
        let warm_up_micros = if turn == 0 { span.warm_up_micros } else { span.warm_up_micros / 10 };
        for contestant in &mut *contestants {
            let span = Span { warm_up_micros, micros: span.micros / turns };
            contestant.turn(clock, span).await?;
        }
    }
    Ok(())
}
