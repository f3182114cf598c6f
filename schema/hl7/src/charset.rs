//! Character sets: from the bytes of a message to text by MSH-18 (HL7 table 0211), and back.
//!
//! Nothing is guessed. Bytes that do not fit what the sender declared, and bytes beyond ASCII
//! that are not UTF-8 where nothing is declared, are refused: a wrong guess would corrupt names.

use crate::error::{Hl7Error, Position};
use encoding_rs::Encoding;
use schema_types::error_code::ErrorCode;

/// A character set that can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

/// The text of a message and how it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) text: String,
    pub(crate) charset: Charset,
    /// Whether a byte-order mark or zero bytes decided, not MSH-18.
    pub(crate) is_marked: bool,
    pub(crate) warning: Option<&'static str>,
}

/// HL7 table 0211 and the names that senders use instead.
const TABLE_0211: [(&str, &str); 27] = [
    ("8859/1", "iso-8859-1"),
    ("8859/2", "iso-8859-2"),
    ("8859/3", "iso-8859-3"),
    ("8859/4", "iso-8859-4"),
    ("8859/5", "iso-8859-5"),
    ("8859/6", "iso-8859-6"),
    ("8859/7", "iso-8859-7"),
    ("8859/8", "iso-8859-8"),
    ("8859/9", "iso-8859-9"),
    ("8859/10", "iso-8859-10"),
    ("8859/11", "windows-874"),
    ("8859/13", "iso-8859-13"),
    ("8859/14", "iso-8859-14"),
    ("8859/15", "iso-8859-15"),
    ("8859/16", "iso-8859-16"),
    ("ISO IR14", "shift_jis"),
    ("ISO IR13", "shift_jis"),
    ("ISO IR87", "iso-2022-jp"),
    ("GB 18030-2000", "gb18030"),
    ("GB 18030", "gb18030"),
    ("KS X 1001", "euc-kr"),
    ("BIG-5", "big5"),
    ("UNICODE UTF-8", "utf-8"),
    ("UNICODE UTF-16", "utf-8"),
    ("UNICODE UTF-32", "utf-8"),
    ("UNICODE", "utf-8"),
    ("UTF8", "utf-8"),
];

/// What MSH-18 says.
enum Declared {
    Nothing,
    Ascii,
    Known(Charset),
    Unknown,
}

impl Charset {
    /// UTF-8.
    pub const UTF_8: Self = Self(encoding_rs::UTF_8);

    /// The character set of an HL7 table 0211 name or a common name, for a replay with a declared
    /// character set.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim();
        let label = TABLE_0211.iter().find(|(hl7, _)| hl7.eq_ignore_ascii_case(name));
        let label = label.map_or(name, |(_, label)| *label);
        Encoding::for_label_no_replacement(label.as_bytes()).map(Self)
    }

    /// The name in the Encoding Standard, for example `windows-1252` for ISO 8859-1.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The bytes of `text`; `None` when a character does not exist in the set.
    #[must_use]
    pub fn encode(self, text: &str) -> Option<Vec<u8>> {
        let (bytes, used, lossy) = self.0.encode(text);
        (!lossy && used == self.0).then(|| bytes.into_owned())
    }

    /// The text of `bytes`; `None` when they do not fit.
    pub(crate) fn decode(self, bytes: &[u8]) -> Option<String> {
        self.0.decode_without_bom_handling_and_without_replacement(bytes).map(Into::into)
    }
}

/// The text of a whole message. A byte-order mark decides, then `forced`, then MSH-18.
pub(crate) fn decode(bytes: &[u8], forced: Option<Charset>) -> Result<Decoded, Hl7Error> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return decode_marked(&bytes[mark..], encoding);
    }
    if let Some(charset) = forced {
        return decode_as(bytes, charset);
    }
    match bytes {
        [b'M', 0, ..] => return decode_marked(bytes, encoding_rs::UTF_16LE),
        [0, b'M', ..] => return decode_marked(bytes, encoding_rs::UTF_16BE),
        _ => {}
    }
    match declared(bytes) {
        Declared::Known(charset) => decode_as(bytes, charset),
        Declared::Nothing => decode_utf8(bytes, None, "bytes are not UTF-8 and MSH-18 is empty"),
        Declared::Ascii => {
            let warning = (!bytes.is_ascii()).then_some("MSH-18 says ASCII, the bytes are UTF-8");
            decode_utf8(bytes, warning, "bytes are neither ASCII nor UTF-8")
        }
        Declared::Unknown => {
            if !bytes.is_ascii() {
                return Err(refused("the character set in MSH-18 is unknown"));
            }
            let warning = Some("the character set in MSH-18 is unknown, the bytes are ASCII");
            decode_utf8(bytes, warning, "bytes are not ASCII")
        }
    }
}

