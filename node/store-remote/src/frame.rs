//! Frames: how messages are told apart on a stream of bytes, with a checksum over each. What the
//! messages mean is in `message`. The layout is in the README.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::error::ProtocolError;
use crate::limits::{GREETING_BYTES_MAX, READ_BUFFER_BYTES};

/// Length and checksum, which come before everything that they speak of.
const PREFIX_BYTES: usize = 8;
/// Kind and request id, the first of what the length counts.
const HEAD_BYTES: usize = 9;

/// One message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    /// Which request it is or answers; 0 for messages that belong to none.
    pub(crate) id: u64,
    pub(crate) body: Bytes,
}

/// Appends a frame to what will be written.
pub(crate) fn put(out: &mut Vec<u8>, kind: u8, id: u64, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX_BYTES]);
    out.push(kind);
    out.extend_from_slice(&id.to_le_bytes());
    body(out);
    let (prefix, counted) = out[start..].split_at_mut(PREFIX_BYTES);
    // A length that does not fit says so to every peer: it is above any limit.
    let length = u32::try_from(counted.len()).unwrap_or(u32::MAX);
    prefix[..4].copy_from_slice(&length.to_le_bytes());
    prefix[4..].copy_from_slice(&crc32c::crc32c(counted).to_le_bytes());
}

/// Finds frames in what was read.
#[derive(Debug)]
pub(crate) struct FrameReader {
    buffer: BytesMut,
    frame_bytes_max: usize,
}

impl FrameReader {
    /// Takes small frames only, until [`FrameReader::allow`] is called.
    pub(crate) fn new() -> Self {
        Self { buffer: BytesMut::new(), frame_bytes_max: GREETING_BYTES_MAX }
    }

    /// Takes frames up to a length from now on.
    pub(crate) fn allow(&mut self, frame_bytes_max: usize) {
        self.frame_bytes_max = frame_bytes_max;
    }

    /// Reads what is there; gives 0 at the end of the stream. May be dropped while it waits.
    pub(crate) async fn fill(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> io::Result<usize> {
        // Grows with what came, not with what was announced.
        self.buffer.reserve(READ_BUFFER_BYTES.max(self.buffer.len()));
        stream.read_buf(&mut self.buffer).await
    }

    /// The next whole frame.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, ProtocolError> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
        let [a, b, c, d, e, f, g, h] = *prefix;
        let announced = u32::from_le_bytes([a, b, c, d]);
        let checksum = u32::from_le_bytes([e, f, g, h]);
        let length = usize::try_from(announced).unwrap_or(usize::MAX);
        if length < HEAD_BYTES {
            return Err(ProtocolError::Malformed { what: "a frame is too short" });
        }
        if length > self.frame_bytes_max {
            let bytes_max = self.frame_bytes_max;
            return Err(ProtocolError::FrameTooLarge { bytes: length, bytes_max });
        }
        if self.buffer.len() < PREFIX_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(PREFIX_BYTES);
        let mut body = self.buffer.split_to(length).freeze();
        if crc32c::crc32c(&body) != checksum {
            return Err(ProtocolError::Checksum);
        }
        let kind = body.get_u8();
        let id = body.get_u64_le();
        Ok(Some(Frame { kind, id, body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(bytes: &[u8], frame_bytes_max: usize) -> FrameReader {
        FrameReader { buffer: BytesMut::from(bytes), frame_bytes_max }
    }

    fn frame(kind: u8, id: u64, body: &'static [u8]) -> Frame {
        Frame { kind, id, body: Bytes::from_static(body) }
    }

    fn three() -> (Vec<Frame>, Vec<u8>) {
        let frames = vec![frame(1, 7, b"body"), frame(2, u64::MAX, b""), frame(3, 0, b"x")];
        let mut out = Vec::new();
        for frame in &frames {
            put(&mut out, frame.kind, frame.id, |out| out.extend_from_slice(&frame.body));
        }
        (frames, out)
    }

    #[test]
    fn frames_come_out_as_they_went_in_wherever_the_stream_is_split() {
        let (expected, bytes) = three();
        for split in 0..=bytes.len() {
            let mut reader = filled(&bytes[..split], 1_000);
            let mut found = Vec::new();
            while let Some(frame) = reader.next().unwrap() {
                found.push(frame);
            }
            reader.buffer.extend_from_slice(&bytes[split..]);
            while let Some(frame) = reader.next().unwrap() {
                found.push(frame);
            }
            assert_eq!(found, expected, "split at {split}");
        }
    }

    #[test]
    fn no_changed_byte_goes_unnoticed() {
        let mut bytes = Vec::new();
        put(&mut bytes, 1, 7, |out| out.extend_from_slice(b"body"));
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 0x10;
            let found = filled(&changed, 1_000).next();
            assert!(!matches!(found, Ok(Some(_))), "byte {position}: {found:?}");
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_its_bytes_come_lim_1() {
        for (announced, expected) in [(1_001_u32, true), (u32::MAX, true), (1_000, false)] {
            let bytes = [announced.to_le_bytes(), [0; 4]].concat();
            let found = filled(&bytes, 1_000).next();
            let refused = matches!(found, Err(ProtocolError::FrameTooLarge { .. }));
            assert_eq!(refused, expected, "{announced}: {found:?}");
        }
        let found = filled(&[8, 0, 0, 0, 0, 0, 0, 0], 1_000).next();
        assert!(matches!(found, Err(ProtocolError::Malformed { .. })));
    }
}
