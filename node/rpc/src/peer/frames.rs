//! Follows the frames of a cluster connection without copying them: a length of eight bytes, the
//! highest first, then that many bytes, whose first says which kind of message it is.
//!
//! The cluster crate tells nobody when a message has left and says only "closed" for a frame that
//! is too large; this meter tells both. It knows one fact of the crate's format (version 0.16).

use super::fault::PeerFault;

const LENGTH_BYTES: u8 = 8;
/// First byte of a frame of the cluster's own handshake.
const KIND_HANDSHAKE: u8 = 0x0A;
/// First byte of a frame for an actor: one of our batches.
const KIND_ACTOR: u8 = 0x12;
/// First byte of a frame of the cluster's own bookkeeping.
const KIND_CONTROL: u8 = 0x1A;

/// Where in a stream of frames we are.
#[derive(Debug, Default)]
pub(crate) struct FrameMeter {
    length: u64,
    length_bytes: u8,
    body_left: u64,
    is_kind_next: bool,
    is_actor: bool,
    /// Frames for actors that went by whole.
    pub(crate) actor_frames: u64,
}

impl FrameMeter {
    /// Takes the next bytes of the stream.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], frame_bytes_max: u64) -> Result<(), PeerFault> {
        while let Some((first, rest)) = bytes.split_first() {
            if self.length_bytes < LENGTH_BYTES {
                self.length = (self.length << 8) | u64::from(*first);
                self.length_bytes += 1;
                bytes = rest;
                if self.length_bytes == LENGTH_BYTES {
                    self.begin_body(frame_bytes_max)?;
                }
                continue;
            }
            if self.is_kind_next {
                self.is_kind_next = false;
                self.is_actor = *first == KIND_ACTOR;
                if !matches!(*first, KIND_HANDSHAKE | KIND_ACTOR | KIND_CONTROL) {
                    return Err(PeerFault::MalformedFrame);
                }
            }
            let skipped =
                usize::try_from(self.body_left).map_or(bytes.len(), |n| n.min(bytes.len()));
            bytes = &bytes[skipped..];
            self.body_left -= skipped as u64;
            if self.body_left == 0 {
                self.end_body();
            }
        }
        Ok(())
    }

    fn begin_body(&mut self, frame_bytes_max: u64) -> Result<(), PeerFault> {
        if self.length > frame_bytes_max {
            return Err(PeerFault::OversizedFrame);
        }
        self.body_left = self.length;
        self.is_kind_next = true;
        self.is_actor = false;
        if self.length == 0 {
            self.end_body();
        }
        Ok(())
    }

    fn end_body(&mut self) {
        self.actor_frames += u64::from(self.is_actor);
        self.length = 0;
        self.length_bytes = 0;
        self.is_kind_next = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, length: usize) -> Vec<u8> {
        let mut bytes = (length as u64).to_be_bytes().to_vec();
        bytes.resize(8 + length, kind);
        bytes
    }

    #[test]
    fn frames_are_counted_however_they_are_cut() {
        let stream = [
            frame(KIND_HANDSHAKE, 5),
            frame(KIND_ACTOR, 1),
            Vec::from([0; 8]),
            frame(KIND_CONTROL, 9),
            frame(KIND_ACTOR, 300),
        ]
        .concat();
        for size in [1, 2, 7, 8, 9, 100, stream.len()] {
            let mut meter = FrameMeter::default();
            for piece in stream.chunks(size) {
                assert_eq!(meter.feed(piece, 300), Ok(()), "pieces of {size}");
            }
            assert_eq!(meter.actor_frames, 2, "pieces of {size}");
        }
    }

    #[test]
    fn large_frames_and_other_bytes_are_refused() {
        let feed = |bytes: &[u8]| FrameMeter::default().feed(bytes, 300);
        assert_eq!(feed(&frame(KIND_ACTOR, 301)), Err(PeerFault::OversizedFrame));
        assert_eq!(feed(b"GET / HTTP/1.1\r\n"), Err(PeerFault::OversizedFrame));
        assert_eq!(feed(&frame(0x55, 3)), Err(PeerFault::MalformedFrame));
        assert_eq!(feed(&[0xFF; 8]), Err(PeerFault::OversizedFrame));
    }
}
