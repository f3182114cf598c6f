//! The end of the demo: what was sent, what the node made of it, and whether both checks passed.

use super::outcome::Held;
use super::replay::Sent;
use crate::commands::words::at;
use crate::failure::Failure;
use crate::screen::{Colour, Screen};
use serde_json::{Value, json};

/// What the demo has to say.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    pub(crate) sent: Sent,
    pub(crate) held: Held,
    /// Where the node's census is not the true one.
    pub(crate) differences: Vec<String>,
    pub(crate) hours: u32,
    pub(crate) seconds: f64,
    /// Of these, while messages were sent.
    pub(crate) sending_seconds: f64,
}

/// What the check of the audit log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) ok: bool,
    pub(crate) records: u64,
    pub(crate) shards: usize,
    pub(crate) first_bad: Option<String>,
}

impl Verified {
    /// The answer of a running node.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it is something else.
    pub(crate) fn of(answer: &Value) -> Result<Self, Failure> {
        let number = |name: &str| answer.get(name).and_then(Value::as_u64);
        let malformed = || Failure::failed("the node's answer about its audit log is malformed");
        let first_bad = answer.get("first_bad").filter(|bad| !bad.is_null());
        Ok(Self {
            ok: answer.get("ok").and_then(Value::as_bool).ok_or_else(malformed)?,
            records: number("records").ok_or_else(malformed)?,
            shards: number("shards").and_then(|n| n.try_into().ok()).ok_or_else(malformed)?,
            first_bad: first_bad
                .map(|bad| format!("shard {} index {}", at(bad, "/shard"), at(bad, "/index"))),
        })
    }
}

/// Lines of one list of problems.
const PROBLEMS_SHOWN_MAX: usize = 10;

impl Summary {
    /// Says it, with the two checks as the last lines, and fails when one failed.
    ///
    /// # Errors
    /// [`Failure::Checked`].
    pub(crate) fn conclude(&self, screen: &Screen, verified: &Verified) -> Result<(), Failure> {
        self.print(screen, verified);
        let is_exact = self.differences.is_empty();
        let good = |words: &str| screen.paint(Colour::Green, words);
        let bad = |words: &str| screen.paint(Colour::Red, words);
        let unexpected = self.sent.unexpected.iter();
        for (what, count) in unexpected.clone().take(PROBLEMS_SHOWN_MAX) {
            screen.say(format!("{} {count} times: {what}", bad("unexpected")));
        }
        for difference in self.differences.iter().take(PROBLEMS_SHOWN_MAX) {
            screen.say(format!("  {difference}"));
        }
        let hours = self.hours;
        screen.say(if is_exact {
            format!("{}: every ward of every hour, {hours} hours", good("census exact"))
        } else {
            format!("{} in {} of {hours} hours", bad("census wrong"), self.differences.len())
        });
        let Verified { ok, records, shards, first_bad } = verified;
        screen.say(if *ok {
            format!("{}: {records} records in {shards} shards", good("audit verified"))
        } else {
            let first = first_bad.as_deref().unwrap_or("only heads are wrong");
            format!("{}: first bad record: {first}", bad("audit log does not verify"))
        });
        screen.result(&self.json(verified));
        if *ok && is_exact && unexpected.count() == 0 { Ok(()) } else { Err(Failure::Checked) }
    }

    fn quarantined(&self) -> u64 {
        self.sent.quarantined.values().sum()
    }

    fn print(&self, screen: &Screen, verified: &Verified) {
        let Held { patients, observations, scores, alerts, open_alerts } = self.held;
        let messages = self.sent.messages;
        let codes: Vec<String> =
            self.sent.quarantined.iter().map(|(code, count)| format!("{code} x{count}")).collect();
        let rate = number(messages) / self.sending_seconds.max(0.001);
        let observation_rate = number(observations) / self.sending_seconds.max(0.001);
        let rows = [
            ("patients", patients.to_string()),
            ("messages", format!("{messages}, of these {} repeats", self.sent.repeats)),
            ("observations", observations.to_string()),
            ("scores", scores.to_string()),
            ("alerts", format!("{alerts}, of these {open_alerts} open")),
            ("quarantined", format!("{}: {}", self.quarantined(), codes.join(", "))),
            ("audit records", verified.records.to_string()),
            ("seconds", format!("{:.1}, sending {:.1}", self.seconds, self.sending_seconds)),
            ("rate", format!("{rate:.0} messages/s, {observation_rate:.0} observations/s")),
        ];
        screen.say("");
        for (name, value) in rows {
            screen.say(format!("{name:<14} {value}"));
        }
        screen.say("");
    }

    fn json(&self, verified: &Verified) -> Value {
        let Held { patients, observations, scores, alerts, .. } = self.held;
        json!({
            "patients": patients,
            "messages": self.sent.messages,
            "observations": observations,
            "scores": scores,
            "alerts": alerts,
            "quarantined": self.sent.quarantined,
            "unexpected": self.sent.unexpected,
            "census_exact": self.differences.is_empty(),
            "audit_records": verified.records,
            "audit_verified": verified.ok,
            "seconds": self.seconds,
        })
    }
}

/// A count as a float; counts here stay far below what a float holds exactly.
fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        Summary {
            sent: Sent::default(),
            held: Held { patients: 2, observations: 9, scores: 4, alerts: 1, open_alerts: 1 },
            differences: Vec::new(),
            hours: 1,
            seconds: 1.0,
            sending_seconds: 0.5,
        }
    }

    fn verified(ok: bool) -> Verified {
        Verified { ok, records: 12, shards: 16, first_bad: None }
    }

    #[test]
    fn programs_get_the_documented_keys() {
        let shown = summary().json(&verified(true));
        let keys = [
            "patients",
            "messages",
            "observations",
            "scores",
            "alerts",
            "audit_records",
            "audit_verified",
            "seconds",
        ];
        for key in keys {
            assert!(shown.get(key).is_some(), "{key}");
        }
    }

    #[test]
    fn every_failed_check_fails_the_demo() {
        let screen = Screen::new(false);
        assert_eq!(summary().conclude(&screen, &verified(true)), Ok(()));
        assert_eq!(summary().conclude(&screen, &verified(false)), Err(Failure::Checked));
        let mut wrong = summary();
        wrong.differences.push("hour 1".to_owned());
        assert_eq!(wrong.conclude(&screen, &verified(true)), Err(Failure::Checked));
        let mut odd = summary();
        odd.sent.unexpected.insert("a good message was failed".to_owned(), 1);
        assert_eq!(odd.conclude(&screen, &verified(true)), Err(Failure::Checked));
    }

    #[test]
    fn a_running_nodes_answer_is_read() {
        let answer = json!({"ok": false, "records": 3, "shards": 2,
            "first_bad": {"shard": 1, "index": 7}});
        let verified = Verified::of(&answer).unwrap();
        assert_eq!(verified.first_bad.as_deref(), Some("shard 1 index 7"));
        assert!(Verified::of(&json!({})).is_err());
    }
}
