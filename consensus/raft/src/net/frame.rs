//! Frames: a length, a request id, a body. The length is checked before anything is allocated.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::limits::FRAME_BYTES_MAX;

/// Bytes before the body: length of the body and request id.
const HEADER_BYTES: usize = 12;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) id: u64,
    pub(crate) body: Vec<u8>,
}

impl Frame {
    fn header(&self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        let length = u32::try_from(self.body.len()).unwrap_or(u32::MAX);
        header[..4].copy_from_slice(&length.to_le_bytes());
        header[4..].copy_from_slice(&self.id.to_le_bytes());
        header
    }
}

/// Writes a frame without flushing.
pub(crate) async fn write(stream: &mut (impl AsyncWrite + Unpin), frame: &Frame) -> io::Result<()> {
    if frame.body.len() > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "frame is over the limit"));
    }
    stream.write_all(&frame.header()).await?;
    stream.write_all(&frame.body).await
}

/// Reads the next frame. Not to be dropped half way.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame> {
    let mut header = [0; HEADER_BYTES];
    stream.read_exact(&mut header).await?;
    let [a, b, c, d, id @ ..] = header;
    let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "frame is over the limit"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Frame { id: u64::from_le_bytes(id), body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_back_and_long_ones_are_refused() {
        let (mut near, mut far) = tokio::io::duplex(1 << 10);
        let frame = Frame { id: 9, body: b"body".to_vec() };
        write(&mut near, &frame).await.unwrap();
        assert_eq!(read(&mut far).await.unwrap(), frame);
        let long = Frame { id: 1, body: vec![0; FRAME_BYTES_MAX + 1] };
        assert_eq!(write(&mut near, &long).await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        near.write_all(&[0xFF; HEADER_BYTES]).await.unwrap();
        assert_eq!(read(&mut far).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
