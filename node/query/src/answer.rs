//! What a query answers: typed values, and what the answer is worth.

use schema_types::ids::EntityId;
use schema_types::live::Holds;
use schema_types::time::Timestamp;

/// A value of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Not known: never zero, never an empty text.
    Missing,
    /// A number in the column's unit.
    Number(f64),
    /// A text.
    Text(String),
    /// True or false.
    Truth(bool),
    /// An instant, to the second.
    Time(Timestamp),
    /// A word of the column's list.
    Word(&'static str),
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputColumn {
    /// The name: an alias of the query, a column, or the text of the expression without literals.
    pub name: String,
    /// What it holds.
    pub holds: Holds,
    /// The UCUM unit; empty when it has none.
    pub unit: &'static str,
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryAnswer {
    /// The columns.
    pub columns: Vec<OutputColumn>,
    /// The rows, in order.
    pub rows: Vec<Vec<Value>>,
    /// The entity behind each row; empty when the rows are groups.
    pub entities: Vec<EntityId>,
    /// How many entities the filter let through.
    pub matched: u64,
    /// How many entities were looked at.
    pub scanned: u64,
    /// The version of the store that all of it is of.
    pub version: u64,
    /// Whether there are more rows than these.
    pub truncated: bool,
    /// Whether every entity has a live row; `false` while those from before there were live rows
    /// are still being made.
    pub complete: bool,
}
