//! Files: messages one after the other, batches with and without trailers, recorded streams.

use crate::fixture::{admission, join, msh, vitals};
use schema_hl7::batch::{BatchItem, split};
use schema_types::error_code::ErrorCode;

/// `M` for a message, else the code of the refusal or warning.
fn shape(bytes: &[u8]) -> Vec<String> {
    split(bytes)
        .iter()
        .map(|item| match item {
            BatchItem::Message { bytes, .. } => {
                assert!(bytes.expose().trim_ascii_start().starts_with(b"MSH"));
                "M".to_owned()
            }
            BatchItem::Refused { error, bytes } => {
                assert!(!bytes.expose().is_empty() || error.code == ErrorCode::Hl7NotAMessage);
                format!("refused {}", &error.code.as_str()[8..])
            }
            BatchItem::Warning(error) => {
                format!("{} {}", &error.code.as_str()[8..], error.reason)
            }
        })
        .collect()
}

const FHS: &str = "FHS|^~\\&|SND|FAC|RCV|FAC|20261120000000";
const BHS: &str = "BHS|^~\\&|SND|FAC|RCV|FAC|20261120000000";
const NO_FTS: &str = "012 the file has no trailer";
const NO_BTS: &str = "012 the batch has no trailer";
const COUNT: &str = "012 the count is not what the file holds";

#[test]
fn batches_deliver_their_messages_whatever_their_counts_say() {
    let header = msh("ORU^R01");
    let m = header.as_str();
    let cases: [(&[&str], &[&str]); 14] = [
        (&[m, "PID|1"], &["M"]),
        (&[m, "PID|1", m, "PID|1"], &["M", "M"]),
        (&[FHS, BHS, m, "PID|1", m, "BTS|2", "FTS|1"], &["M", "M"]),
        (&[FHS, BHS, m, "BTS", "FTS"], &["M"]),
        (&[FHS, BHS, m, "BTS|1", BHS, m, m, "BTS|2", "FTS|2"], &["M", "M", "M"]),
        (&[FHS, BHS, m, "BTS|5", "FTS|1"], &["M", COUNT]),
        (&[FHS, BHS, m, "BTS|1", "FTS|7"], &["M", COUNT]),
        (&[FHS, BHS, m, "BTS|x", "FTS|1"], &["M", "012 the count is not a number"]),
        (&[FHS, BHS, m, "PID|1"], &["M", NO_BTS, NO_FTS]),
        (&[FHS, BHS, m, "BTS|1"], &["M", NO_FTS]),
        (&[FHS, BHS, "BTS|0", "FTS|1"], &["012 the batch holds no message"]),
        (&[BHS, m, BHS, "PID|1", "BTS|1"], &["M", NO_BTS, "refused 001", COUNT]),
        (&[m, "BTS|1"], &["M", "012 a batch trailer without its header"]),
        (&["EVN|A01", "PID|1"], &["refused 001"]),
    ];
    for (segments, expected) in cases {
        assert_eq!(shape(&join(segments)), expected, "{segments:?}");
        let with_line_feeds = segments.join("\n");
        assert_eq!(shape(with_line_feeds.as_bytes()), expected, "{segments:?} by line feed");
        let with_both = segments.join("\r\n\r\n");
        assert_eq!(shape(with_both.as_bytes()), expected, "{segments:?} by both");
    }
}

#[test]
fn a_file_that_is_nothing_is_refused_whole() {
    for bytes in [&b""[..], b"\r\n\r\n", b"{\"json\": true}", b"MSHX|no", b"\x00\x01\x02"] {
        assert_eq!(shape(bytes), ["refused 001"], "{bytes:?}");
    }
}

#[test]
fn recorded_streams_are_read_frame_by_frame() {
    let frame = |bytes: &[u8]| [&b"\x0B"[..], bytes, b"\x1C\r"].concat();
    let good = frame(&admission());
    assert_eq!(shape(&good), ["M"]);
    assert_eq!(shape(&[good.clone(), frame(&vitals())].concat()), ["M", "M"]);
    let two_in_one = frame(&[admission(), vitals()].concat());
    assert_eq!(shape(&two_in_one), ["M", "M"]);
    assert_eq!(shape(&good[1..]), ["refused 003"], "the start block is missing");
    let cut = [&good[..40], &good[..]].concat();
    assert_eq!(shape(&cut), ["refused 003", "M"]);
    assert_eq!(shape(b"\x0B\xE8\x69\x71\x1C\r"), ["refused 001"]);
}

#[test]
fn a_mark_in_front_and_two_byte_characters_are_no_obstacle() {
    let marked = [b"\xEF\xBB\xBF", admission().as_slice()].concat();
    assert_eq!(shape(&marked), ["M"]);
    let text = String::from_utf8(admission()).unwrap();
    let wide: Vec<u8> =
        std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let items = split(&wide);
    assert!(matches!(&items[..], [BatchItem::Message { bytes, .. }] if *bytes.expose() == wide));
    assert!(crate::fixture::read(&wide).is_ok());
}
