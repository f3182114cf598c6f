//! A minimal MLLP client of our own, so that the node's codec is not its own judge.

use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const START_BLOCK: u8 = 0x0B;
const END_BLOCK: [u8; 2] = [0x1C, 0x0D];
const ANSWER_SECONDS_MAX: u64 = 20;

pub(crate) struct MllpClient {
    stream: TcpStream,
}

/// What the node answered.
pub(crate) struct Answer {
    /// MSA-1.
    pub(crate) code: String,
    /// MSA-2.
    pub(crate) control_id: String,
    /// The whole acknowledgement.
    pub(crate) text: String,
}

impl MllpClient {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(ANSWER_SECONDS_MAX)))?;
        stream.set_write_timeout(Some(Duration::from_secs(ANSWER_SECONDS_MAX)))?;
        Ok(Self { stream })
    }

    /// Whether the other side still holds the connection open, as far as this one has heard.
    pub(crate) fn is_open(&self) -> bool {
        let mut one = [0];
        let looked = self
            .stream
            .set_nonblocking(true)
            .and_then(|()| self.stream.peek(&mut one))
            .map_err(|error| error.kind());
        let is_blocking = self.stream.set_nonblocking(false).is_ok();
        is_blocking && looked == Err(std::io::ErrorKind::WouldBlock)
    }

    /// Sends one message and waits for its acknowledgement.
    pub(crate) fn exchange(&mut self, message: &str) -> Result<Answer> {
        let mut frame = vec![START_BLOCK];
        frame.extend_from_slice(message.as_bytes());
        frame.extend_from_slice(&END_BLOCK);
        self.stream.write_all(&frame)?;
        let mut reply = Vec::new();
        let mut buffer = [0; 4096];
        while !reply.ends_with(&END_BLOCK) {
            let read = self.stream.read(&mut buffer)?;
            if read == 0 {
                bail!("connection closed before the acknowledgement");
            }
            reply.extend_from_slice(&buffer[..read]);
        }
        parse(&reply)
    }
}

fn parse(reply: &[u8]) -> Result<Answer> {
    let text = String::from_utf8_lossy(reply).into_owned();
    let answer = text
        .split('\r')
        .find(|segment| segment.starts_with("MSA|"))
        .context("acknowledgement without MSA")?;
    let mut fields = answer.split('|').skip(1).map(str::to_owned);
    let code = fields.next().unwrap_or_default();
    let control_id = fields.next().unwrap_or_default();
    Ok(Answer { code, control_id, text })
}
