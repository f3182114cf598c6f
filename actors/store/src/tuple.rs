//! Order-preserving encoding of tuples, byte for byte FoundationDB's tuple layer for the types
//! used here, so that its tools can read our keys. Nested tuples and floats are not here.

use bytes::Bytes;

const CODE_BYTES: u8 = 0x01;
const CODE_TEXT: u8 = 0x02;
const CODE_ZERO: u8 = 0x14;
const CODE_FALSE: u8 = 0x26;
const CODE_TRUE: u8 = 0x27;
const CODE_VERSIONSTAMP: u8 = 0x32;
const ESCAPE: u8 = 0xFF;
const INTEGER_BYTES_MAX: u8 = 8;

/// Why bytes are not a tuple, or not the expected one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TupleError {
    /// The bytes end inside an element.
    #[error("tuple ends inside an element")]
    Truncated,
    /// The next element has another type than was asked for, or its value does not fit.
    #[error("tuple element is not {expected}")]
    Unexpected {
        /// What was asked for.
        expected: &'static str,
    },
    /// Elements are left over.
    #[error("tuple has further elements")]
    Trailing,
}

/// Builds a tuple element by element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TupleWriter {
    bytes: Vec<u8>,
}

impl TupleWriter {
    /// An empty tuple with room for `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity) }
    }

    /// Appends a text.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.escaped(CODE_TEXT, text.as_bytes());
        self
    }

    /// Appends a byte string.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.escaped(CODE_BYTES, bytes);
        self
    }

    /// Appends an unsigned integer.
    #[must_use]
    pub fn unsigned(mut self, number: u64) -> Self {
        let (count, skipped) = significant(number);
        self.bytes.push(CODE_ZERO + count);
        self.bytes.extend_from_slice(&number.to_be_bytes()[skipped..]);
        self
    }

    /// Appends a signed integer; encodes like the unsigned one of the same value.
    #[must_use]
    pub fn signed(mut self, number: i64) -> Self {
        if number >= 0 {
            return self.unsigned(number.unsigned_abs());
        }
        let magnitude = number.unsigned_abs();
        let (count, skipped) = significant(magnitude);
        self.bytes.push(CODE_ZERO - count);
        self.bytes.extend_from_slice(&(!magnitude).to_be_bytes()[skipped..]);
        self
    }

    /// Appends a truth value; false sorts before true.
    #[must_use]
    pub fn truth(mut self, truth: bool) -> Self {
        self.bytes.push(if truth { CODE_TRUE } else { CODE_FALSE });
        self
    }

    /// Appends a versionstamp, or the placeholder for one (see [`Self::placeholder_offset`]).
    #[must_use]
    pub fn versionstamp(mut self, stamp: &[u8; 10]) -> Self {
        self.bytes.push(CODE_VERSIONSTAMP);
        self.bytes.extend_from_slice(stamp);
        self
    }

    /// Offset at which the 10 bytes of a versionstamp appended next would start.
    #[must_use]
    pub fn placeholder_offset(&self) -> usize {
        self.bytes.len() + 1
    }

    /// The encoded tuple.
    #[must_use]
    pub fn finish(self) -> Bytes {
        Bytes::from(self.bytes)
    }

    fn escaped(&mut self, code: u8, bytes: &[u8]) {
        self.bytes.push(code);
        for &byte in bytes {
            self.bytes.push(byte);
            if byte == 0 {
                self.bytes.push(ESCAPE);
            }
        }
        self.bytes.push(0);
    }
}

/// How many low bytes of the number matter, and how many leading ones do not.
fn significant(number: u64) -> (u8, usize) {
    let skipped = number.leading_zeros() / 8;
    let count = u8::try_from(8 - skipped).unwrap_or(INTEGER_BYTES_MAX);
    (count, usize::from(INTEGER_BYTES_MAX - count))
}

/// Reads a tuple element by element.
#[derive(Debug, Clone, Copy)]
pub struct TupleReader<'a> {
    rest: &'a [u8],
}

impl<'a> TupleReader<'a> {
    /// A reader at the first element.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether no element is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Next element, a text.
    ///
    /// # Errors
    /// [`TupleError`].
    pub fn text(&mut self) -> Result<String, TupleError> {
        let bytes = self.escaped(CODE_TEXT, "a text")?;
        String::from_utf8(bytes).map_err(|_| TupleError::Unexpected { expected: "a text" })
    }

    /// Next element, a byte string.
    ///
    /// # Errors
    /// [`TupleError`].
    pub fn bytes(&mut self) -> Result<Vec<u8>, TupleError> {
        self.escaped(CODE_BYTES, "a byte string")
    }

    /// Next element, an unsigned integer.
    ///
    /// # Errors
    /// [`TupleError`].
    pub fn unsigned(&mut self) -> Result<u64, TupleError> {
        let number = self.integer()?;
        u64::try_from(number)
            .map_err(|_| TupleError::Unexpected { expected: "an unsigned integer" })
    }

    /// Next element, a signed integer.
    ///
    /// # Errors
    /// [`TupleError`].
    pub fn signed(&mut self) -> Result<i64, TupleError> {
        let number = self.integer()?;
        i64::try_from(number).map_err(|_| TupleError::Unexpected { expected: "a signed integer" })
    }

    /// Next element, a truth value.
    ///
    /// # Errors
    /// [`TupleError`].
    pub fn truth(&mut self) -> Result<bool, TupleError> {
        match self.code()? {
            CODE_FALSE => Ok(false),
            CODE_TRUE => Ok(true),
            _other => Err(TupleError::Unexpected { expected: "a truth value" }),
        }
    }

