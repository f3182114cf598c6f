//! FHIR documents as the requests that a client would make of them.

use crate::client::http::{Question, encoded};
use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

const CONTENT_TYPE: &str = "application/fhir+json";

/// What of a document decides where it goes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Head {
    #[serde(rename = "resourceType")]
    resource_type: Option<String>,
    id: Option<String>,
    /// `Bundle.type`; of other resources it can be anything.
    #[serde(rename = "type")]
    kind: Value,
}

/// The request for a document, below the path of the FHIR interface; `None` when it is no resource.
/// What is not JSON goes to the node, which keeps it for a person.
pub(crate) fn question(base: &str, name: &str, line: u64, bytes: Vec<u8>) -> Option<Question> {
    let key = key(name, line, &bytes);
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return None;
    }
    let (method, path) = match serde_json::from_slice::<Head>(&bytes) {
        Ok(head) => target(head)?,
        Err(error) if error.is_data() => return None,
        Err(_) => (Method::POST, String::new()),
    };
    let mut question = Question::new(method, format!("{base}{path}"), Bytes::from(bytes));
    question.content_type = CONTENT_TYPE;
    question.key = Some(key);
    Some(question)
}

fn target(head: Head) -> Option<(Method, String)> {
    let resource_type = head.resource_type.filter(|name| !name.is_empty())?;
    let kind = head.kind.as_str().unwrap_or_default();
    if resource_type == "Bundle" && matches!(kind, "transaction" | "batch" | "collection") {
        return Some((Method::POST, String::new()));
    }
    Some(match head.id.filter(|id| !id.is_empty()) {
        Some(id) => (Method::PUT, format!("/{}/{}", encoded(&resource_type), encoded(&id))),
        None => (Method::POST, format!("/{}", encoded(&resource_type))),
    })
}

/// The command's name: the same document of the same place is the same command.
fn key(name: &str, line: u64, bytes: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(name.as_bytes());
    hash.update(b"\n");
    hash.update(line.to_le_bytes());
    hash.update(bytes);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_go_where_a_client_would_send_them() {
        let post = |path: &str| Some((Method::POST, format!("/fhir{path}")));
        let put = |path: &str| Some((Method::PUT, format!("/fhir{path}")));
        let cases = [
            (r#"{"resourceType":"Patient","id":"a b"}"#, put("/Patient/a%20b")),
            (r#"{"resourceType":"Observation"}"#, post("/Observation")),
            (r#"{"resourceType":"Bundle","type":"transaction","id":"x"}"#, post("")),
            (r#"{"resourceType":"Bundle","type":"collection"}"#, post("")),
            (r#"{"resourceType":"Bundle","type":"searchset","id":"x"}"#, put("/Bundle/x")),
            (r#"{"resourceType":"Organization","type":[{"text":"t"}]}"#, post("/Organization")),
            (r#"{"resourceType":"Patient""#, post("")),
            (r#"{"tests":[]}"#, None),
            (r#"["x"]"#, None),
        ];
        for (text, expected) in cases {
            let question = question("/fhir", "f", 0, text.as_bytes().to_vec());
            let found = question.map(|question| (question.method, question.path));
            assert_eq!(found, expected, "{text}");
        }
        assert_ne!(key("f", 0, b"x"), key("f", 1, b"x"));
        assert_eq!(key("f", 0, b"x").len(), 64);
    }
}
