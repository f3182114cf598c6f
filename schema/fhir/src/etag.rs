//! Weak entity tags: how FHIR shows a version in `ETag` and `If-Match`.

/// `W/"3"` for version 3.
#[must_use]
pub fn render(version: u64) -> String {
    format!("W/\"{version}\"")
}

/// The version in `W/"3"` or `"3"`; `None` for anything else.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let quoted = text.strip_prefix("W/").unwrap_or(text);
    let digits = quoted.strip_prefix('"')?.strip_suffix('"')?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    #[test]
    fn reads_what_it_writes() {
        assert_eq!(super::parse(&super::render(7)), Some(7));
        assert_eq!(super::parse("\"7\""), Some(7));
        for text in ["7", "W/7", "W/\"\"", "W/\"-1\"", "W/\"+1\"", "*", "W/\"1\", W/\"2\""] {
            assert_eq!(super::parse(text), None, "{text}");
        }
    }
}
