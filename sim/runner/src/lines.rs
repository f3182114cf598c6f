//! Clients of our own for MLLP and HTTP over simulated streams, so that the node's codecs are not
//! their own judges.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use node_env::{BoxedStream, Network};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const START_BLOCK: u8 = 0x0B;
const END_BLOCK: [u8; 2] = [0x1C, 0x0D];
/// Longest answer that a client takes, bytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// How long a client waits for a stream or an answer before it goes elsewhere.
pub(crate) const PATIENCE: Duration = Duration::from_secs(4);

/// A connection for HL7 v2 messages.
pub(crate) struct MllpLine {
    stream: BoxedStream,
}

/// What a node answered to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acknowledgement {
    /// MSA-1.
    pub(crate) code: String,
    /// Whether it says that the message was taken before.
    pub(crate) is_repeat: bool,
    /// MSA-2.
    pub(crate) control_id: String,
    /// The stable code in ERR, if there is one.
    pub(crate) error: Option<String>,
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

impl MllpLine {
    pub(crate) async fn open(network: &Arc<dyn Network>, address: &str) -> io::Result<Self> {
        Ok(Self { stream: within(network.connect(address)).await? })
    }

    /// Sends a message and waits for its acknowledgement.
    pub(crate) async fn exchange(&mut self, message: &[u8]) -> io::Result<Acknowledgement> {
        let mut frame = vec![START_BLOCK];
        frame.extend_from_slice(message);
        frame.extend_from_slice(&END_BLOCK);
        within(async {
            self.stream.write_all(&frame).await?;
            let mut reply = Vec::new();
            while !reply.ends_with(&END_BLOCK) {
                read_some(&mut self.stream, &mut reply).await?;
            }
            parse(&reply).ok_or_else(|| io::ErrorKind::InvalidData.into())
        })
        .await
    }
}

async fn read_some(stream: &mut BoxedStream, into: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 4096];
    let count = stream.read(&mut buffer).await?;
    if count == 0 || into.len() + count > ANSWER_BYTES_MAX {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    into.extend_from_slice(&buffer[..count]);
    Ok(())
}

fn parse(reply: &[u8]) -> Option<Acknowledgement> {
    let text = String::from_utf8_lossy(reply).into_owned();
    let segment = |name: &str| text.split('\r').find(|segment| segment.starts_with(name));
    let mut fields = segment("MSA|")?.split('|').skip(1).map(str::to_owned);
    let code = fields.next()?;
    let control_id = fields.next().unwrap_or_default();
    let is_repeat = fields.next().is_some_and(|note| !note.is_empty());
    let error = segment("ERR|").and_then(|error| {
        let start = error.find("MED-")?;
        let end = error[start..].find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        Some(error[start..end.map_or(error.len(), |end| start + end)].to_owned())
    });
    Some(Acknowledgement { is_repeat, code, control_id, error })
}

/// An answer over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// A request over HTTP/1.1 on a connection of its own.
pub(crate) struct HttpAsk<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) principal: &'a str,
    pub(crate) body: Option<Value>,
}

/// Sends a request and waits for the answer.
pub(crate) async fn http(
    network: &Arc<dyn Network>,
    address: &str,
    ask: HttpAsk<'_>,
) -> io::Result<HttpAnswer> {
    let body = ask.body.as_ref().map(Value::to_string).unwrap_or_default();
    let HttpAsk { method, path, principal, .. } = ask;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         x-medulla-principal: {principal}\r\nx-medulla-purpose: TREAT\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len(),
    );
    within(async {
        let mut stream = network.connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut reply = Vec::new();
        loop {
            if let Some(answer) = whole(&reply)? {
                return Ok(answer);
            }
            read_some(&mut stream, &mut reply).await?;
        }
    })
    .await
}

/// The answer, once all of it is there.
fn whole(reply: &[u8]) -> io::Result<Option<HttpAnswer>> {
    let text = String::from_utf8_lossy(reply);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(None) };
    let broken = || io::Error::from(io::ErrorKind::InvalidData);
    let status =
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.and_then(|length| length.trim().parse().ok()).ok_or_else(broken)?;
    if body.len() < length {
        return Ok(None);
    }
    let body = serde_json::from_str(body).unwrap_or(Value::Null);
    Ok(Some(HttpAnswer { status, body }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_are_read() {
        let reply = b"\x0bMSH|^~\\&|\rMSA|AE|C1\rERR|||207|E|MED-NODE-001^retry|L\r\x1c\r";
        let read = parse(reply).unwrap();
        assert_eq!((read.code.as_str(), read.control_id.as_str()), ("AE", "C1"));
        assert_eq!(read.error.as_deref(), Some("MED-NODE-001"));
    }

    #[test]
    fn an_answer_is_whole_when_its_length_is_there() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
        assert!(whole(head).unwrap().is_none());
        let answer = whole(&[&head[..], b"{\"a\":1}"].concat()).unwrap().unwrap();
        assert_eq!((answer.status, answer.body["a"].as_u64()), (200, Some(1)));
    }
}
