//! Splits Rust text into lines with code, comments and string literals apart, and marks test code.
//! A small lexer, not a parser: it knows comments, strings, characters and braces, nothing else.

/// One line of a Rust file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// The code; comments are gone and string literals are empty.
    pub(crate) code: String,
    /// The text of all comments on the line.
    pub(crate) comment: String,
    /// The string literals, or the parts of them, on the line.
    pub(crate) strings: Vec<String>,
    /// True in test files and inside items behind `#[cfg(test)]`.
    pub(crate) is_test: bool,
}

/// The lines of the file at `path`, which decides whether all of it is test code.
pub(crate) fn rust_lines(path: &str, text: &str) -> Vec<Line> {
    let mut lexer = Lexer { characters: text.chars().collect(), ..Lexer::default() };
    lexer.run();
    let mut lines = lexer.lines;
    if is_test_file(path) {
        for line in &mut lines {
            line.is_test = true;
        }
    } else {
        mark_test_items(&mut lines);
    }
    lines
}

fn is_test_file(path: &str) -> bool {
    let folders = ["/tests/", "/benches/", "/fuzz/"];
    let names = ["_test.rs", "_tests.rs", "/tests.rs", "/test.rs"];
    folders.iter().any(|part| path.contains(part)) || names.iter().any(|end| path.ends_with(end))
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Code,
    LineComment,
    BlockComment(usize),
    Text,
    RawText(usize),
}

#[derive(Default)]
struct Lexer {
    characters: Vec<char>,
    at: usize,
    mode: Mode,
    line: Line,
    literal: String,
    lines: Vec<Line>,
}

