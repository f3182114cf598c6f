//! Sends the generated day to the node, as fast as it takes it: every line of messages in order
//! over one connection, lines at the same time, hour after hour.

use super::generator::{Body, Expected, Message};
use super::limits::LANES;
use crate::client::delivery::{self, Fate};
use crate::client::http::{Http, Question};
use crate::client::mllp::Mllp;
use crate::failure::Failure;
use crate::progress::Progress;
use bytes::Bytes;
use hyper::Method;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::task::JoinSet;

/// What became of the messages.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) messages: u64,
    pub(crate) repeats: u64,
    /// Quarantined, by code.
    pub(crate) quarantined: BTreeMap<String, u64>,
    /// What a sound node does not do: what was sent and what came back.
    pub(crate) unexpected: BTreeMap<String, u64>,
}

const GOOD_MESSAGE: &str = "a good message";
const TAKEN_AS_REPEAT: &str = "taken as a repeat";

impl Sent {
    fn note(&mut self, expected: Expected, fate: Fate) {
        self.messages += 1;
        match (expected, fate) {
            (Expected::Taken, Fate::Accepted) => {}
            (Expected::Repeated, Fate::Accepted | Fate::Duplicate) => self.repeats += 1,
            (Expected::Quarantined, Fate::Quarantined(code)) => {
                *self.quarantined.entry(code).or_default() += 1;
            }
            (expected, fate) => {
                let what = match fate {
                    Fate::Accepted => "accepted".to_owned(),
                    Fate::Duplicate => TAKEN_AS_REPEAT.to_owned(),
                    Fate::Quarantined(code) => format!("quarantined with {code}"),
                    Fate::Failed(reason) => format!("failed with {reason}"),
                };
                let sent = match expected {
                    Expected::Taken => GOOD_MESSAGE,
                    Expected::Repeated => "a repeat",
                    Expected::Quarantined => "a broken message",
                };
                *self.unexpected.entry(format!("{sent} was {what}")).or_default() += 1;
            }
        }
    }

    /// Good messages that were answered as repeats: right after a kill, when the first answer was
    /// lost with the node and the message was sent on again under its id (ONCE-1). They are not
    /// unexpected then.
    pub(crate) fn take_repeated(&mut self) -> u64 {
        self.unexpected.remove(&format!("{GOOD_MESSAGE} was {TAKEN_AS_REPEAT}")).unwrap_or(0)
    }

    fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.repeats += other.repeats;
        for (code, count) in other.quarantined {
            *self.quarantined.entry(code).or_default() += count;
        }
        for (what, count) in other.unexpected {
            *self.unexpected.entry(what).or_default() += count;
        }
    }
}

/// The connections, each with what it still has to send.
pub(crate) struct Replay {
    lanes: Vec<Lane>,
    progress: Arc<Progress>,
    pub(crate) sent: Sent,
}

struct Lane {
    mllp: Mllp,
    http: Http,
    waiting: VecDeque<Message>,
    sent: Sent,
}

impl Replay {
    /// Divides messages, which are in the order of sending, among connections.
    pub(crate) fn new(
        messages: Vec<Message>,
        mllp: &str,
        http: &Http,
        progress: Arc<Progress>,
    ) -> Self {
        let lane = |_| Lane {
            mllp: Mllp::new(mllp.to_owned()),
            http: http.clone(),
            waiting: VecDeque::new(),
            sent: Sent::default(),
        };
        let mut lanes: Vec<Lane> = (0..LANES).map(lane).collect();
        for message in messages {
            if let Some(lane) = lanes.get_mut(message.line % LANES) {
                lane.waiting.push_back(message);
            }
        }
        Self { lanes, progress, sent: Sent::default() }
    }

    /// Sends everything before this second and waits for the answers.
    ///
    /// # Errors
    /// [`Failure::Failed`] when a task ended by a panic.
    pub(crate) async fn until(&mut self, second: i64) -> Result<(), Failure> {
        let mut tasks = JoinSet::new();
        for mut lane in self.lanes.drain(..) {
            let progress = Arc::clone(&self.progress);
            tasks.spawn(async move {
                lane.until(second, &progress).await;
                lane
            });
        }
        while let Some(ended) = tasks.join_next().await {
            let mut lane = ended.map_err(|_| Failure::failed("a task ended by a panic"))?;
            self.sent.add(std::mem::take(&mut lane.sent));
            self.lanes.push(lane);
        }
        Ok(())
    }
}

impl Lane {
    async fn until(&mut self, second: i64, progress: &Progress) {
        while self.waiting.front().is_some_and(|message| message.sent_at < second) {
            let Some(message) = self.waiting.pop_front() else { return };
            let fate = match message.body {
                Body::Hl7(bytes) => self.mllp.deliver(&bytes).await,
                Body::Http(call) => {
                    let method = if call.method == "PUT" { Method::PUT } else { Method::POST };
                    let mut question = Question::new(method, call.path, Bytes::from(call.body));
                    question.content_type = "application/fhir+json";
                    question.key = Some(call.key);
                    let delivered = delivery::deliver(&self.http, question).await;
                    match delivered.refused_entries.into_iter().next() {
                        Some(code) => Fate::Quarantined(code),
                        None => delivered.fate,
                    }
                }
            };
            self.sent.note(message.expected, fate);
            progress.add(1, &String::new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_sound_node_does_is_expected() {
        let mut sent = Sent::default();
        let code = || "MED-HL7-009".to_owned();
        sent.note(Expected::Taken, Fate::Accepted);
        sent.note(Expected::Repeated, Fate::Duplicate);
        sent.note(Expected::Repeated, Fate::Accepted);
        sent.note(Expected::Quarantined, Fate::Quarantined(code()));
        assert!(sent.unexpected.is_empty());
        sent.note(Expected::Taken, Fate::Quarantined(code()));
        sent.note(Expected::Quarantined, Fate::Accepted);
        sent.note(Expected::Taken, Fate::Duplicate);
        let mut total = Sent::default();
        total.add(sent);
        assert_eq!((total.messages, total.repeats), (7, 2));
        assert_eq!(total.quarantined["MED-HL7-009"], 1);
        let unexpected: Vec<&str> = total.unexpected.keys().map(String::as_str).collect();
        assert_eq!(
            unexpected,
            [
                "a broken message was accepted",
                "a good message was quarantined with MED-HL7-009",
                "a good message was taken as a repeat",
            ]
        );
    }
}
