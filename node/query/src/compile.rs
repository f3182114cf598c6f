//! From parsed expressions to typed trees. What has no meaning here is refused with its place; a
//! text in single or double quotes becomes a word or an instant where one is compared with it.

#![expect(clippy::wildcard_enum_match_arm, reason = "the parser's enumerations grow")]

use crate::error::QueryError;
use crate::functions;
use crate::limits::EXPRESSION_DEPTH_MAX;
use crate::names;
use crate::plan::Grouping;
use crate::text::Source;
use crate::tree::{Any, Comparison, Number, Operation, Text, Time, Truth, Word, Words};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use schema_types::ids::EntityKind;
use schema_types::live::{Column, Holds, Place};
use sqlparser::ast::{BinaryOperator, Expr, Ident, UnaryOperator, Value};

/// Compiles expressions over rows, or over groups when there is a grouping.
pub(crate) struct Compiler<'a> {
    pub(crate) kind: EntityKind,
    pub(crate) source: Source<'a>,
    pub(crate) grouping: Option<&'a mut Grouping>,
    pub(crate) depth: usize,
    /// The columns that were named, in order.
    pub(crate) seen: Vec<&'static Column>,
}

pub(crate) type Compiled<T> = Result<T, QueryError>;

impl<'a> Compiler<'a> {
    /// For expressions over rows.
    pub(crate) fn of_rows(kind: EntityKind, source: Source<'a>) -> Self {
        Self { kind, source, grouping: None, depth: 0, seen: Vec::new() }
    }

