//! The patient view for people: who, where, newest values, scores, alerts.

use super::words::{age_at, at, list, points, quantity, time, time_at};
use crate::screen::{Colour, Screen, Table};
use serde_json::Value;

/// Prints the view.
pub(crate) fn print(screen: &Screen, view: &Value) {
    screen.say(head(screen, view));
    if let Some(into) = view.pointer("/merged_into/patient").and_then(Value::as_str) {
        screen.say(format!("this record was retired into {into}"));
    }
    for link in list(view, "/links") {
        screen.say(format!("record {} was retired into this one", at(link, "/retired")));
    }
    list(view, "/encounters").iter().for_each(|stay| screen.say(place(stay)));
    for device in list(view, "/devices") {
        let since = time_at(device, "/since");
        screen.say(format!("device {} since {since}", at(device, "/device")));
    }
    values(screen, list(view, "/latest"));
    scores(screen, list(view, "/scores"));
    alerts(screen, list(view, "/alerts/open"));
    records(screen, view);
}

fn head(screen: &Screen, view: &Value) -> String {
    let given: Vec<String> =
        list(view, "/demographics/name/given").iter().map(super::words::plain).collect();
    let name = format!("{}, {}", at(view, "/demographics/name/family"), given.join(" "));
    let name = if name == ", " { "(no name)".to_owned() } else { name };
    let mut parts = vec![screen.paint(Colour::Bold, &name), at(view, "/demographics/sex")];
    parts.push(at(view, "/demographics/birth_date"));
    parts.push(at(view, "/patient"));
    parts.push(at(view, "/registration"));
    parts.push(match (at(view, "/as_of"), at(view, "/known_at")) {
        (true_at, known_at) if true_at.is_empty() && known_at.is_empty() => String::new(),
        (true_at, known_at) if known_at.is_empty() => format!("as of {}", time(&true_at)),
        (true_at, known_at) => {
            format!("as of {}, as known at {}", time(&true_at), time(&known_at))
        }
    });
    parts.retain(|part| !part.is_empty());
    parts.join("  ")
}

fn place(stay: &Value) -> String {
    let parts = ["/location/ward", "/location/room", "/location/bed"].map(|part| at(stay, part));
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let facility = at(stay, "/location/facility");
    let mut words = format!("{} {}", at(stay, "/status"), at(stay, "/class"));
    if !parts.is_empty() || !facility.is_empty() {
        words.push_str(&format!(": {} at {facility}", parts.join(" / ")));
    }
    for (name, pointer) in [("since", "/started_at"), ("until", "/ended_at")] {
        let when = time_at(stay, pointer);
        if !when.is_empty() {
            words.push_str(&format!(", {name} {when}"));
        }
    }
    words
}

fn values(screen: &Screen, values: &[Value]) {
    if values.is_empty() {
        return;
    }
    screen.say("");
    let mut table = Table::new(&["newest value", "", "age", "source", ""]);
    for value in values {
        let is_future = value.pointer("/future_dated") == Some(&Value::Bool(true));
        let note = if is_future { screen.paint(Colour::Yellow, "future") } else { String::new() };
        let age = age_at(value, "/age_seconds");
        table.row([at(value, "/measure"), quantity(value), age, at(value, "/source"), note]);
    }
    table.print(screen);
}

fn scores(screen: &Screen, scores: &[Value]) {
    if scores.is_empty() {
        return;
    }
    screen.say("");
    let mut table = Table::new(&["score", "points", "band", "as of", "missing"]);
    for score in scores {
        let missing: Vec<String> = list(score, "/missing")
            .iter()
            .map(|part| format!("{} ({})", at(part, "/parameter"), at(part, "/missing")))
            .collect();
        let band = screen.paint_band(&at(score, "/band"));
        let as_of = time_at(score, "/as_of");
        table.row([at(score, "/model"), points(score), band, as_of, missing.join(", ")]);
    }
    table.print(screen);
}

/// A table of alerts.
pub(crate) fn alerts(screen: &Screen, alerts: &[Value]) {
    if alerts.is_empty() {
        return;
    }
    screen.say("");
    let mut table =
        Table::new(&["patient", "alert", "trigger", "severity", "status", "observed", "raised"]);
    for alert in alerts {
        table.row([
            at(alert, "/patient"),
            at(alert, "/id"),
            at(alert, "/trigger"),
            screen.paint_band(&at(alert, "/severity")),
            at(alert, "/status"),
            time_at(alert, "/observed_at"),
            time_at(alert, "/raised_at"),
        ]);
    }
    table.print(screen);
}

fn records(screen: &Screen, view: &Value) {
    let Some(records) = view.get("records").and_then(Value::as_object) else { return };
    if records.is_empty() {
        return;
    }
    screen.say("");
    for (kind, record) in records {
        let shown: Vec<String> = list(record, "/items")
            .iter()
            .map(|item| at(item, "/display"))
            .filter(|name| !name.is_empty())
            .take(3)
            .collect();
        let shown =
            if shown.is_empty() { String::new() } else { format!(": {}", shown.join(", ")) };
        screen.say(format!("{kind} {}{shown}", at(record, "/total")));
    }
}
