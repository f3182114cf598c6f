//! The protocol spoken byte by byte, as the README has it and not as the crate does.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::net::Net;

pub(crate) const VERSION: u16 = 1;
pub(crate) const HELLO: u8 = 1;
pub(crate) const BEGIN: u8 = 2;
pub(crate) const GET: u8 = 3;
pub(crate) const RANGE: u8 = 4;
pub(crate) const COMMIT: u8 = 5;
pub(crate) const HEARTBEAT: u8 = 7;
pub(crate) const WELCOME: u8 = 65;
pub(crate) const FAREWELL: u8 = 66;

pub(crate) const FAREWELL_VERSION: u8 = 1;
pub(crate) const FAREWELL_NO_GREETING: u8 = 2;
pub(crate) const TOO_MANY_CLIENTS: u8 = 7;
pub(crate) const FAREWELL_PROTOCOL: u8 = 10;
pub(crate) const FAREWELL_SILENT: u8 = 11;

pub(crate) fn frame(kind: u8, id: u64, body: &[u8]) -> Vec<u8> {
    let counted = [&[kind][..], &id.to_le_bytes(), body].concat();
    let length = u32::try_from(counted.len()).unwrap();
    let checksum = crc32c::crc32c(&counted);
    [&length.to_le_bytes()[..], &checksum.to_le_bytes(), &counted].concat()
}

pub(crate) fn hello(version: u16, client_id: u128, incarnation: u64) -> Vec<u8> {
    let body = [
        &b"MEDSTORE"[..],
        &version.to_le_bytes(),
        &client_id.to_le_bytes(),
        &incarnation.to_le_bytes(),
        &7_u64.to_le_bytes(),
        &1_u64.to_le_bytes(),
    ];
    frame(HELLO, 0, &body.concat())
}

/// Kind, id and body of the frames in what was read; a last one that is cut is left out.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<(u8, u64, Vec<u8>)> {
    let mut found = Vec::new();
    while let Some(length) = bytes.first_chunk::<4>() {
        let end = 8 + usize::try_from(u32::from_le_bytes(*length)).unwrap();
        if end > bytes.len() {
            break;
        }
        let counted = &bytes[8..end];
        assert_eq!(bytes[4..8], crc32c::crc32c(counted).to_le_bytes());
        let id = u64::from_le_bytes(counted[1..9].try_into().unwrap());
        found.push((counted[0], id, counted[9..].to_vec()));
        bytes = &bytes[end..];
    }
    found
}

/// The farewell with which a connection ended.
pub(crate) fn farewell(bytes: &[u8]) -> Option<u8> {
    let (kind, _, body) = frames(bytes).pop()?;
    (kind == FAREWELL).then(|| body[0])
}

/// A connection on which a greeting was sent.
pub(crate) async fn dialled(net: &Net, client_id: u128, incarnation: u64) -> DuplexStream {
    let mut stream = net.dial().unwrap();
    stream.write_all(&hello(VERSION, client_id, incarnation)).await.unwrap();
    stream
}

/// A connection on which the greeting was answered.
pub(crate) async fn greeted(net: &Net, client_id: u128, incarnation: u64) -> DuplexStream {
    let mut stream = dialled(net, client_id, incarnation).await;
    let mut welcome = vec![0; 35];
    stream.read_exact(&mut welcome).await.unwrap();
    assert_eq!(frames(&welcome)[0].0, WELCOME);
    stream
}