    /// For expressions over rows inside this one: arguments of aggregates.
    pub(crate) fn rows(&self) -> Compiler<'a> {
        let mut rows = Compiler::of_rows(self.kind, self.source);
        rows.depth = self.depth;
        rows
    }

    /// An expression of any type.
    pub(crate) fn any(&mut self, expression: &Expr) -> Compiled<Any> {
        if self.depth >= EXPRESSION_DEPTH_MAX {
            return Err(QueryError::Limit { what: "levels of one in another", max: self.depth });
        }
        self.depth += 1;
        let compiled = match self.group_key(expression) {
            Some(cell) => Ok(cell),
            None => self.node(expression),
        };
        self.depth -= 1;
        compiled
    }

    /// The cell of a group key that the expression is.
    fn group_key(&mut self, expression: &Expr) -> Option<Any> {
        let keys = &self.grouping.as_ref()?.keys;
        let same = self.rows().any(expression).ok()?;
        keys.iter().position(|key| *key == same).map(|index| same.in_cell(index))
    }

    fn node(&mut self, expression: &Expr) -> Compiled<Any> {
        match expression {
            Expr::Identifier(name) if name.quote_style == Some('"') => Ok(text(&name.value)),
            Expr::Identifier(name) => self.column(name),
            Expr::Value(value) => self.literal(&value.value, expression),
            Expr::Nested(inner) => self.any(inner),
            Expr::UnaryOp { op, expr } => self.unary(*op, expr, expression),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            Expr::Between { expr, negated, low, high } => {
                let from = self.compared(Comparison::GreaterOrEqual, expr, low)?;
                let to = self.compared(Comparison::LessOrEqual, expr, high)?;
                Ok(truth(negate(Truth::All(vec![from, to]), *negated)))
            }
            Expr::InList { expr, list, negated } => {
                let equal = |one| self.compared(Comparison::Equal, expr, one);
                let any = list.iter().map(equal).collect::<Compiled<Vec<Truth>>>()?;
                Ok(truth(negate(Truth::AnyOf(any), *negated)))
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char: None } => {
                let matched = self.like(expr, pattern)?;
                Ok(truth(negate(matched, *negated)))
            }
            Expr::IsNull(inner) | Expr::IsUnknown(inner) => self.is_missing(inner, false),
            Expr::IsNotNull(inner) | Expr::IsNotUnknown(inner) => self.is_missing(inner, true),
            Expr::IsTrue(inner) => self.is(inner, true, false),
            Expr::IsNotTrue(inner) => self.is(inner, true, true),
            Expr::IsFalse(inner) => self.is(inner, false, false),
            Expr::IsNotFalse(inner) => self.is(inner, false, true),
            Expr::Function(function) => functions::call(self, function),
            other => Err(self.source.error("queries cannot do this", other)),
        }
    }

    fn column(&mut self, name: &Ident) -> Compiled<Any> {
        let Some(column) = names::column(self.kind, &name.value) else {
            let nearest = names::nearest_column(self.kind, &name.value);
            let hint = nearest.map(|one| format!("; did you mean {one}?")).unwrap_or_default();
            return Err(self.source.error(format!("there is no such column{hint}"), name));
        };
        if self.grouping.is_some() {
            let reason = format!(
                "{} is neither in group by nor inside an aggregate such as max({0})",
                column.name
            );
            return Err(self.source.error(reason, name));
        }
        if !self.seen.contains(&column) {
            self.seen.push(column);
        }
        Ok(of_column(column))
    }

    fn literal(&self, value: &Value, expression: &Expr) -> Compiled<Any> {
        match value {
            Value::Number(digits, _) => match digits.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Any::Number(Number::Constant(number))),
                Ok(_) | Err(_) => Err(self.source.error("this is not a number", expression)),
            },
            Value::SingleQuotedString(content) => Ok(text(content)),
            Value::Boolean(known) => Ok(truth(Truth::Constant(Some(*known)))),
            Value::Null => Ok(Any::Missing),
            _ => Err(self.source.error("queries cannot do this", expression)),
        }
    }

    fn unary(&mut self, op: UnaryOperator, inner: &Expr, whole: &Expr) -> Compiled<Any> {
        match op {
            UnaryOperator::Not => {
                let inner = self.truth(inner)?;
                Ok(truth(Truth::Not(Box::new(inner))))
            }
            UnaryOperator::Minus => match self.number(inner)? {
                Number::Constant(number) => Ok(Any::Number(Number::Constant(-number))),
                number => Ok(Any::Number(Number::Negative(Box::new(number)))),
            },
            UnaryOperator::Plus => self.number(inner).map(Any::Number),
            _ => Err(self.source.error("queries cannot do this", whole)),
        }
    }

    fn binary(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Compiled<Any> {
        let comparison = match op {
            BinaryOperator::And | BinaryOperator::Or => return self.chain(left, op, right),
            BinaryOperator::Plus => return self.sum(Operation::Add, left, right),
            BinaryOperator::Minus => return self.sum(Operation::Subtract, left, right),
            BinaryOperator::Multiply => return self.sum(Operation::Multiply, left, right),
            BinaryOperator::Divide => return self.sum(Operation::Divide, left, right),
            BinaryOperator::Eq => Comparison::Equal,
            BinaryOperator::NotEq => Comparison::Unequal,
            BinaryOperator::Lt => Comparison::Less,
            BinaryOperator::LtEq => Comparison::LessOrEqual,
            BinaryOperator::Gt => Comparison::Greater,
            BinaryOperator::GtEq => Comparison::GreaterOrEqual,
            _ => return Err(self.source.error("there is no such operator here", right)),
        };
        self.compared(comparison, left, right).map(truth)
    }

    /// `a and b and c`: a chain is one level, however long it is.
    fn chain(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Compiled<Any> {
        let mut parts = vec![right];
        let mut rest = left;
        while let Expr::BinaryOp { left, op: same, right } = rest
            && same == op
        {
            parts.push(right);
            rest = left;
        }
        parts.push(rest);
        let parts = parts.into_iter().rev().map(|part| self.truth(part));
        let parts = parts.collect::<Compiled<Vec<Truth>>>()?;
        let is_and = *op == BinaryOperator::And;
        Ok(truth(if is_and { Truth::All(parts) } else { Truth::AnyOf(parts) }))
    }

    fn sum(&mut self, operation: Operation, left: &Expr, right: &Expr) -> Compiled<Any> {
        let (one, other) = (self.any(left)?, self.any(right)?);
        let number = match (one, other) {
            (Any::Number(one), Any::Number(other)) => {
                Number::Calculated(operation, Box::new(one), Box::new(other))
            }
            (Any::Time(later), Any::Time(earlier)) if operation == Operation::Subtract => {
                Number::Since(Box::new(earlier), Box::new(later), functions::MINUTE)
            }
            (Any::Missing, _) | (_, Any::Missing) => return Ok(Any::Missing),
            (Any::Number(_), _) => return Err(self.source.error("this is not a number", right)),
            _ => return Err(self.source.error("this is not a number", left)),
        };
        Ok(Any::Number(number))
    }

    /// A comparison of two expressions of one type.
    fn compared(&mut self, how: Comparison, left: &Expr, right: &Expr) -> Compiled<Truth> {
        let (one, other) = (self.any(left)?, self.any(right)?);
        let one = match &other {
            Any::Time(_) | Any::Word(..) => self.fitted(one, &other, left)?,
            Any::Missing | Any::Number(_) | Any::Text(_) | Any::Truth(_) => one,
        };
        let other = self.fitted(other, &one, right)?;
        Ok(match (one, other) {
            (Any::Missing, _) | (_, Any::Missing) => Truth::Constant(None),
            (Any::Number(one), Any::Number(other)) => Truth::Numbers(how, one, other),
            (Any::Time(one), Any::Time(other)) => Truth::Times(how, one, other),
            (Any::Text(one), Any::Text(other)) => Truth::Texts(how, one, other),
            (Any::Word(one, words), Any::Word(other, same)) if words == same => {
                Truth::Words(how, one, other)
            }
            (Any::Truth(one), Any::Truth(other)) => {
                Truth::Truths(how, Box::new(one), Box::new(other))
            }
            (one, _) => {
                let reason = format!("this cannot be compared with {}", type_name(&one));
                return Err(self.source.error(reason, right));
            }
        })
    }

    /// A constant text as what it is compared with: a word of a list or an instant.
    fn fitted(&self, any: Any, with: &Any, expression: &Expr) -> Compiled<Any> {
        let Any::Text(Text::Constant(content)) = &any else { return Ok(any) };
        let content = String::from_utf8_lossy(content);
        match with {
            Any::Word(_, words) => self.word(&content, words, expression),
            Any::Time(_) => match instant(&content) {
                Some(seconds) => Ok(Any::Time(Time::Constant(seconds))),
                None => {
                    let reason =
                        "expected a time such as \"2026-11-23\" or \"2026-11-23T08:30:00Z\"";
                    Err(self.source.error(reason, expression))
                }
            },
            Any::Missing | Any::Number(_) | Any::Text(_) | Any::Truth(_) => Ok(any),
        }
    }

    fn word(&self, content: &str, words: Words, expression: &Expr) -> Compiled<Any> {
        let place = words.iter().position(|word| word.eq_ignore_ascii_case(content));
        match place.map(u8::try_from) {
            Some(Ok(index)) => Ok(Any::Word(Word::Constant(index), words)),
            Some(Err(_)) | None => {
                let reason = format!("expected one of: {}", words.join(", "));
                Err(self.source.error(reason, expression))
            }
        }
    }

    fn like(&mut self, expression: &Expr, pattern: &Expr) -> Compiled<Truth> {
        let Any::Text(Text::Constant(wanted)) = self.any(pattern)? else {
            return Err(self.source.error("a pattern is a text", pattern));
        };
        match self.any(expression)? {
            Any::Text(text) => Ok(Truth::Like(text, wanted)),
            Any::Missing => Ok(Truth::Constant(None)),
            Any::Number(_) | Any::Time(_) | Any::Word(..) | Any::Truth(_) => {
                Err(self.source.error("only texts are like a pattern", expression))
            }
        }
    }

    fn is_missing(&mut self, inner: &Expr, negated: bool) -> Compiled<Any> {
        let inner = self.any(inner)?;
        Ok(truth(negate(Truth::IsMissing(Box::new(inner)), negated)))
    }

    fn is(&mut self, inner: &Expr, wanted: bool, negated: bool) -> Compiled<Any> {
        let inner = self.truth(inner)?;
        Ok(truth(negate(Truth::Is(Box::new(inner), wanted), negated)))
    }

    /// An expression that is true or false.
    pub(crate) fn truth(&mut self, expression: &Expr) -> Compiled<Truth> {
        match self.any(expression)? {
            Any::Truth(truth) => Ok(truth),
            Any::Missing => Ok(Truth::Constant(None)),
            Any::Number(_) | Any::Time(_) | Any::Text(_) | Any::Word(..) => {
                Err(self.source.error("expected a condition, such as news2 >= 7", expression))
            }
        }
    }

    /// An expression that is a number.
    pub(crate) fn number(&mut self, expression: &Expr) -> Compiled<Number> {
        match self.any(expression)? {
            Any::Number(number) => Ok(number),
            Any::Missing | Any::Time(_) | Any::Text(_) | Any::Word(..) | Any::Truth(_) => {
                Err(self.source.error("this is not a number", expression))
            }
        }
    }
}

fn truth(truth: Truth) -> Any {
    Any::Truth(truth)
}

fn negate(truth: Truth, negated: bool) -> Truth {
    if negated { Truth::Not(Box::new(truth)) } else { truth }
}

fn text(content: &str) -> Any {
    Any::Text(Text::Constant(content.as_bytes().into()))
}

const fn type_name(any: &Any) -> &'static str {
    match any {
        Any::Missing => "null",
        Any::Number(_) => "a number",
        Any::Time(_) => "a time",
        Any::Text(_) => "a text",
        Any::Word(..) => "a word of this list",
        Any::Truth(_) => "a condition",
    }
}