    /// Next element, a versionstamp.
    ///
    /// # Errors
    /// [`TupleError`].
    pub fn versionstamp(&mut self) -> Result<[u8; 10], TupleError> {
        if self.code()? != CODE_VERSIONSTAMP {
            return Err(TupleError::Unexpected { expected: "a versionstamp" });
        }
        let bytes = self.take(10)?;
        bytes.try_into().map_err(|_| TupleError::Truncated)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`TupleError::Trailing`] when elements are left.
    pub fn finish(self) -> Result<(), TupleError> {
        if self.rest.is_empty() { Ok(()) } else { Err(TupleError::Trailing) }
    }

    fn code(&mut self) -> Result<u8, TupleError> {
        let (&code, rest) = self.rest.split_first().ok_or(TupleError::Truncated)?;
        self.rest = rest;
        Ok(code)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], TupleError> {
        if self.rest.len() < count {
            return Err(TupleError::Truncated);
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }

    fn integer(&mut self) -> Result<i128, TupleError> {
        let code = self.code()?;
        let count = code.abs_diff(CODE_ZERO);
        if count > INTEGER_BYTES_MAX {
            return Err(TupleError::Unexpected { expected: "an integer" });
        }
        let taken = self.take(usize::from(count))?;
        let magnitude = taken.iter().fold(0_i128, |sum, &byte| (sum << 8) | i128::from(byte));
        if code >= CODE_ZERO {
            return Ok(magnitude);
        }
        Ok(magnitude - ((1_i128 << (8 * u32::from(count))) - 1))
    }

    fn escaped(&mut self, code: u8, expected: &'static str) -> Result<Vec<u8>, TupleError> {
        let found = self.code()?;
        if found != code {
            return Err(TupleError::Unexpected { expected });
        }
        let mut bytes = Vec::new();
        loop {
            let byte = self.code()?;
            if byte != 0 {
                bytes.push(byte);
            } else if self.rest.first() == Some(&ESCAPE) {
                self.rest = &self.rest[1..];
                bytes.push(0);
            } else {
                return Ok(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsigned(number: u64) -> Bytes {
        TupleWriter::default().unsigned(number).finish()
    }

    fn signed(number: i64) -> Bytes {
        TupleWriter::default().signed(number).finish()
    }

    fn text(text: &str) -> Bytes {
        TupleWriter::default().text(text).finish()
    }

    #[test]
    fn encodes_as_the_published_examples_of_the_tuple_layer() {
        assert_eq!(signed(-5_551_212).as_ref(), b"\x11\xab\x4b\x93");
        assert_eq!(unsigned(0).as_ref(), b"\x14");
        assert_eq!(unsigned(42).as_ref(), b"\x15\x2a");
        assert_eq!(
            TupleWriter::default().bytes(b"foo\x00bar").finish().as_ref(),
            b"\x01foo\x00\xffbar\x00"
        );
        assert_eq!(text("F\u{d4}O\u{0}bar").as_ref(), b"\x02F\xc3\x94O\x00\xffbar\x00");
    }

    #[test]
    fn integers_keep_their_order_and_come_back() {
        let numbers =
            [i64::MIN, i64::MIN + 1, -65_536, -65_535, -256, -255, -1, 0, 1, 255, 256, i64::MAX];
        for pair in numbers.windows(2) {
            assert!(signed(pair[0]) < signed(pair[1]), "{pair:?}");
        }
        for number in numbers {
            assert_eq!(TupleReader::new(&signed(number)).signed(), Ok(number));
        }
        for number in [0, 1, u64::MAX - 1, u64::MAX] {
            assert_eq!(TupleReader::new(&unsigned(number)).unsigned(), Ok(number));
        }
        assert!(unsigned(u64::MAX - 1) < unsigned(u64::MAX));
    }

    #[test]
    fn texts_keep_their_order_and_come_back() {
        let texts = ["", "\0", "\0\0", "\0a", "a", "a\0", "a\0b", "aa", "b"];
        for pair in texts.windows(2) {
            assert!(text(pair[0]) < text(pair[1]), "{pair:?}");
        }
        for value in texts {
            assert_eq!(TupleReader::new(&text(value)).text().as_deref(), Ok(value));
        }
    }

    #[test]
    fn wrong_bytes_are_errors() {
        let mut reader = TupleReader::new(b"\x02ab");
        assert_eq!(reader.text(), Err(TupleError::Truncated));
        let mut reader = TupleReader::new(b"\x1c\x01");
        assert_eq!(reader.unsigned(), Err(TupleError::Truncated));
        let mut reader = TupleReader::new(b"\x99");
        assert!(reader.signed().is_err());
        assert_eq!(TupleReader::new(b"\x14").finish(), Err(TupleError::Trailing));
        let negative = signed(-1);
        assert!(TupleReader::new(&negative).unsigned().is_err());
    }

    #[test]
    fn truth_and_versionstamps_come_back() {
        let writer = TupleWriter::default().truth(true);
        let offset = writer.placeholder_offset();
        let bytes = writer.versionstamp(b"0123456789").truth(false).finish();
        assert_eq!(&bytes[offset..offset + 10], b"0123456789");
        let mut reader = TupleReader::new(&bytes);
        assert_eq!(reader.truth(), Ok(true));
        assert_eq!(reader.versionstamp(), Ok(*b"0123456789"));
        assert_eq!(reader.truth(), Ok(false));
        assert_eq!(reader.finish(), Ok(()));
    }
}
