//! Scores for people: each part with its points, the value used, its age and where it came from.

use super::words::{age_at, at, list, points, quantity, time_at};
use crate::screen::{Colour, Screen, Table};
use serde_json::Value;

/// Characters of a message's digest that a person needs.
const DIGEST_SHOWN: usize = 12;

/// Prints the explanations.
pub(crate) fn print(screen: &Screen, view: &Value) {
    screen.say(format!("scores of {}", at(view, "/patient")));
    for explanation in list(view, "/explanations") {
        one(screen, explanation);
    }
}

fn one(screen: &Screen, explanation: &Value) {
    screen.say("");
    let title = format!("{} {}", at(explanation, "/model"), points(explanation));
    screen.say(format!(
        "{}  {}  as of {}  model version {}",
        screen.paint(Colour::Bold, &title),
        screen.paint_band(&at(explanation, "/band")),
        time_at(explanation, "/as_of"),
        at(explanation, "/model_version"),
    ));
    let mut table = Table::new(&["part", "points", "value", "age", "source", "message"]);
    for part in list(explanation, "/parts") {
        let missing = at(part, "/missing");
        let points = if missing.is_empty() { at(part, "/points") } else { missing };
        let inputs = list(part, "/inputs");
        if inputs.is_empty() {
            table.row([at(part, "/parameter"), points.clone()]);
        }
        for (index, input) in inputs.iter().enumerate() {
            let is_first = index == 0;
            let (name, points) = if is_first {
                (at(part, "/parameter"), points.clone())
            } else {
                (String::new(), String::new())
            };
            let digest: String = at(input, "/message").chars().take(DIGEST_SHOWN).collect();
            let message = format!("{digest} {}", at(input, "/position"));
            let value = format!("{} {}", at(input, "/measure"), quantity(input));
            let age = age_at(input, "/age_seconds");
            let source = at(input, "/source");
            table.row([name, points, value, age, source, message.trim().to_owned()]);
        }
    }
    table.print(screen);
    if let Some(alert) = explanation.get("alert") {
        screen.say(format!(
            "alert {}: {}, {} since {}",
            at(alert, "/id"),
            screen.paint_band(&at(alert, "/severity")),
            at(alert, "/status"),
            time_at(alert, "/raised_at"),
        ));
    }
}
