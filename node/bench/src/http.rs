//! As little HTTP/1.1 as measuring takes: one kept connection, a request made of bytes, an answer
//! with a length or in chunks. The generator's CPU time is part of every figure, so this does
//! nothing that is not needed.

use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes of one answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;

/// A kept connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body, chunks as they came.
    pub body: Vec<u8>,
}

impl Answer {
    /// What to count a refusal as: the node's code, else the status.
    #[must_use]
    pub fn code(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        code_in(&text).unwrap_or_else(|| format!("http-{}", self.status))
    }
}

/// The first stable code in a text.
#[must_use]
pub fn code_in(text: &str) -> Option<String> {
    let rest = text.get(text.find("MED-")?..)?;
    let is_code = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
    let end = rest.find(|c: char| !is_code(c)).unwrap_or(rest.len());
    Some(rest.get(..end)?.trim_end_matches('-').to_owned())
}

/// A request without a body.
#[must_use]
pub fn get(path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nhost: node\r\nx-medulla-principal: bench\r\n\
         x-medulla-purpose: TREAT\r\n\r\n"
    )
    .into_bytes()
}

/// A request with a body of this type; `method` is `POST` or `PUT`.
#[must_use]
pub fn send(method: &str, path: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: node\r\nx-medulla-principal: bench\r\n\
         x-medulla-purpose: TREAT\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// What the system says.
    pub async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(READ_BYTES) })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// What the system says; `InvalidData` for an answer that is not HTTP.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(request).await?;
        self.received.clear();
        loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(answer) = parse(&self.received)? {
                return Ok(answer);
            }
            if self.received.len() > ANSWER_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }
}

/// The answer, once it is complete.
fn parse(received: &[u8]) -> io::Result<Option<Answer>> {
    let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let (head, body) = (&received[..end], &received[end + 4..]);
    let head = std::str::from_utf8(head).map_err(|_| io::ErrorKind::InvalidData)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status: u16 = status.ok_or(io::ErrorKind::InvalidData)?;
    let header = |name: &str| {
        let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let is_complete = match header("content-length") {
        Some(length) => {
            let length: usize = length.parse().map_err(|_| io::ErrorKind::InvalidData)?;
            body.len() >= length
        }
        None if header("transfer-encoding").is_some() => body.ends_with(b"0\r\n\r\n"),
        None => true,
    };
    Ok(is_complete.then(|| Answer { status, body: body.to_vec() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_complete_when_their_body_is() {
        let head = "HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(parse(head.as_bytes()).unwrap(), None);
        let whole = parse(format!("{head}hello").as_bytes()).unwrap().unwrap();
        assert_eq!((whole.status, whole.body.as_slice()), (201, b"hello".as_slice()));
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n";
        assert_eq!(parse(chunked.as_bytes()).unwrap(), None);
        assert!(parse(format!("{chunked}0\r\n\r\n").as_bytes()).unwrap().is_some());
        assert!(parse(b"SSH-2.0\r\n\r\n").is_err());
        assert_eq!(parse(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().status, 204);
    }

    #[test]
    fn refusals_are_counted_by_their_code() {
        let refused = |body: &str| Answer { status: 503, body: body.as_bytes().to_vec() }.code();
        assert_eq!(refused("{\"code\": \"MED-NODE-001\"}"), "MED-NODE-001");
        assert_eq!(refused("busy"), "http-503");
    }
}