/// The tree that reads a column.
pub(crate) fn of_column(column: &Column) -> Any {
    let words: Words = match column.holds {
        Holds::Word(words) => words,
        Holds::Text | Holds::Number | Holds::Time | Holds::Truth => &[],
    };
    match column.place {
        Place::Key => Any::Text(Text::Key),
        Place::Decimal(slot) => Any::Number(Number::Decimal(slot)),
        Place::Count(slot) => Any::Number(Number::Count(slot)),
        Place::Age(slot) => Any::Number(Number::Age(slot)),
        Place::Time(slot) => Any::Time(Time::Slot(slot)),
        Place::Text(slot) => Any::Text(Text::Slot(slot)),
        Place::Word { slot, shift, bits } => Any::Word(Word::Bits { slot, shift, bits }, words),
        Place::Truth { slot, bit } => Any::Truth(Truth::Bit { slot, bit }),
    }
}

/// Seconds since 1970 of an ISO 8601 date or time; without an offset in UTC.
fn instant(text: &str) -> Option<i64> {
    if let Ok(exact) = DateTime::parse_from_rfc3339(text) {
        return Some(exact.timestamp());
    }
    let formats = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"];
    let local = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    let civil = local.or_else(|| day().map(|day| day.and_time(NaiveTime::MIN)))?;
    Some(civil.and_utc().timestamp())
}
