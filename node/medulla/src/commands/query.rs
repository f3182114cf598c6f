//! `medulla query`: live questions over all patients, devices or facilities of a node.

use super::words::{at, list, plain, time};
use crate::client::remote::Remote;
use crate::failure::Failure;
use crate::screen::{Screen, Table};
use serde_json::{Value, json};

/// Decimals of a number in the table; `--json` has all of them.
const DECIMALS_SHOWN: usize = 3;

/// Live questions over all entities
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  medulla query 'news2 >= 7 and unit = \"ICU\" order by news2 desc limit 20'
  medulla query 'minutes_since(heart_rate) > 60 and in_hospital'
  medulla query 'select facility, unit, count(*), avg(heart_rate) from patients \
                 where in_hospital group by facility, unit'
  medulla query 'from devices where silent'")]
pub(crate) struct QueryArguments {
    /// A condition on patients, or select ... from patients, devices or facilities ...
    #[arg(value_name = "EXPR")]
    text: String,
    #[command(flatten)]
    remote: Remote,
}

/// Runs the command.
pub(crate) async fn run(arguments: QueryArguments, screen: Screen) -> Result<(), Failure> {
    let api = arguments.remote.api("TREAT")?;
    let question = json!({ "query": arguments.text });
    let answer = api.post("/api/v1/query".to_owned(), &question).await?;
    if !screen.is_json {
        show(&screen, &answer);
    }
    screen.result(&answer);
    Ok(())
}

fn show(screen: &Screen, answer: &Value) {
    let columns = list(answer, "/columns");
    let names: Vec<String> = columns.iter().map(|column| at(column, "/name")).collect();
    let head: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut table = Table::new(&head);
    for row in list(answer, "/rows") {
        let cell = |(name, column): (&String, &Value)| {
            let value = row.get(name).unwrap_or(&Value::Null);
            shown(screen, value, &at(column, "/holds"))
        };
        table.row(names.iter().zip(columns).map(cell));
    }
    table.print(screen);
    screen.say(summary(answer));
    if answer.get("complete") == Some(&Value::Bool(false)) {
        screen.note("rows of older data are still being made: some entities are not in the answer");
    }
}

fn shown(screen: &Screen, value: &Value, holds: &str) -> String {
    match (holds, value) {
        ("time", Value::String(text)) => time(text),
        ("word", Value::String(word)) => screen.paint_band(word),
        ("number", Value::Number(number)) => match number.as_f64() {
            Some(number) if number.fract() != 0.0 => trimmed(number),
            Some(_) | None => number.to_string(),
        },
        (_, value) => plain(value),
    }
}

fn trimmed(number: f64) -> String {
    let text = format!("{number:.DECIMALS_SHOWN$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn summary(answer: &Value) -> String {
    let rows = list(answer, "/rows").len();
    let more =
        if answer.get("truncated") == Some(&Value::Bool(true)) { " (there are more)" } else { "" };
    format!(
        "{rows} rows{more}; {} of {} matched, in {} s, at version {}",
        at(answer, "/matched"),
        at(answer, "/scanned"),
        at(answer, "/seconds"),
        at(answer, "/version"),
    )
}
