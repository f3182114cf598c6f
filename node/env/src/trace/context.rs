//! Which span of which trace, as it travels: `traceparent` of W3C Trace Context from callers, and
//! a header of our own before calls between nodes.

/// Bytes of the header before a call between nodes.
pub const HEADER_BYTES: usize = 26;
/// The first byte of that header: version 1. Calls themselves begin with the version of their
/// form, which counts from 1 and is never that high.
const HEADER_MARK: u8 = 0xF1;
/// The flag of a trace that is kept, there and in `traceparent`.
const SAMPLED: u8 = 1;
/// Characters of a `traceparent` of version 00.
const TRACEPARENT_CHARS: usize = 55;

/// A span and its trace. Neither is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanContext {
    pub(super) trace: u128,
    pub(super) span: u64,
}

impl SpanContext {
    /// Of these ids; `None` when one of them is zero.
    #[must_use]
    pub const fn new(trace: u128, span: u64) -> Option<Self> {
        if trace == 0 || span == 0 { None } else { Some(Self { trace, span }) }
    }

    /// The trace's id.
    #[must_use]
    pub const fn trace(self) -> u128 {
        self.trace
    }

    /// The span's id.
    #[must_use]
    pub const fn span(self) -> u64 {
        self.span
    }

    /// Reads a `traceparent` (W3C Trace Context, section 3.2) and whether its trace is kept.
    #[must_use]
    pub fn read_traceparent(text: &str) -> Option<(Self, bool)> {
        let is_lower_hex =
            |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let known = text.get(..TRACEPARENT_CHARS)?;
        let rest = text.get(TRACEPARENT_CHARS..)?;
        let mut parts = known.split('-');
        let [version, trace, span, flags] =
            [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let has_form = parts.next().is_none()
            && [version.len(), trace.len(), span.len(), flags.len()] == [2, 32, 16, 2]
            && [version, trace, span, flags].into_iter().all(is_lower_hex);
        // A later version may append parts; version ff is none.
        let has_end = rest.is_empty() || (version != "00" && rest.starts_with('-'));
        if !has_form || !has_end || version == "ff" {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok()?;
        let span = u64::from_str_radix(span, 16).ok()?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some((Self::new(trace, span)?, flags & SAMPLED != 0))
    }

    /// What stands before a call to another node that belongs to this span.
    #[must_use]
    pub fn header(self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[0] = HEADER_MARK;
        header[1..17].copy_from_slice(&self.trace.to_be_bytes());
        header[17..25].copy_from_slice(&self.span.to_be_bytes());
        header[25] = SAMPLED;
        header
    }

    /// Takes the header off a call, if it has one: what is left is the call.
    #[must_use]
    pub fn split_header(bytes: &[u8]) -> (Option<Self>, &[u8]) {
        let Some((header, call)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return (None, bytes);
        };
        if header[0] != HEADER_MARK {
            return (None, bytes);
        }
        let (mut trace, mut span) = ([0; 16], [0; 8]);
        trace.copy_from_slice(&header[1..17]);
        span.copy_from_slice(&header[17..25]);
        let context = Self::new(u128::from_be_bytes(trace), u64::from_be_bytes(span));
        (context.filter(|_| header[25] & SAMPLED != 0), call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_traceparent_is_read_as_the_standard_says() {
        let check = |text: &str, expected: Option<bool>| {
            let read = SpanContext::read_traceparent(text);
            assert_eq!(read.map(|(_, is_kept)| is_kept), expected, "{text}");
        };
        check(&format!("00-{TRACE}-00f067aa0ba902b7-01"), Some(true));
        check(&format!("00-{TRACE}-00f067aa0ba902b7-00"), Some(false));
        check(&format!("cc-{TRACE}-00f067aa0ba902b7-01-what-comes"), Some(true));
        check(&format!("cc-{TRACE}-00f067aa0ba902b7-01.what"), None);
        check(&format!("00-{TRACE}-00f067aa0ba902b7-01-more"), None);
        check(&format!("ff-{TRACE}-00f067aa0ba902b7-01"), None);
        check(&format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()), None);
        check(&format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), None);
        check(&format!("00-{TRACE}-0000000000000000-01"), None);
        check(&format!("00-+{}-00f067aa0ba902b7-01", &TRACE[1..]), None);
        for text in ["", "00", "é", &"é".repeat(40), &"-".repeat(55)] {
            check(text, None);
        }
        let (read, _) =
            SpanContext::read_traceparent(&format!("00-{TRACE}-00f067aa0ba902b7-01")).unwrap();
        assert_eq!(
            (format!("{:032x}", read.trace()), read.span()),
            (TRACE.to_owned(), 0x00f0_67aa_0ba9_02b7)
        );
    }

    #[test]
    fn a_header_comes_off_as_it_went_on_and_calls_without_one_stay() {
        let context = SpanContext::new(7 << 90, 9).unwrap();
        let mut bytes = context.header().to_vec();
        bytes.extend_from_slice(b"\x01call");
        assert_eq!(SpanContext::split_header(&bytes), (Some(context), &b"\x01call"[..]));
        assert_eq!(SpanContext::split_header(&context.header()), (Some(context), &b""[..]));
        let long = [1; 100];
        for call in [&b""[..], b"\x01call", &long, &bytes[..HEADER_BYTES - 1]] {
            assert_eq!(SpanContext::split_header(call), (None, call));
        }
        bytes[25] = 0;
        assert_eq!(SpanContext::split_header(&bytes), (None, &b"\x01call"[..]), "not kept");
        let mut zero = vec![HEADER_MARK; 1];
        zero.resize(HEADER_BYTES, 0);
        assert_eq!(SpanContext::split_header(&zero), (None, &b""[..]));
    }
}
