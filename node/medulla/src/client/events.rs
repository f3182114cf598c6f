//! Server-sent events of a node: one JSON object each.

use crate::client::http::Question;
use crate::client::remote::{Api, refusal};
use crate::failure::Failure;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

/// Bytes of one event.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// A stream of events.
pub(crate) struct Events {
    body: Incoming,
    decoder: Decoder,
}

impl Events {
    /// Opens a stream.
    pub(crate) async fn open(api: &Api, path: &str) -> Result<Self, Failure> {
        let opened = api.http.open(Question::get(path)).await;
        let response = opened.map_err(|error| api.unreachable(&error))?;
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        if status != 200 {
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let answer = crate::client::http::Answer { status, headers: parts.headers, body };
            return Err(refusal(&answer));
        }
        Ok(Self { body, decoder: Decoder::default() })
    }

    /// The next event; `None` when the stream ended. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(event) = self.decoder.next() {
                return Some(event);
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.decoder.push(&data)?;
            }
        }
    }
}

/// Takes bytes, gives the data of whole events.
#[derive(Debug, Default)]
struct Decoder {
    held: BytesMut,
}

impl Decoder {
    /// `None` when an event is too large.
    fn push(&mut self, bytes: &Bytes) -> Option<()> {
        self.held.extend_from_slice(bytes);
        (self.held.len() <= EVENT_BYTES_MAX).then_some(())
    }

    fn next(&mut self) -> Option<Value> {
        loop {
            let end = self.held.windows(2).position(|window| window == b"\n\n")?;
            let event = self.held.split_to(end + 2);
            let text = String::from_utf8_lossy(&event);
            let data: Vec<&str> =
                text.lines().filter_map(|line| line.strip_prefix("data:")).collect();
            // Comments keep the connection open and carry nothing.
            if let Ok(value) = serde_json::from_str(&data.join("\n")) {
                return Some(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_come_out_whole_however_they_arrive() {
        let text = ": hello\n\ndata: {\"a\":1}\n\nevent: x\ndata: {\"b\":\ndata: 2}\n\n:\n\n";
        for size in [1, 3, 7, 100] {
            let mut decoder = Decoder::default();
            let mut found = Vec::new();
            for chunk in text.as_bytes().chunks(size) {
                decoder.push(&Bytes::copy_from_slice(chunk)).unwrap();
                found.extend(std::iter::from_fn(|| decoder.next()));
            }
            assert_eq!(found, [json!({"a": 1}), json!({"b": 2})], "{size}");
        }
    }
}
