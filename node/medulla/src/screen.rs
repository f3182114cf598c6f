//! What people and programs see: tables and words for people, one JSON object as the last line of
//! standard output for programs. Colours only on a terminal.

use serde_json::Value;
use std::io::{IsTerminal, Write};

/// Where output goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    /// A program reads standard output; people read standard error.
    pub(crate) is_json: bool,
    has_colours: bool,
}

/// A colour of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    Red,
    Green,
    Yellow,
    Faint,
    Bold,
}

impl Screen {
    pub(crate) fn new(is_json: bool) -> Self {
        let is_terminal =
            if is_json { std::io::stderr().is_terminal() } else { std::io::stdout().is_terminal() };
        Self { is_json, has_colours: is_terminal }
    }

    /// A line for a person.
    pub(crate) fn say(&self, line: impl AsRef<str>) {
        if self.is_json { self.note(line) } else { write(&mut std::io::stdout(), line.as_ref()) }
    }

    /// A line that is about the work and not its result.
    pub(crate) fn note(&self, line: impl AsRef<str>) {
        write(&mut std::io::stderr(), line.as_ref());
    }

    /// The result for a program, if one reads; call it last.
    pub(crate) fn result(&self, value: &Value) {
        if self.is_json {
            write(&mut std::io::stdout(), &value.to_string());
        }
    }

    /// Text in a colour.
    pub(crate) fn paint(&self, colour: Colour, text: &str) -> String {
        if !self.has_colours {
            return text.to_owned();
        }
        let number = match colour {
            Colour::Red => 31,
            Colour::Green => 32,
            Colour::Yellow => 33,
            Colour::Faint => 2,
            Colour::Bold => 1,
        };
        format!("\u{1b}[{number}m{text}\u{1b}[0m")
    }

    /// The colour of a band or severity.
    pub(crate) fn paint_band(&self, band: &str) -> String {
        match band {
            "high" | "critical" => self.paint(Colour::Red, band),
            "medium" | "low-medium" | "warning" => self.paint(Colour::Yellow, band),
            _ => band.to_owned(),
        }
    }
}

/// A line on standard output that is the result itself.
pub(crate) fn output(line: &str) {
    write(&mut std::io::stdout(), line);
}

/// A reader that is gone (`medulla ... | head`) is no reason to fail.
fn write(stream: &mut dyn Write, line: &str) {
    let _reader_gone = writeln!(stream, "{line}").and_then(|()| stream.flush());
}

/// Rows under a head, columns as wide as their widest cell.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|&name| name.to_owned()).collect()] }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines, numbers to the right.
    pub(crate) fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
        let shape: Vec<(usize, bool)> = (0..columns)
            .map(|column| {
                let width = self.rows.iter().map(|row| visible(&cell(row, column))).max();
                let body = self.rows.iter().skip(1).map(|row| cell(row, column));
                let mut filled = body.filter(|text| !text.is_empty()).peekable();
                let is_number = filled.peek().is_some() && filled.all(|text| is_number(&text));
                (width.unwrap_or(0), is_number)
            })
            .collect();
        let line = |row: &Vec<String>| {
            let cells = shape.iter().enumerate().map(|(column, (width, to_the_right))| {
                let text = cell(row, column);
                let pad = " ".repeat(width.saturating_sub(visible(&text)));
                if *to_the_right { format!("{pad}{text}") } else { format!("{text}{pad}") }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }

    /// Shows the table to a person; a program gets the same as JSON.
    pub(crate) fn print(&self, screen: &Screen) {
        if !screen.is_json {
            self.lines().iter().for_each(|line| screen.say(line));
        }
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b','))
}

/// Characters that take room: colour sequences do not.
fn visible(text: &str) -> usize {
    let mut count = 0;
    let mut in_sequence = false;
    for character in text.chars() {
        match (in_sequence, character) {
            (false, '\u{1b}') => in_sequence = true,
            (true, 'm') => in_sequence = false,
            (true, _) => {}
            (false, _) => count += 1,
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_their_colours() {
        let mut table = Table::new(&["ward", "beds", "note"]);
        table.row(["ICU1".to_owned(), "4".to_owned(), "\u{1b}[31mfull\u{1b}[0m".to_owned()]);
        table.row(["MED1".to_owned(), "120".to_owned(), String::new()]);
        assert_eq!(
            table.lines(),
            ["ward  beds  note", "ICU1     4  \u{1b}[31mfull\u{1b}[0m", "MED1   120",]
        );
    }
}
