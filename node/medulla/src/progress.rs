//! How far the work is: a bar where standard error is a terminal, otherwise a plain line now and
//! then.

use crate::screen::Screen;
use indicatif::{ProgressBar, ProgressStyle};
use node_env::Clock;
use node_env::real::RealClock;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Between two plain lines, microseconds.
const PLAIN_INTERVAL_MICROS: u64 = 5_000_000;
/// Between two drawings of a bar on which nothing moves, milliseconds.
const TICK_MS: u64 = 200;

/// Shows how far the work is.
pub(crate) struct Progress {
    screen: Screen,
    bar: Option<ProgressBar>,
    total: u64,
    done: AtomicU64,
    clock: RealClock,
    last_micros: AtomicU64,
}

impl Progress {
    pub(crate) fn new(screen: Screen, total: u64, unit: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total);
            let template = format!("{{bar:32}} {{pos}}/{{len}} {unit} {{elapsed_precise}} {{msg}}");
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.enable_steady_tick(Duration::from_millis(TICK_MS));
            bar
        });
        let (done, last_micros) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { screen, bar, total, done, clock: RealClock::new(), last_micros }
    }

    /// So many more are done.
    pub(crate) fn add(&self, count: u64, message: &dyn Fn() -> String) {
        let done = self.done.fetch_add(count, Ordering::Relaxed) + count;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(message());
            return;
        }
        let now = self.clock.monotonic_micros();
        let last = self.last_micros.load(Ordering::Relaxed);
        let is_due = now.saturating_sub(last) >= PLAIN_INTERVAL_MICROS;
        let swap =
            |to| self.last_micros.compare_exchange(last, to, Ordering::Relaxed, Ordering::Relaxed);
        if is_due && swap(now).is_ok() {
            self.screen.note(format!("{done}/{} {}", self.total, message()));
        }
    }

    /// A line for a person that does not tear the bar.
    pub(crate) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.screen.say(line)),
            None => self.screen.say(line),
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}
