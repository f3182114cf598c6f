//! Randomness as a value that is handed in. Distributions are not here.

/// A source of uniformly random bits, shared by reference.
pub trait Rng: Send + Sync + 'static {
    /// Next 64 random bits.
    fn next_u64(&self) -> u64;

    /// Fills the whole buffer with random bytes.
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let bytes = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}