/// Text in a Unicode form that its first bytes show; it is sent on as UTF-8.
fn decode_marked(bytes: &[u8], encoding: &'static Encoding) -> Result<Decoded, Hl7Error> {
    let decoded = decode_as(bytes, Charset(encoding))?;
    Ok(Decoded { charset: Charset::UTF_8, is_marked: true, ..decoded })
}

fn decode_as(bytes: &[u8], charset: Charset) -> Result<Decoded, Hl7Error> {
    let text =
        charset.decode(bytes).ok_or_else(|| refused("bytes do not fit the character set"))?;
    Ok(Decoded { text, charset, is_marked: false, warning: None })
}

fn decode_utf8(
    bytes: &[u8],
    warning: Option<&'static str>,
    reason: &'static str,
) -> Result<Decoded, Hl7Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| refused(reason))?;
    Ok(Decoded { text: text.to_owned(), charset: Charset::UTF_8, is_marked: false, warning })
}

fn refused(reason: &'static str) -> Hl7Error {
    let position = Position::segment("MSH", 1).with_field(18);
    Hl7Error::new(ErrorCode::Hl7Encoding, position, reason)
}

/// Reads MSH-18 from bytes in any set that contains ASCII.
fn declared(bytes: &[u8]) -> Declared {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).find(|line| !line.is_empty());
    let Some(line) = line else { return Declared::Nothing };
    let Some(separator) = line.get(3) else { return Declared::Nothing };
    let repetition = line.get(5).copied().unwrap_or(b'~');
    let Some(field) = line.split(|byte| byte == separator).nth(17) else {
        return Declared::Nothing;
    };
    let mut names = field.split(|byte| *byte == repetition).map(|name| name.trim_ascii());
    let first = names.next().unwrap_or_default();
    if names.clone().any(|name| matches!(name, b"ISO IR87" | b"ISO IR159")) {
        // ISO 2022 switching: the first set holds until an escape sequence selects another.
        return Declared::Known(Charset(encoding_rs::ISO_2022_JP));
    }
    match first {
        b"" | b"\"\"" => Declared::Nothing,
        b"ASCII" | b"ISO IR6" | b"US-ASCII" => Declared::Ascii,
        name => std::str::from_utf8(name)
            .ok()
            .and_then(Charset::named)
            .map_or(Declared::Unknown, Declared::Known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(charset: &str, name: &[u8]) -> Vec<u8> {
        let head = format!("MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5||||||{charset}\rPID|||1||");
        [head.as_bytes(), name].concat()
    }

    #[test]
    fn decodes_what_is_declared() {
        let cases: [(&str, &[u8], &str); 10] = [
            ("", "Łukasz".as_bytes(), "Łukasz"),
            ("UNICODE UTF-8", "Zoë".as_bytes(), "Zoë"),
            ("8859/1", b"Bj\xF6rn", "Björn"),
            ("8859/15", b"\xA4", "€"),
            ("8859/2", b"\xA3ukasz", "Łukasz"),
            ("8859/5", b"\xB8", "И"),
            ("GB 18030-2000", b"\xC0\xEE", "李"),
            ("~ISO IR87", b"\x1B$B;3\x1B(B", "山"),
            ("UTF-8~UNICODE", "ö".as_bytes(), "ö"),
            ("ASCII", "ö".as_bytes(), "ö"),
        ];
        for (charset, bytes, expected) in cases {
            let decoded = decode(&message(charset, bytes), None).unwrap();
            assert!(decoded.text.ends_with(&format!("||{expected}")), "{charset}");
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let cases: [(&str, &[u8]); 5] = [
            ("", b"Bj\xF6rn"),
            ("UNICODE UTF-8", b"Bj\xF6rn"),
            ("ASCII", b"Bj\xF6rn"),
            ("KLINGON", "ö".as_bytes()),
            ("GB 18030-2000", b"\xFF\xFF"),
        ];
        for (charset, bytes) in cases {
            let error = decode(&message(charset, bytes), None).unwrap_err();
            assert_eq!(error.code, ErrorCode::Hl7Encoding, "{charset}");
            assert_eq!(error.position.to_string(), "MSH-18");
        }
        let replayed = decode(&message("", b"Bj\xF6rn"), Charset::named("8859/1")).unwrap();
        assert!(replayed.text.ends_with("Björn"));
    }

    #[test]
    fn utf_16_is_known_by_its_mark_or_its_zeros() {
        let text = "MSH|^~\\&|Å";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let marked = [&[0xFF, 0xFE], little.as_slice()].concat();
        for bytes in [little, big, marked] {
            assert_eq!(decode(&bytes, None).unwrap().text, text);
        }
    }
}
