//! One FHIR request brought to the node, with retries, and what the answer means.

use crate::client::http::{Answer, Http, NoAnswer, Question};
use crate::client::mllp::code_in;
use crate::client::retry;
use serde::Deserialize;
use serde_json::Value;

/// Bytes of an answer that are searched for a code.
const CODE_BYTES_MAX: usize = 64 * 1024;

/// What became of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    Accepted,
    Duplicate,
    /// Kept by the node, with the code of the reason.
    Quarantined(String),
    /// Neither taken nor kept, with the reason.
    Failed(String),
}

/// What became of a document, with the codes of entries that were refused within it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) fate: Fate,
    pub(crate) refused_entries: Vec<String>,
}

/// Sends a document; waits and tries again when the node is busy or the connection breaks.
pub(crate) async fn deliver(http: &Http, question: Question) -> Delivered {
    let mut tried = 0;
    loop {
        let (wait, reason) = match http.ask(question.clone()).await {
            Ok(answer) if answer.is_transient() => {
                let reason = code_of(&answer).unwrap_or_else(|| format!("HTTP {}", answer.status));
                (retry::wait_before(tried, answer.retry_after()), reason)
            }
            Ok(answer) => return judge(&answer),
            Err(NoAnswer::Malformed) => return failed(NoAnswer::Malformed.to_string()),
            Err(error) => (retry::wait_before(tried, None), error.to_string()),
        };
        let Some(wait) = wait else { return failed(reason) };
        tried += 1;
        tokio::time::sleep(wait).await;
    }
}

fn failed(reason: String) -> Delivered {
    Delivered { fate: Fate::Failed(reason), refused_entries: Vec::new() }
}

fn judge(answer: &Answer) -> Delivered {
    let is_done = (200..300).contains(&answer.status);
    if is_done {
        let is_repeat = answer.header("x-medulla-duplicate") == Some("true");
        let fate = if is_repeat { Fate::Duplicate } else { Fate::Accepted };
        return Delivered { fate, refused_entries: refused_entries(&answer.body) };
    }
    let code = code_of(answer).unwrap_or_else(|| format!("HTTP {}", answer.status));
    let is_kept = answer.header("x-medulla-quarantine").is_some();
    let fate = if is_kept { Fate::Quarantined(code) } else { Fate::Failed(code) };
    Delivered { fate, refused_entries: Vec::new() }
}

fn code_of(answer: &Answer) -> Option<String> {
    let head = answer.body.get(..CODE_BYTES_MAX).unwrap_or(&answer.body);
    code_in(&String::from_utf8_lossy(head))
}

#[derive(Deserialize)]
struct Bundle {
    #[serde(default)]
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    response: Option<EntryResponse>,
}

#[derive(Deserialize)]
struct EntryResponse {
    #[serde(default)]
    status: String,
    #[serde(default)]
    outcome: Value,
}

/// The codes of entries of a batch that were refused while others were taken.
fn refused_entries(body: &[u8]) -> Vec<String> {
    let Ok(bundle) = serde_json::from_slice::<Bundle>(body) else { return Vec::new() };
    let responses = bundle.entry.into_iter().filter_map(|entry| entry.response);
    responses
        .filter(|response| response.status.starts_with(['4', '5']))
        .map(|response| code_in(&response.outcome.to_string()).unwrap_or(response.status))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use hyper::header::{HeaderMap, HeaderValue};

    #[test]
    fn answers_are_judged() {
        let answer = |status: u16, header: Option<(&'static str, &'static str)>, body: &str| {
            let mut headers = HeaderMap::new();
            if let Some((name, value)) = header {
                headers.insert(name, HeaderValue::from_static(value));
            }
            let body = Bytes::copy_from_slice(body.as_bytes());
            judge(&Answer { status, headers, body })
        };
        assert_eq!(answer(201, None, "").fate, Fate::Accepted);
        assert_eq!(answer(200, Some(("x-medulla-duplicate", "true")), "").fate, Fate::Duplicate);
        let outcome = r#"{"issue":[{"diagnostics":"MED-FHIR-002 at Patient.name: no list"}]}"#;
        let kept = answer(422, Some(("x-medulla-quarantine", "7")), outcome).fate;
        assert_eq!(kept, Fate::Quarantined("MED-FHIR-002".to_owned()));
        assert_eq!(answer(412, None, "").fate, Fate::Failed("HTTP 412".to_owned()));
        let batch = r#"{"resourceType":"Bundle","entry":[{"response":{"status":"201 Created"}},
            {"response":{"status":"422",
            "outcome":{"issue":[{"diagnostics":"MED-FHIR-002 x"}]}}}]}"#;
        let delivered = answer(200, None, batch);
        assert_eq!(delivered.fate, Fate::Accepted);
        assert_eq!(delivered.refused_entries, ["MED-FHIR-002"]);
    }
}
