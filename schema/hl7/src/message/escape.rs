//! Escape sequences: `\F\ \S\ \T\ \R\ \E\ \P\`, hexadecimal, formatting, highlighting and
//! character-set switches. What is not known stays as it stands, so that nothing is lost.

use crate::charset::Charset;
use crate::delimiters::Delimiters;
use crate::limits::ESCAPE_REPEAT_MAX;
use std::borrow::Cow;

/// The ISO 2022 switch of `\M2442\`: JIS X 0208.
const JIS_X_0208: [&str; 2] = ["M2442", "M2440"];
/// Switches back to one byte per character.
const SINGLE_BYTE: [&str; 3] = ["C2842", "C284A", "C2D41"];

/// The text with its escape sequences resolved. Line breaks become `\n`.
pub(crate) fn unescape<'a>(
    raw: &'a str,
    delimiters: &Delimiters,
    charset: Charset,
) -> Cow<'a, str> {
    let escape = char::from(delimiters.escape);
    if !raw.contains(escape) {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once(escape) {
        text.push_str(before);
        let Some((sequence, following)) = after.split_once(escape) else {
            text.push(escape);
            rest = after;
            break;
        };
        if JIS_X_0208.contains(&sequence) {
            let (run, following) = following.split_once(escape).unwrap_or((following, ""));
            push_double_byte(&mut text, run, escape);
            // The sequence that ends the run was opened by the escape just taken.
            rest = following.split_once(escape).map_or(following, |(_, rest)| rest);
        } else if resolve(sequence, delimiters, charset, &mut text) {
            rest = following;
        } else {
            text.push(escape);
            text.push_str(sequence);
            // The second escape may begin a sequence of its own.
            rest = &after[sequence.len()..];
            if !could_be_sequence(sequence) {
                continue;
            }
            text.push(escape);
            rest = following;
        }
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// Whether what stands between two escapes looks like a (local or unknown) sequence rather than
/// like text with a stray escape in front.
fn could_be_sequence(sequence: &str) -> bool {
    let mut characters = sequence.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '.')
        && characters.all(|next| next.is_ascii_alphanumeric() || "+-.".contains(next))
}

/// Writes what `sequence` stands for; `false` when it is not known.
fn resolve(sequence: &str, delimiters: &Delimiters, charset: Charset, text: &mut String) -> bool {
    let delimiter = match sequence {
        "F" => Some(delimiters.field),
        "S" => Some(delimiters.component),
        "T" => Some(delimiters.subcomponent),
        "R" => Some(delimiters.repetition),
        "E" => Some(delimiters.escape),
        "P" => delimiters.truncation,
        _ => None,
    };
    if let Some(delimiter) = delimiter {
        text.push(char::from(delimiter));
        return true;
    }
    if matches!(sequence, "H" | "N") || SINGLE_BYTE.contains(&sequence) {
        return true;
    }
    if let Some(digits) = sequence.strip_prefix('X') {
        return hexadecimal(digits).and_then(|bytes| charset.decode(&bytes)).is_some_and(
            |decoded| {
                text.push_str(&decoded);
                true
            },
        );
    }
    sequence.strip_prefix('.').is_some_and(|command| format(command, text))
}

/// The formatting commands of the FT data type.
fn format(command: &str, text: &mut String) -> bool {
    let Some((name, argument)) = command.split_at_checked(2) else { return false };
    let argument = argument.trim().trim_start_matches('+');
    let count = if argument.is_empty() { Some(1) } else { argument.parse::<usize>().ok() };
    match (name, count) {
        ("br" | "ce", _) => text.push('\n'),
        ("sp", Some(count)) => text.extend(std::iter::repeat_n('\n', count.min(ESCAPE_REPEAT_MAX))),
        ("sk", Some(count)) => text.extend(std::iter::repeat_n(' ', count.min(ESCAPE_REPEAT_MAX))),
        ("fi" | "nf" | "in" | "ti", _) => {}
        _ => return false,
    }
    true
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    if digits.is_empty() || !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect()
}

/// Two-byte characters written with seven-bit bytes between `\M2442\` and the next switch.
fn push_double_byte(text: &mut String, run: &str, escape: char) {
    let bytes = [b"\x1B$B", run.as_bytes(), b"\x1B(B"].concat();
    match Charset::named("ISO IR87").and_then(|charset| charset.decode(&bytes)) {
        Some(decoded) => text.push_str(&decoded),
        None => {
            text.push(escape);
            text.push_str("M2442");
            text.push(escape);
            text.push_str(run);
        }
    }
}

/// The text with everything that would be read as structure escaped, so that
/// `parse(escape(text))` gives `text` back.
#[must_use]
pub fn escape(text: &str, delimiters: &Delimiters) -> String {
    if text == "\"\"" {
        // Bare, it would mean "delete".
        let mark = char::from(delimiters.escape);
        return format!("{mark}X2222{mark}");
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match sequence_for(character, delimiters) {
            None => escaped.push(character),
            Some(sequence) => {
                escaped.push(char::from(delimiters.escape));
                escaped.push_str(&sequence);
                escaped.push(char::from(delimiters.escape));
            }
        }
    }
    escaped
}

fn sequence_for(character: char, delimiters: &Delimiters) -> Option<Cow<'static, str>> {
    let byte = u8::try_from(character).ok().filter(u8::is_ascii)?;
    let sequence = if byte == delimiters.field {
        "F"
    } else if byte == delimiters.component {
        "S"
    } else if byte == delimiters.subcomponent {
        "T"
    } else if byte == delimiters.repetition {
        "R"
    } else if byte == delimiters.escape {
        "E"
    } else if Some(byte) == delimiters.truncation {
        "P"
    } else if byte.is_ascii_control() {
        return Some(Cow::Owned(format!("X{byte:02X}")));
    } else {
        return None;
    };
    Some(Cow::Borrowed(sequence))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: &str) {
        let text = unescape(raw, &Delimiters::STANDARD, Charset::UTF_8);
        assert_eq!(text, expected, "{raw}");
    }

    #[test]
    fn known_sequences_are_resolved() {
        check(r"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e\f");
        check(r"one\.br\two\.sp2\three", "one\ntwo\n\nthree");
        check(r"\H\bold\N\ \.in+4\x\.sk3\y", "bold x   y");
        check(r"\X0D0A\ \XC3A9\", "\r\n é");
        check(r"\M2442\;3\C2842\ok", "山ok");
    }

    #[test]
    fn unknown_sequences_stay() {
        check(r"\Zlocal\ x", r"\Zlocal\ x");
        check(r"C:\temp", r"C:\temp");
        check(r"a\ b \F\ c", r"a\ b | c");
        check(r"\XZZ\", r"\XZZ\");
        check(r"\XFF\", r"\XFF\");
        check(r"\", r"\");
        check(r"\\", r"\\");
    }

    #[test]
    fn escaping_is_undone_by_unescaping() {
        let standard = Delimiters::STANDARD;
        for text in ["", "\"\"", "a|b^c&d~e\\f", "\x0B\x1C\r\n\0", "É \\F\\ \\", "#"] {
            let raw = escape(text, &standard);
            assert!(!raw.contains(['|', '^', '&', '~', '\r', '\x0B', '\x1C']));
            assert_eq!(unescape(&raw, &standard, Charset::UTF_8), text);
        }
    }
}
