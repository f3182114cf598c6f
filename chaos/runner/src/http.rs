//! A minimal HTTP/1.1 client of our own: one request, one connection.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What the node answered.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).context("body is not JSON")
    }
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Result<Response> {
    request(address, "GET", path, &[], None)
}

pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Result<Response> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         X-Medulla-Purpose: TREAT\r\nX-Medulla-Principal: chaos\r\n"
    );
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n")?;
    }
    let body = body.unwrap_or_default();
    write!(head, "Content-Length: {}\r\n\r\n", body.len())?;
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    parse(&reply)
}

fn parse(reply: &[u8]) -> Result<Response> {
    let split = reply.windows(4).position(|window| window == b"\r\n\r\n");
    let split = split.context("response without a head")?;
    let head = String::from_utf8_lossy(&reply[..split]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.context("response without a status")?;
    let rest = &reply[split + 4..];
    let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if is_chunked { unchunk(rest)? } else { rest.to_vec() };
    Ok(Response { status, body })
}

fn unchunk(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n");
        let line = line.context("chunk without a length")?;
        let digits = String::from_utf8_lossy(&rest[..line]).into_owned();
        let length = usize::from_str_radix(digits.split(';').next().unwrap_or("").trim(), 16)?;
        rest = &rest[line + 2..];
        if length == 0 {
            return Ok(body);
        }
        if rest.len() < length + 2 {
            bail!("cut chunk");
        }
        body.extend_from_slice(&rest[..length]);
        rest = &rest[length + 2..];
    }
}
