//! Reads fixed-width big-endian fields from bytes; every read says whether there was enough.

use crate::error::AuditError;

pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    pub(crate) fn take<const N: usize>(&mut self) -> Result<[u8; N], AuditError> {
        let (field, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.malformed())?;
        self.rest = rest;
        Ok(*field)
    }

    pub(crate) fn expect_byte(&mut self, expected: u8) -> Result<(), AuditError> {
        if self.take::<1>()? == [expected] { Ok(()) } else { Err(self.malformed()) }
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn end(self) -> Result<(), AuditError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed()) }
    }

    const fn malformed(&self) -> AuditError {
        AuditError::Malformed { what: self.what }
    }
}
