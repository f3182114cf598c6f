//! A query as it is run: filter, groups, outputs and order as typed trees. Made from the clauses
//! of its text, which is kept only without literals (PHI-1).

#![expect(clippy::wildcard_enum_match_arm, reason = "the parser's enumerations grow")]

use crate::answer::OutputColumn;
use crate::compile::{Compiler, of_column};
use crate::error::QueryError;
use crate::functions::has_aggregate;
use crate::limits::{GROUP_KEYS_MAX, ORDERS_MAX, OUTPUTS_MAX, ROWS_DEFAULT, ROWS_MAX};
use crate::names;
use crate::text::{self, Clauses, Item, Source};
use crate::tree::{Any, Truth};
use schema_types::ids::EntityKind;
use schema_types::live::{Column, Holds};
use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, OrderByExpr};
use sqlparser::ast::{OrderBySort, Value};
use std::sync::Arc;

/// A query that can be run, many times and by many. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Query {
    pub(crate) plan: Arc<Plan>,
}

/// A query as typed trees.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) kind: EntityKind,
    pub(crate) filter: Option<Truth>,
    pub(crate) grouping: Option<Grouping>,
    pub(crate) having: Option<Truth>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) orders: Vec<Order>,
    pub(crate) limit: usize,
    /// The text without literals.
    pub(crate) shown: String,
}

/// What is grouped by, and what is counted in each group.
#[derive(Debug, Default, Clone)]
pub(crate) struct Grouping {
    pub(crate) keys: Vec<Any>,
    pub(crate) aggregates: Vec<Aggregate>,
}

/// One aggregate over the rows of a group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Aggregate {
    pub(crate) kind: AggregateKind,
    pub(crate) argument: Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AggregateKind {
    /// Rows.
    Rows,
    /// Rows whose value is known.
    Known,
    Sum,
    Average,
    Least,
    Greatest,
}

/// A column of the answer.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) column: OutputColumn,
    pub(crate) value: Any,
}

#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) value: Any,
    pub(crate) descending: bool,
}

impl Query {
    /// Reads a query: a condition such as `news2 >= 7 and unit = "W3"`, or
    /// `select ... from patients where ... group by ... having ... order by ... limit ...`.
    ///
    /// # Errors
    /// [`QueryError::Text`] with the place of what is wrong, [`QueryError::Limit`].
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let clauses = text::parse(text)?;
        let plan = plan(clauses, text)?;
        Ok(Self { plan: Arc::new(plan) })
    }

    /// The text without literals, as the audit log shows it.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.plan.shown
    }

    /// What is asked about.
    #[must_use]
    pub fn kind(&self) -> EntityKind {
        self.plan.kind
    }

    /// The columns of the answer.
    #[must_use]
    pub fn columns(&self) -> Vec<OutputColumn> {
        self.plan.outputs.iter().map(|output| output.column.clone()).collect()
    }
}

fn plan(clauses: Clauses, text: &str) -> Result<Plan, QueryError> {
    let source = Source(text);
    let kind = match &clauses.from {
        None => EntityKind::Patient,
        Some(name) => names::kind(&name.value).ok_or_else(|| {
            source.error("queries are from patients, devices or facilities", name)
        })?,
    };
    let mut rows = Compiler::of_rows(kind, source);
    let filter = clauses.filter.as_ref().map(|filter| rows.truth(filter)).transpose()?;
    let mut grouping = grouping(&clauses, (kind, source))?;
    let having = match (&clauses.having, grouping.as_mut()) {
        (None, _) => None,
        (Some(having), Some(grouping)) => {
            let mut groups = Compiler::of_rows(kind, source);
            groups.grouping = Some(grouping);
            Some(groups.truth(having)?)
        }
        (Some(having), None) => {
            return Err(source.error("having needs group by or an aggregate", having));
        }
    };
    let mut compiler = Compiler::of_rows(kind, source);
    compiler.grouping = grouping.as_mut();
    let outputs = match &clauses.items {
        Some(items) => items
            .iter()
            .map(|(expression, alias)| output(&mut compiler, expression, alias.as_ref()))
            .collect::<Result<Vec<Output>, QueryError>>()?,
        None => Vec::new(),
    };
    let outputs = named_once(outputs);
    let orders = orders(&mut compiler, &clauses.order_by, (&outputs, clauses.items.as_deref()))?;
    let outputs = match &clauses.items {
        Some(_) => outputs,
        None => usual(kind, [rows.seen, compiler.seen].concat()),
    };
    let limit = limit(clauses.limit.as_ref(), source)?;
    bounded(outputs.len(), OUTPUTS_MAX, "columns")?;
    let shown = text::without_literals(text);
    Ok(Plan { kind, filter, grouping, having, outputs, orders, limit, shown })
}

fn bounded(count: usize, max: usize, what: &'static str) -> Result<(), QueryError> {
    if count > max { Err(QueryError::Limit { what, max }) } else { Ok(()) }
}

