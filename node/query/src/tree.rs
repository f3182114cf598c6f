//! Compiled expressions: one tree per type, evaluated on a raw row or on the cells of a group.
//! `None` is missing, and missing is unknown, never zero (three-valued logic).

use actors_runtime::live::RowKeys;
use schema_types::live::years_between;
use schema_wire::live::LiveRow;
use std::cmp::Ordering;

/// The words of a column.
pub(crate) type Words = &'static [&'static str];

/// A value of a group or of an answer's row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Missing,
    Number(f64),
    Text(Box<[u8]>),
    Time(i64),
    Word(u8),
    Truth(bool),
}

/// What an expression is evaluated on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    /// The live row; absent for a group.
    pub(crate) live: Option<LiveRow<'a>>,
    /// The key of the live row.
    pub(crate) key: &'a [u8],
    pub(crate) keys: &'a RowKeys,
    /// The keys and aggregates of a group.
    pub(crate) cells: &'a [Cell],
    pub(crate) moment: Moment,
}

/// When the question was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) seconds: i64,
    /// Packed date (UTC).
    pub(crate) today: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    const fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Unequal => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Number {
    Constant(f64),
    Decimal(u8),
    Count(u8),
    Age(u8),
    Cell(usize),
    /// Seconds from the first instant to the second, divided.
    Since(Box<Time>, Box<Time>, f64),
    Negative(Box<Number>),
    Calculated(Operation, Box<Number>, Box<Number>),
    /// Rounded to so many decimals.
    Rounded(Box<Number>, u8),
    FirstOf(Vec<Number>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Time {
    Constant(i64),
    Now,
    Slot(u8),
    Cell(usize),
    FirstOf(Vec<Time>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Text {
    Constant(Box<[u8]>),
    Key,
    Slot(u8),
    Cell(usize),
    FirstOf(Vec<Text>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Word {
    Constant(u8),
    Bits { slot: u8, shift: u8, bits: u8 },
    Cell(usize),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Truth {
    Constant(Option<bool>),
    Bit {
        slot: u8,
        bit: u8,
    },
    Cell(usize),
    Numbers(Comparison, Number, Number),
    Times(Comparison, Time, Time),
    Texts(Comparison, Text, Text),
    Words(Comparison, Word, Word),
    Truths(Comparison, Box<Truth>, Box<Truth>),
    Like(Text, Box<[u8]>),
    IsMissing(Box<Any>),
    /// Whether it is known to have this value.
    Is(Box<Truth>, bool),
    Not(Box<Truth>),
    All(Vec<Truth>),
    AnyOf(Vec<Truth>),
}

/// An expression of any type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Any {
    Missing,
    Number(Number),
    Time(Time),
    Text(Text),
    Word(Word, Words),
    Truth(Truth),
}

impl Number {
    pub(crate) fn value(&self, row: &Row<'_>) -> Option<f64> {
        match self {
            Self::Constant(number) => Some(*number),
            Self::Decimal(slot) => row.live?.decimal(*slot),
            Self::Count(slot) => row.live?.count(*slot).map(f64::from),
            Self::Age(slot) => {
                years_between(row.live?.count(*slot)?, row.moment.today).map(f64::from)
            }
            Self::Cell(index) => match row.cells.get(*index)? {
                Cell::Number(number) => Some(*number),
                Cell::Missing | Cell::Text(_) | Cell::Time(_) | Cell::Word(_) | Cell::Truth(_) => {
                    None
                }
            },
            Self::Since(from, to, unit) => {
                let seconds = to.value(row)?.checked_sub(from.value(row)?)?;
                Some(whole(seconds) / unit)
            }
            Self::Negative(number) => number.value(row).map(|number| -number),
            Self::Calculated(operation, left, right) => {
                calculate(*operation, left.value(row)?, right.value(row)?)
            }
            Self::Rounded(number, decimals) => {
                let factor = 10_f64.powi(i32::from(*decimals));
                finite((number.value(row)? * factor).round() / factor)
            }
            Self::FirstOf(numbers) => numbers.iter().find_map(|number| number.value(row)),
        }
    }
}

/// Seconds as a number; exact for 285 million years.
#[expect(clippy::cast_precision_loss, reason = "spans between instants are far below 2^53 s")]
const fn whole(seconds: i64) -> f64 {
    seconds as f64
}

/// A division by zero and what has no number is unknown.
fn calculate(operation: Operation, left: f64, right: f64) -> Option<f64> {
    finite(match operation {
        Operation::Add => left + right,
        Operation::Subtract => left - right,
        Operation::Multiply => left * right,
        Operation::Divide => left / right,
    })
}

fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

impl Time {
    pub(crate) fn value(&self, row: &Row<'_>) -> Option<i64> {
        match self {
            Self::Constant(seconds) => Some(*seconds),
            Self::Now => Some(row.moment.seconds),
            Self::Slot(slot) => row.live?.time_seconds(*slot),
            Self::Cell(index) => match row.cells.get(*index)? {
                Cell::Time(seconds) => Some(*seconds),
                Cell::Missing
                | Cell::Number(_)
                | Cell::Text(_)
                | Cell::Word(_)
                | Cell::Truth(_) => None,
            },
            Self::FirstOf(times) => times.iter().find_map(|time| time.value(row)),
        }
    }
}

impl Text {
    pub(crate) fn value<'r>(&'r self, row: &Row<'r>) -> Option<&'r [u8]> {
        match self {
            Self::Constant(text) => Some(text),
            Self::Key => row.keys.key_bytes(row.key),
            Self::Slot(slot) => row.live?.text(*slot),
            Self::Cell(index) => match row.cells.get(*index)? {
                Cell::Text(text) => Some(text),
                Cell::Missing
                | Cell::Number(_)
                | Cell::Time(_)
                | Cell::Word(_)
                | Cell::Truth(_) => None,
            },
            Self::FirstOf(texts) => texts.iter().find_map(|text| text.value(row)),
        }
    }
}

impl Word {
    /// The place of the word in its list.
    pub(crate) fn value(&self, row: &Row<'_>) -> Option<u8> {
        match self {
            Self::Constant(index) => Some(*index),
            Self::Bits { slot, shift, bits } => {
                let stored = row.live?.count(*slot)? >> shift & ((1 << bits) - 1);
                u8::try_from(stored).ok()?.checked_sub(1)
            }
            Self::Cell(index) => match row.cells.get(*index)? {
                Cell::Word(word) => Some(*word),
                Cell::Missing
                | Cell::Number(_)
                | Cell::Text(_)
                | Cell::Time(_)
                | Cell::Truth(_) => None,
            },
        }
    }
}

impl Truth {
    pub(crate) fn value(&self, row: &Row<'_>) -> Option<bool> {
        match self {
            Self::Constant(truth) => *truth,
            Self::Bit { slot, bit } => Some(row.live?.count(*slot)? >> bit & 1 == 1),
            Self::Cell(index) => match row.cells.get(*index)? {
                Cell::Truth(truth) => Some(*truth),
                Cell::Missing | Cell::Number(_) | Cell::Text(_) | Cell::Time(_) | Cell::Word(_) => {
                    None
                }
            },
            Self::Numbers(comparison, left, right) => {
                let ordering = left.value(row)?.partial_cmp(&right.value(row)?)?;
                Some(comparison.holds(ordering))
            }
            Self::Times(comparison, left, right) => {
                Some(comparison.holds(left.value(row)?.cmp(&right.value(row)?)))
            }
            Self::Texts(comparison, left, right) => {
                Some(comparison.holds(left.value(row)?.cmp(right.value(row)?)))
            }
            Self::Words(comparison, left, right) => {
                Some(comparison.holds(left.value(row)?.cmp(&right.value(row)?)))
            }
            Self::Truths(comparison, left, right) => {
                Some(comparison.holds(left.value(row)?.cmp(&right.value(row)?)))
            }
            Self::Like(text, pattern) => Some(is_like(text.value(row)?, pattern)),
            Self::IsMissing(any) => Some(any.is_missing(row)),
            Self::Is(truth, wanted) => Some(truth.value(row) == Some(*wanted)),
            Self::Not(truth) => truth.value(row).map(|truth| !truth),
            Self::All(truths) => combined(truths, row, false),
            Self::AnyOf(truths) => combined(truths, row, true),
        }
    }
}

/// `deciding` as soon as one is; otherwise unknown when one is unknown.
fn combined(truths: &[Truth], row: &Row<'_>, deciding: bool) -> Option<bool> {
    let mut result = Some(!deciding);
    for truth in truths {
        match truth.value(row) {
            Some(truth) if truth == deciding => return Some(deciding),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

impl Any {
    fn is_missing(&self, row: &Row<'_>) -> bool {
        match self {
            Self::Missing => true,
            Self::Number(number) => number.value(row).is_none(),
            Self::Time(time) => time.value(row).is_none(),
            Self::Text(text) => text.value(row).is_none(),
            Self::Word(word, _) => word.value(row).is_none(),
            Self::Truth(truth) => truth.value(row).is_none(),
        }
    }

    pub(crate) fn cell(&self, row: &Row<'_>) -> Cell {
        let cell = match self {
            Self::Missing => None,
            Self::Number(number) => number.value(row).map(Cell::Number),
            Self::Time(time) => time.value(row).map(Cell::Time),
            Self::Text(text) => text.value(row).map(|text| Cell::Text(text.into())),
            Self::Word(word, _) => word.value(row).map(Cell::Word),
            Self::Truth(truth) => truth.value(row).map(Cell::Truth),
        };
        cell.unwrap_or(Cell::Missing)
    }

    /// The same value read from a cell of a group.
    pub(crate) fn in_cell(&self, index: usize) -> Self {
        match self {
            Self::Missing => Self::Missing,
            Self::Number(_) => Self::Number(Number::Cell(index)),
            Self::Time(_) => Self::Time(Time::Cell(index)),
            Self::Text(_) => Self::Text(Text::Cell(index)),
            Self::Word(_, words) => Self::Word(Word::Cell(index), words),
            Self::Truth(_) => Self::Truth(Truth::Cell(index)),
        }
    }
}

/// `%` stands for any text, `_` for one character.
fn is_like(text: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut wanted) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(wanted) {
            Some(b'%') => {
                retry = Some((wanted + 1, at));
                wanted += 1;
            }
            Some(b'_') => {
                at = after_character(text, at);
                wanted += 1;
            }
            Some(byte) if *byte == text[at] => {
                at += 1;
                wanted += 1;
            }
            Some(_) | None => {
                let Some((after_percent, taken)) = retry else { return false };
                retry = Some((after_percent, taken + 1));
                (wanted, at) = (after_percent, taken + 1);
            }
        }
    }
    pattern[wanted..].iter().all(|byte| *byte == b'%')
}

fn after_character(text: &[u8], at: usize) -> usize {
    let rest = text.get(at + 1..).unwrap_or_default();
    at + 1 + rest.iter().take_while(|byte| **byte & 0xC0 == 0x80).count()
}

#[cfg(test)]
#[path = "tree_test.rs"]
mod tests;
