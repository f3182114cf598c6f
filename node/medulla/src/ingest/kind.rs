//! What a file holds, by its name and first bytes.

/// What a person may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// By name and content
    Auto,
    /// HL7 v2 messages, batches or recorded MLLP streams
    Hl7,
    /// FHIR R4 JSON or NDJSON
    Fhir,
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Hl7,
    /// One FHIR resource.
    Json,
    /// One FHIR resource a line.
    Lines,
    /// Nothing to send, with the reason.
    Skipped(&'static str),
}

/// Bytes of a file that are looked at.
pub(crate) const HEAD_BYTES: usize = 4_096;

/// What a file of this name (without `.gz`) holds that begins like this.
pub(crate) fn kind_of(name: &str, head: &[u8], format: Format) -> Kind {
    let lower = name.to_ascii_lowercase();
    let (_, extension) = lower.rsplit_once('.').unwrap_or(("", ""));
    let is_lines = matches!(extension, "ndjson" | "jsonl");
    match format {
        Format::Hl7 => return Kind::Hl7,
        Format::Fhir if is_lines => return Kind::Lines,
        Format::Fhir => return Kind::Json,
        Format::Auto => {}
    }
    let first = head.iter().find(|byte| !byte.is_ascii_whitespace() && !is_mark(**byte)).copied();
    match (extension, first) {
        (_, None) => Kind::Skipped("empty"),
        ("xml", _) | (_, Some(b'<')) => Kind::Skipped("XML"),
        ("ndjson" | "jsonl", _) => Kind::Lines,
        ("json", Some(b'{')) => Kind::Json,
        ("json", Some(_)) => Kind::Skipped("JSON, but not a resource"),
        ("hl7" | "er7" | "msg" | "bin", Some(_)) => Kind::Hl7,
        (_, Some(b'{')) => Kind::Json,
        (_, Some(_)) if looks_like_hl7(head) => Kind::Hl7,
        (_, Some(_)) => Kind::Skipped("neither HL7 v2 nor FHIR"),
    }
}

/// Bytes of byte-order marks.
const fn is_mark(byte: u8) -> bool {
    matches!(byte, 0xEF | 0xBB | 0xBF | 0xFE | 0xFF)
}

/// Begins with a segment: three letters or digits and a separator. The first bytes may frame it.
fn looks_like_hl7(head: &[u8]) -> bool {
    let plain: Vec<u8> = head.iter().copied().filter(|byte| *byte != 0).take(64).collect();
    let start = plain.iter().position(|byte| byte.is_ascii_alphanumeric()).unwrap_or(0);
    let segment = plain.get(start..).unwrap_or_default();
    let name = segment.get(..3).unwrap_or_default();
    let headers: [&[u8]; 3] = [b"MSH", b"FHS", b"BHS"];
    let is_header = headers.iter().any(|header| name.eq_ignore_ascii_case(header));
    let is_name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    let has_separator = segment.get(3) == Some(&b'|');
    is_header || (has_separator && name.len() == 3 && name.iter().all(is_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_name_and_content() {
        let skipped = Kind::Skipped;
        let cases: [(&str, &[u8], Kind); 17] = [
            ("a.hl7", b"MSH|^~\\&|", Kind::Hl7),
            ("a.HL7", b"PID|1", Kind::Hl7),
            ("a.txt", b"MSH|^~\\&|", Kind::Hl7),
            ("a.txt", b"\xEF\xBB\xBFMSH|^~\\&|", Kind::Hl7),
            ("a.txt", b"\xFF\xFEM\0S\0H\0|\0", Kind::Hl7),
            ("a.txt", b"PID|1||2", Kind::Hl7),
            ("a.bin", b"\x0BMSH|^~\\&|", Kind::Hl7),
            ("feed", b"\x0BMSH|^~\\&|", Kind::Hl7),
            ("LICENSE.txt", b"Apache License", skipped("neither HL7 v2 nor FHIR")),
            ("index.tsv", b"file\twhat", skipped("neither HL7 v2 nor FHIR")),
            ("a.xml", b"<x/>", skipped("XML")),
            ("a.json", b" \n{\"resourceType\"", Kind::Json),
            ("a.json", b"[1]", skipped("JSON, but not a resource")),
            ("a.txt", b"{\"resourceType\"", Kind::Json),
            ("a.ndjson", b"{}", Kind::Lines),
            ("a.hl7", b"{\"x\"", Kind::Hl7),
            ("a.json", b" \n", skipped("empty")),
        ];
        for (name, head, expected) in cases {
            assert_eq!(kind_of(name, head, Format::Auto), expected, "{name}");
        }
        assert_eq!(kind_of("a.tsv", b"x", Format::Hl7), Kind::Hl7);
        assert_eq!(kind_of("a.ndjson", b"x", Format::Fhir), Kind::Lines);
    }
}
