//! What the terminal shows while the day runs: wards filling hour by hour, and alerts as the node
//! raises them.

use super::generator::Ward;
use super::limits::ALERTS_SHOWN_MAX;
use crate::client::events::Events;
use crate::client::remote::Api;
use crate::commands::words::{at, time_at};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::screen::{Colour, Screen};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinHandle;

/// Width of the bar of one ward.
const BAR_WIDTH: u64 = 6;

/// Follows the alerts of a node and shows them.
pub(crate) struct AlertFeed {
    task: JoinHandle<()>,
    shown: Arc<Mutex<Shown>>,
}

#[derive(Debug, Default)]
struct Shown {
    known: BTreeSet<(String, String)>,
    this_hour: usize,
}

impl AlertFeed {
    /// Starts to follow.
    ///
    /// # Errors
    /// When the node refuses.
    pub(crate) async fn start(
        api: &Api,
        screen: Screen,
        progress: Arc<Progress>,
    ) -> Result<Self, Failure> {
        let mut events = Events::open(api, "/api/v1/alerts/watch").await?;
        let shown = Arc::new(Mutex::new(Shown::default()));
        let told = Arc::clone(&shown);
        let task = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                if told.is_news(&event) {
                    progress.say(&line(&screen, &event));
                }
            }
        });
        Ok(Self { task, shown })
    }

    /// A new hour; returns how many alerts of the last one were not shown.
    pub(crate) fn next_hour(&self) -> usize {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let more = shown.this_hour.saturating_sub(ALERTS_SHOWN_MAX);
        shown.this_hour = 0;
        more
    }

    /// Stops to follow.
    pub(crate) fn stop(self) {
        self.task.abort();
    }
}

impl Shown {
    /// Whether an event is about an alert not seen before that is to be shown.
    fn is_news(&mut self, event: &Value) -> bool {
        let (patient, id) = (at(event, "/patient"), at(event, "/id"));
        let is_alert = !patient.is_empty() && !id.is_empty();
        if !is_alert || at(event, "/status") == "resolved" || !self.known.insert((patient, id)) {
            return false;
        }
        self.this_hour += 1;
        self.this_hour <= ALERTS_SHOWN_MAX
    }
}

fn line(screen: &Screen, alert: &Value) -> String {
    let patient = at(alert, "/patient");
    let short = patient.rsplit('.').next().unwrap_or_default();
    let observed = time_at(alert, "/observed_at");
    let time = observed.get(11..16).unwrap_or_default();
    format!(
        "  alert {time}  {short}  {} {}  {}",
        at(alert, "/condition"),
        at(alert, "/trigger"),
        screen.paint_band(&at(alert, "/severity")),
    )
}

/// The line of an hour: every ward with a bar, its patients and its beds.
pub(crate) fn hour_line(
    screen: &Screen,
    time: &str,
    census: &BTreeMap<String, u64>,
    patients: usize,
) -> String {
    let wards = Ward::ALL.map(|ward| {
        let count = census.get(ward.code()).copied().unwrap_or(0);
        let beds = u64::try_from(ward.beds(patients)).unwrap_or(u64::MAX).max(1);
        let filled = (count * BAR_WIDTH).div_ceil(beds).min(BAR_WIDTH);
        let bar = |length: u64, mark: &str| mark.repeat(usize::try_from(length).unwrap_or(0));
        let bar = format!("{}{}", bar(filled, "#"), bar(BAR_WIDTH - filled, "."));
        let bar = if count * 10 >= beds * 9 { screen.paint(Colour::Yellow, &bar) } else { bar };
        format!("{} {bar} {count:>3}/{beds}", ward.code())
    });
    format!("{}  {}", screen.paint(Colour::Bold, time), wards.join("  "))
}

/// The wards of a census answer.
pub(crate) fn wards_of(answer: &Value) -> BTreeMap<String, u64> {
    let wards = answer.get("wards").and_then(Value::as_object);
    let counted = wards.into_iter().flatten();
    counted
        .filter_map(|(ward, count)| Some((ward.clone(), count.as_u64()?)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_alert_is_news_once_and_only_so_many_are_shown() {
        let mut shown = Shown::default();
        let event = |id: usize, status: &str| {
            let id = format!("news2-{id}");
            json!({"patient": "N.N1", "id": id, "status": status})
        };
        assert!(shown.is_news(&event(1, "active")));
        assert!(!shown.is_news(&event(1, "escalated")), "the same alert");
        assert!(!shown.is_news(&event(2, "resolved")));
        assert!(!shown.is_news(&json!({"lagged": true})));
        let news = (3..20).filter(|id| shown.is_news(&event(*id, "active"))).count();
        assert_eq!(news, ALERTS_SHOWN_MAX - 1);
    }

    #[test]
    fn an_hour_shows_every_ward() {
        let screen = Screen::new(true);
        let census = wards_of(&json!({"wards": {"ICU1": 3, "MED1": 0, "OPD": 0}}));
        assert_eq!(census.len(), 1, "empty wards are left out");
        let line = hour_line(&screen, "08:00", &census, 40);
        assert!(line.contains("ICU1") && line.contains("3/4") && line.contains("MED1"), "{line}");
    }
}
