//! The functions of queries: ages of values, the first known of several, rounding, aggregates.

#![expect(clippy::wildcard_enum_match_arm, reason = "the parser's enumerations grow")]

use crate::compile::{Compiled, Compiler};
use crate::error::QueryError;
use crate::limits::AGGREGATES_MAX;
use crate::names;
use crate::plan::{Aggregate, AggregateKind};
use crate::tree::{Any, Number, Text, Time};
use schema_types::live::{Place, patient_slot};
use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments};

/// Seconds of a minute.
pub(crate) const MINUTE: f64 = 60.0;
const HOUR: f64 = 3_600.0;
const DAY: f64 = 86_400.0;
const DECIMALS_MAX: u8 = 9;

const NAMES: [&str; 11] = [
    "avg",
    "coalesce",
    "count",
    "days_since",
    "hours_since",
    "max",
    "min",
    "minutes_since",
    "now",
    "round",
    "sum",
];

const AGGREGATES: [&str; 5] = ["avg", "count", "max", "min", "sum"];

/// Whether a word is the name of a function.
pub(crate) fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// A call of a function.
pub(crate) fn call(compiler: &mut Compiler<'_>, function: &Function) -> Compiled<Any> {
    let name = function.name.to_string().to_ascii_lowercase();
    let (arguments, is_star) = arguments(compiler, function)?;
    let one = || match arguments.as_slice() {
        [only] => Ok(*only),
        _ => Err(compiler.source.error(format!("{name} takes one argument"), &function.name)),
    };
    let kind = match name.as_str() {
        "now" if arguments.is_empty() && !is_star => return Ok(Any::Time(Time::Now)),
        "minutes_since" => return since(compiler, one()?, MINUTE),
        "hours_since" => return since(compiler, one()?, HOUR),
        "days_since" => return since(compiler, one()?, DAY),
        "coalesce" => return first_of(compiler, &arguments, function),
        "round" => return rounded(compiler, &arguments, function),
        "count" if is_star => AggregateKind::Rows,
        "count" => AggregateKind::Known,
        "sum" => AggregateKind::Sum,
        "avg" => AggregateKind::Average,
        "min" => AggregateKind::Least,
        "max" => AggregateKind::Greatest,
        _ => {
            let nearest = names::nearest(&name, NAMES.into_iter());
            let hint = nearest.map(|one| format!("; did you mean {one}?")).unwrap_or_default();
            let reason = format!("there is no such function{hint}");
            return Err(compiler.source.error(reason, &function.name));
        }
    };
    let argument = if is_star { None } else { Some(one()?) };
    aggregate(compiler, kind, argument, function)
}

/// The arguments, or that there is a star instead.
fn arguments<'f>(
    compiler: &Compiler<'_>,
    function: &'f Function,
) -> Compiled<(Vec<&'f Expr>, bool)> {
    let refused = || compiler.source.error("queries cannot do this", &function.name);
    let is_plain = !function.uses_odbc_syntax
        && function.parameters == FunctionArguments::None
        && function.within_group.is_empty()
        && function.filter.is_none()
        && function.null_treatment.is_none()
        && function.over.is_none();
    let FunctionArguments::List(list) = &function.args else { return Err(refused()) };
    if !is_plain || list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return Err(refused());
    }
    let mut arguments = Vec::with_capacity(list.args.len());
    let mut is_star = false;
    for argument in &list.args {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => arguments.push(expression),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if list.args.len() == 1 => {
                is_star = true;
            }
            FunctionArg::Unnamed(_) | FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                return Err(refused());
            }
        }
    }
    Ok((arguments, is_star))
}

/// The time since an instant, or since the newest value of a measure or score was true.
fn since(compiler: &mut Compiler<'_>, argument: &Expr, unit: f64) -> Compiled<Any> {
    let from = match compiler.any(argument)? {
        Any::Time(time) => time,
        Any::Number(Number::Decimal(slot)) => match slot_of_time(compiler, slot) {
            Some(slot) => Time::Slot(slot),
            None => return Err(compiler.source.error("this value has no time", argument)),
        },
        Any::Missing => return Ok(Any::Missing),
        Any::Number(_) | Any::Text(_) | Any::Word(..) | Any::Truth(_) => {
            return Err(compiler.source.error("this value has no time", argument));
        }
    };
    Ok(Any::Number(Number::Since(Box::new(from), Box::new(Time::Now), unit)))
}

fn slot_of_time(compiler: &Compiler<'_>, slot: u8) -> Option<u8> {
    use patient_slot::{AS_OF, BANDS, MAXIMA, MINIMA, TIMES};
    let time = match slot {
        value if value < TIMES => value + TIMES,
        minimum if (MINIMA..MAXIMA).contains(&minimum) => minimum - MINIMA + AS_OF,
        maximum if (MAXIMA..AS_OF).contains(&maximum) => maximum - MAXIMA + AS_OF,
        _ => BANDS,
    };
    let columns = schema_types::live::columns(compiler.kind);
    columns.iter().any(|column| column.place == Place::Time(time)).then_some(time)
}