/// The grouping, when there is one: by `group by`, or one group because of an aggregate.
fn grouping(
    clauses: &Clauses,
    (kind, source): (EntityKind, Source<'_>),
) -> Result<Option<Grouping>, QueryError> {
    let items = clauses.items.as_deref().unwrap_or_default();
    let outputs = items.iter().map(|(expression, _)| expression);
    let ordered = clauses.order_by.iter().map(|order| &order.expr);
    let counted = outputs.chain(&clauses.having).chain(ordered).any(has_aggregate);
    if clauses.group_by.is_empty() && !counted {
        return Ok(None);
    }
    if clauses.items.is_none() {
        let reason = "a query with groups says what to select";
        return Err(QueryError::text(reason, 1));
    }
    bounded(clauses.group_by.len(), GROUP_KEYS_MAX, "expressions in group by")?;
    let mut rows = Compiler::of_rows(kind, source);
    let keys = clauses.group_by.iter().map(|key| rows.any(key));
    let keys = keys.collect::<Result<Vec<Any>, QueryError>>()?;
    Ok(Some(Grouping { keys, aggregates: Vec::new() }))
}

fn output(
    compiler: &mut Compiler<'_>,
    expression: &Expr,
    alias: Option<&Ident>,
) -> Result<Output, QueryError> {
    let value = compiler.any(expression)?;
    let column = column_of(compiler.kind, expression);
    let name = match (alias, &column) {
        (Some(alias), _) => alias.value.clone(),
        (None, Some(column)) if matches!(expression, Expr::Identifier(_)) => column.name.to_owned(),
        (None, _) => text::without_literals(&expression.to_string()),
    };
    let unit = column.filter(|_| matches!(value, Any::Number(_))).map_or("", |column| column.unit);
    let holds = match &value {
        Any::Missing | Any::Number(_) => Holds::Number,
        Any::Time(_) => Holds::Time,
        Any::Text(_) => Holds::Text,
        Any::Word(_, words) => Holds::Word(words),
        Any::Truth(_) => Holds::Truth,
    };
    Ok(Output { column: OutputColumn { name, holds, unit }, value })
}

/// The column that an expression shows, itself or its sum, average, least or greatest.
fn column_of(kind: EntityKind, expression: &Expr) -> Option<&'static Column> {
    match expression {
        Expr::Identifier(name) if name.quote_style.is_none() => names::column(kind, &name.value),
        Expr::Function(function) => {
            let name = function.name.to_string().to_ascii_lowercase();
            let FunctionArguments::List(list) = &function.args else { return None };
            match list.args.as_slice() {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(column)))]
                    if ["sum", "avg", "min", "max"].contains(&name.as_str()) =>
                {
                    names::column(kind, &column.value)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// Gives outputs of one name numbers from the second on.
fn named_once(mut outputs: Vec<Output>) -> Vec<Output> {
    for index in 1..outputs.len() {
        let (before, rest) = outputs.split_at_mut(index);
        let Some(output) = rest.first_mut() else { continue };
        let is_taken = |name: &str| before.iter().any(|one| one.column.name == name);
        let wanted = output.column.name.clone();
        let mut number = 2;
        while is_taken(&output.column.name) {
            output.column.name = format!("{wanted}_{number}");
            number += 1;
        }
    }
    outputs
}

/// What a query without `select` shows: who and where, and what it asks about.
fn usual(kind: EntityKind, seen: Vec<&'static Column>) -> Vec<Output> {
    let names: &[&str] = match kind {
        EntityKind::Patient => {
            &["key", "facility", "unit", "bed", "news2", "news2_band", "open_alerts"]
        }
        EntityKind::Device => &["key", "patient", "silent", "battery", "last_heard_at"],
        EntityKind::Facility => &["key", "occupied", "beds", "beds_ready", "beds_dirty"],
    };
    let mut columns: Vec<&Column> =
        names.iter().filter_map(|name| names::column(kind, name)).collect();
    for column in seen {
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    let output = |column: &Column| Output {
        column: OutputColumn {
            name: column.name.to_owned(),
            holds: column.holds,
            unit: column.unit,
        },
        value: of_column(column),
    };
    columns.into_iter().map(output).collect()
}

fn orders(
    compiler: &mut Compiler<'_>,
    clauses: &[OrderByExpr],
    (outputs, items): (&[Output], Option<&[Item]>),
) -> Result<Vec<Order>, QueryError> {
    bounded(clauses.len(), ORDERS_MAX, "expressions in order by")?;
    let items = items.unwrap_or_default();
    let mut orders = Vec::with_capacity(clauses.len());
    for clause in clauses {
        let descending = match &clause.options.sort {
            None | Some(OrderBySort::Asc) => false,
            Some(OrderBySort::Desc) => true,
            Some(OrderBySort::Using(_)) => {
                return Err(compiler.source.error("queries cannot do this", &clause.expr));
            }
        };
        if clause.options.nulls_first.is_some() || clause.with_fill.is_some() {
            let reason = "what is missing comes last; nothing else can be said in order by";
            return Err(compiler.source.error(reason, &clause.expr));
        }
        let selected = match &clause.expr {
            Expr::Identifier(name) => {
                items.iter().position(|(_, alias)| alias.as_ref() == Some(name))
            }
            Expr::Value(number) => match &number.value {
                Value::Number(digits, _) => {
                    let index = digits.parse::<usize>().ok().and_then(|place| place.checked_sub(1));
                    Some(index.filter(|index| *index < outputs.len()).ok_or_else(|| {
                        compiler.source.error("there is no such column", &clause.expr)
                    })?)
                }
                _ => None,
            },
            _ => None,
        };
        let value = match selected.and_then(|index| outputs.get(index)) {
            Some(output) => output.value.clone(),
            None => compiler.any(&clause.expr)?,
        };
        orders.push(Order { value, descending });
    }
    Ok(orders)
}

fn limit(limit: Option<&Expr>, source: Source<'_>) -> Result<usize, QueryError> {
    let Some(expression) = limit else { return Ok(ROWS_DEFAULT) };
    let number = match expression {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse::<usize>().ok(),
            _ => None,
        },
        _ => None,
    };
    match number {
        Some(number) if (1..=ROWS_MAX).contains(&number) => Ok(number),
        Some(_) | None => {
            let reason = format!("expected a number of rows from 1 to {ROWS_MAX}");
            Err(source.error(reason, expression))
        }
    }
}