impl Lexer {
    fn run(&mut self) {
        while let Some(character) = self.peek(0) {
            if character == '\n' {
                self.end_line();
                self.at += 1;
                continue;
            }
            match self.mode {
                Mode::Code => self.code(character),
                Mode::LineComment => self.comment(1),
                Mode::BlockComment(depth) => self.block_comment(depth),
                Mode::Text => self.text(character),
                Mode::RawText(hashes) => self.raw_text(character, hashes),
            }
        }
        if self.line != Line::default() || !self.literal.is_empty() {
            self.end_line();
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.characters.get(self.at + ahead).copied()
    }

    fn end_line(&mut self) {
        match self.mode {
            Mode::LineComment => self.mode = Mode::Code,
            Mode::Text | Mode::RawText(_) => self.end_literal(),
            Mode::Code | Mode::BlockComment(_) => {}
        }
        self.lines.push(std::mem::take(&mut self.line));
    }

    fn end_literal(&mut self) {
        self.line.strings.push(std::mem::take(&mut self.literal));
    }

    fn code(&mut self, character: char) {
        match (character, self.peek(1)) {
            ('/', Some('/')) => self.mode = Mode::LineComment,
            ('/', Some('*')) => {
                self.mode = Mode::BlockComment(1);
                self.comment(2);
            }
            ('"', _) => {
                self.line.code.push_str("\"\"");
                self.mode = Mode::Text;
                self.at += 1;
            }
            ('r', Some('"' | '#')) if !self.follows_word() => self.raw_start(),
            ('\'', _) => self.quote(),
            (other, _) => {
                self.line.code.push(other);
                self.at += 1;
            }
        }
    }

    fn follows_word(&self) -> bool {
        let mut before = self.line.code.chars().rev();
        match before.next() {
            Some('b' | 'c') => before.next().is_some_and(is_word),
            Some(other) => is_word(other),
            None => false,
        }
    }

    fn raw_start(&mut self) {
        let hashes = (1..).take_while(|&ahead| self.peek(ahead) == Some('#')).count();
        if self.peek(1 + hashes) == Some('"') {
            self.line.code.push_str("\"\"");
            self.mode = Mode::RawText(hashes);
            self.at += hashes + 2;
        } else {
            self.line.code.push('r');
            self.at += 1;
        }
    }

    /// A character literal, which is dropped, or the quote of a lifetime.
    fn quote(&mut self) {
        let length = match (self.peek(1), self.peek(2)) {
            (Some('\\'), _) => {
                let close = (3..).find(|&ahead| matches!(self.peek(ahead), Some('\'') | None));
                close.map_or(1, |close| close + 1)
            }
            (Some(_), Some('\'')) => 3,
            _ => 1,
        };
        self.line.code.push('\'');
        self.at += length;
    }

    fn comment(&mut self, length: usize) {
        for _ in 0..length {
            if let Some(character) = self.peek(0) {
                self.line.comment.push(character);
                self.at += 1;
            }
        }
    }

    fn block_comment(&mut self, depth: usize) {
        match (self.peek(0), self.peek(1)) {
            (Some('*'), Some('/')) => {
                self.mode = if depth == 1 { Mode::Code } else { Mode::BlockComment(depth - 1) };
                self.comment(2);
            }
            (Some('/'), Some('*')) => {
                self.mode = Mode::BlockComment(depth + 1);
                self.comment(2);
            }
            _ => self.comment(1),
        }
    }

    fn text(&mut self, character: char) {
        self.at += 1;
        match character {
            '"' => {
                self.end_literal();
                self.mode = Mode::Code;
            }
            '\\' => {
                self.literal.push(character);
                if let Some(escaped) = self.peek(0).filter(|&escaped| escaped != '\n') {
                    self.literal.push(escaped);
                    self.at += 1;
                }
            }
            other => self.literal.push(other),
        }
    }

    fn raw_text(&mut self, character: char, hashes: usize) {
        let closes = character == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == Some('#'));
        if closes {
            self.end_literal();
            self.mode = Mode::Code;
            self.at += 1 + hashes;
        } else {
            self.literal.push(character);
            self.at += 1;
        }
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Marks each item behind `#[cfg(test)]`, from the attribute to its closing brace or semicolon.
fn mark_test_items(lines: &mut [Line]) {
    let mut pending = false;
    let (mut depth, mut brackets) = (0_usize, 0_usize);
    for line in lines {
        let code = line.code.trim();
        if depth == 0 && (code.starts_with("#[cfg(test)]") || code.starts_with("#[cfg(all(test")) {
            pending = true;
            brackets = 0;
        }
        line.is_test = pending || depth > 0;
        let is_whole_arm = code.ends_with(',');
        for character in line.code.chars() {
            match character {
                '{' if pending || depth > 0 => {
                    pending = false;
                    depth += 1;
                }
                '}' if depth > 0 => depth -= 1,
                ';' | '}' if pending => pending = false,
                '(' if pending => brackets += 1,
                ')' if pending => brackets = brackets.saturating_sub(1),
                _ => {}
            }
        }
        // A variant, a field or an arm of a match that has no block.
        pending &= brackets > 0 || !is_whole_arm;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        rust_lines("a/src/b.rs", text).remove(0)
    }

    #[test]
    fn code_comments_and_strings_are_apart() {
        let cases = [
            (r#"let a = "x // y"; // z"#, r#"let a = ""; "#, "// z", vec!["x // y"]),
            (r##"f(r#"a "q" b"#, b"c")"##, r#"f("", b"")"#, "", vec![r#"a "q" b"#, "c"]),
            (r#"let c = '"'; g::<'a>('\'', "t")"#, r#"let c = '; g::<'a>(', "")"#, "", vec!["t"]),
            (r#"a /* b /* c */ d */ e"#, "a  e", "/* b /* c */ d */", vec![]),
            (r#"let r#gen = "a\"b";"#, r#"let r#gen = "";"#, "", vec![r#"a\"b"#]),
        ];
        for (text, code, comment, strings) in cases {
            let got = line(text);
            assert_eq!((got.code.as_str(), got.comment.as_str()), (code, comment), "{text}");
            assert_eq!(got.strings, strings, "{text}");
        }
    }

    #[test]
    fn literals_and_comments_span_lines() {
        let lines = rust_lines("a/src/b.rs", "let a = \"one\ntwo\"; /* x\ny */ let b = 1;");
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1].strings, ["two"]);
        assert_eq!(lines[2].code.trim(), "let b = 1;");
        assert_eq!(lines[2].comment, "y */");
    }

    #[test]
    fn test_code_is_marked() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() { \"}\"; }\n}\nfn c() {}\n\
                    #[cfg(test)]\nmod other;\nfn d() {}";
        let marks: Vec<bool> =
            rust_lines("a/src/b.rs", text).iter().map(|line| line.is_test).collect();
        assert_eq!(marks, [false, true, true, true, true, false, true, true, false]);
        let text = "enum A {\n#[cfg(test)]\nB,\n}\nfn c() {\n#[cfg(test)]\nB => f(\"d\", 1),\n}\n\
                    fn e() {}\n#[cfg(test)]\nfn g(a: u8,\nb: u8) {\n}\nfn h() {}";
        let marks: Vec<usize> = (1..)
            .zip(rust_lines("a/src/b.rs", text))
            .filter_map(|(number, line)| line.is_test.then_some(number))
            .collect();
        assert_eq!(marks, [2, 3, 6, 7, 10, 11, 12, 13]);
        for path in ["a/tests/it/main.rs", "a/src/b_test.rs", "a/src/b/tests.rs"] {
            assert!(rust_lines(path, "fn a() {}")[0].is_test, "{path}");
        }
    }
}