/// The first of several values of one type that is known.
fn first_of(
    compiler: &mut Compiler<'_>,
    arguments: &[&Expr],
    function: &Function,
) -> Compiled<Any> {
    let (mut numbers, mut times, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    for argument in arguments {
        match compiler.any(argument)? {
            Any::Missing => {}
            Any::Number(number) => numbers.push(number),
            Any::Time(time) => times.push(time),
            Any::Text(text) => texts.push(text),
            Any::Word(..) | Any::Truth(_) => {
                let reason = "coalesce takes numbers, times or texts";
                return Err(compiler.source.error(reason, *argument));
            }
        }
    }
    match (numbers.is_empty(), times.is_empty(), texts.is_empty()) {
        (false, true, true) => Ok(Any::Number(Number::FirstOf(numbers))),
        (true, false, true) => Ok(Any::Time(Time::FirstOf(times))),
        (true, true, false) => Ok(Any::Text(Text::FirstOf(texts))),
        (true, true, true) => Ok(Any::Missing),
        _ => Err(compiler.source.error("coalesce takes values of one type", &function.name)),
    }
}

fn rounded(compiler: &mut Compiler<'_>, arguments: &[&Expr], function: &Function) -> Compiled<Any> {
    let (number, decimals) = match arguments {
        [number] => (compiler.number(number)?, Some(0)),
        [number, decimals] => {
            let wanted = compiler.number(decimals)?;
            let is_it = |count: &u8| wanted == Number::Constant(f64::from(*count));
            (compiler.number(number)?, (0..=DECIMALS_MAX).find(is_it))
        }
        _ => (Number::Constant(0.0), None),
    };
    let reason = "round takes a number and how many decimals, at most 9";
    let decimals = decimals.ok_or_else(|| compiler.source.error(reason, &function.name))?;
    Ok(Any::Number(Number::Rounded(Box::new(number), decimals)))
}

fn aggregate(
    compiler: &mut Compiler<'_>,
    kind: AggregateKind,
    argument: Option<&Expr>,
    function: &Function,
) -> Compiled<Any> {
    let argument = match argument {
        Some(argument) => compiler.rows().any(argument)?,
        None => Any::Missing,
    };
    let result = match (kind, &argument) {
        (AggregateKind::Rows | AggregateKind::Known, _)
        | (AggregateKind::Sum | AggregateKind::Average, Any::Number(_)) => {
            Any::Number(Number::Cell(0))
        }
        (
            AggregateKind::Least | AggregateKind::Greatest,
            Any::Number(_) | Any::Time(_) | Any::Word(..),
        ) => argument.clone(),
        _ => {
            let reason = "this aggregate takes numbers; min and max also times and words";
            return Err(compiler.source.error(reason, &function.name));
        }
    };
    let Some(grouping) = compiler.grouping.as_mut() else {
        let reason = "aggregates stand in select, having and order by, not in one another";
        return Err(compiler.source.error(reason, &function.name));
    };
    let wanted = Aggregate { kind, argument };
    let known = grouping.aggregates.iter().position(|one| *one == wanted);
    let index = known.unwrap_or(grouping.aggregates.len());
    if index >= AGGREGATES_MAX {
        return Err(QueryError::Limit { what: "aggregates", max: AGGREGATES_MAX });
    }
    if known.is_none() {
        grouping.aggregates.push(wanted);
    }
    Ok(result.in_cell(grouping.keys.len() + index))
}

/// Whether an expression calls an aggregate: then the query has groups.
pub(crate) fn has_aggregate(expression: &Expr) -> bool {
    let mut left = vec![expression];
    while let Some(expression) = left.pop() {
        match expression {
            Expr::Function(function) => {
                let name = function.name.to_string().to_ascii_lowercase();
                if AGGREGATES.contains(&name.as_str()) {
                    return true;
                }
                let FunctionArguments::List(list) = &function.args else { continue };
                left.extend(list.args.iter().filter_map(|argument| match argument {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Some(expression),
                    FunctionArg::Unnamed(_)
                    | FunctionArg::Named { .. }
                    | FunctionArg::ExprNamed { .. } => None,
                }));
            }
            Expr::Nested(inner)
            | Expr::UnaryOp { expr: inner, .. }
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::Like { expr: inner, .. } => left.push(inner),
            Expr::BinaryOp { left: one, right: other, .. } => {
                left.extend([one.as_ref(), other.as_ref()]);
            }
            Expr::Between { expr, low, high, .. } => {
                left.extend([expr.as_ref(), low.as_ref(), high.as_ref()]);
            }
            Expr::InList { expr, list, .. } => {
                left.push(expr);
                left.extend(list);
            }
            _ => {}
        }
    }
    false
}
