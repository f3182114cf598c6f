//! `medulla patient`: what is known of a patient, what happened, why scores are what they are, and
//! joining and separating of records.

use super::words::{at, list, quantity, time_at};
use super::{explanation, patient_view};
use crate::client::http::{encoded, with_query};
use crate::client::remote::RemoteWithPurpose;
use crate::failure::Failure;
use crate::screen::{Screen, Table};
use serde_json::{Value, json};

/// One patient: live state, history, explanations, merges
#[derive(Debug, Clone, clap::Subcommand)]
#[command(after_help = "Example:\n  medulla patient show NORTHGATE.N000012 --purpose TREAT\n  \
    medulla patient explain NORTHGATE.N000012 --model news2 --purpose TREAT")]
pub(crate) enum PatientCommand {
    /// Who, where, newest values with their age and source, scores and alerts
    #[command(after_help = "Example:\n  medulla patient show N000012 --purpose TREAT")]
    Show(Asked),
    /// Everything that was recorded, in the order in which it was true
    #[command(after_help = "Example:\n  \
        medulla patient timeline N000012 --since 2026-01-31T08:00:00Z --purpose TREAT")]
    Timeline {
        #[command(flatten)]
        asked: Asked,
        /// From this time on
        #[arg(long, value_name = "T")]
        since: Option<String>,
    },
    /// Why each score is what it is: exact inputs, ages, origins
    #[command(after_help = "Example:\n  \
        medulla patient explain N000012 --model news2 --purpose TREAT")]
    Explain {
        #[command(flatten)]
        asked: Asked,
        /// Only this model, for example news2
        #[arg(long, value_name = "M")]
        model: Option<String>,
    },
    /// Retire another record into this one
    #[command(after_help = "Example:\n  \
        medulla patient merge N000012 --retired N900012 --purpose HOPERAT")]
    Merge(Joined),
    /// Undo a merge
    #[command(after_help = "Example:\n  \
        medulla patient unmerge N000012 --retired N900012 --purpose HOPERAT")]
    Unmerge(Joined),
}

/// Which patient, and as of when.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Asked {
    /// The patient's key or any identifier
    id: String,
    /// What was true at this time (RFC 3339)
    #[arg(long, value_name = "T")]
    as_of: Option<String>,
    /// What was known at this time (RFC 3339)
    #[arg(long, value_name = "T")]
    known_at: Option<String>,
    #[command(flatten)]
    remote: RemoteWithPurpose,
}

/// Two records.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Joined {
    /// The record that stays in use
    id: String,
    /// The other record
    #[arg(long, value_name = "ID")]
    retired: String,
    #[command(flatten)]
    remote: RemoteWithPurpose,
}

/// Runs the command.
pub(crate) async fn run(command: PatientCommand, screen: Screen) -> Result<(), Failure> {
    match command {
        PatientCommand::Show(asked) => {
            let parameters = [("as-of", asked.as_of), ("known-at", asked.known_at)];
            let path = with_query(&path(&asked.id, ""), &parameters);
            let view = asked.remote.api()?.get(path).await?;
            finish(&screen, &view, || patient_view::print(&screen, &view));
        }
        PatientCommand::Timeline { asked, since } => {
            let parameters = [("from", since), ("to", asked.as_of), ("known-at", asked.known_at)];
            let path = with_query(&path(&asked.id, "/timeline"), &parameters);
            let view = asked.remote.api()?.get(path).await?;
            finish(&screen, &view, || timeline(&screen, &view));
        }
        PatientCommand::Explain { asked, model } => {
            let parameters =
                [("model", model), ("as-of", asked.as_of), ("known-at", asked.known_at)];
            let path = with_query(&path(&asked.id, "/explain"), &parameters);
            let view = asked.remote.api()?.get(path).await?;
            finish(&screen, &view, || explanation::print(&screen, &view));
        }
        PatientCommand::Merge(joined) => join(joined, "/merge", &screen).await?,
        PatientCommand::Unmerge(joined) => join(joined, "/unmerge", &screen).await?,
    }
    Ok(())
}

fn path(id: &str, what: &str) -> String {
    format!("/api/v1/patients/{}{what}", encoded(id))
}

fn finish(screen: &Screen, view: &Value, print: impl FnOnce()) {
    if screen.is_json { screen.result(view) } else { print() }
}

async fn join(joined: Joined, what: &str, screen: &Screen) -> Result<(), Failure> {
    let body = json!({ "retired": joined.retired });
    let answer = joined.remote.api()?.post(path(&joined.id, what), &body).await?;
    let words = if what == "/merge" { "was retired into" } else { "was separated from" };
    let line = format!("record {} {words} {}", at(&answer, "/retired"), at(&answer, "/patient"));
    finish(screen, &answer, || screen.say(line));
    Ok(())
}

fn timeline(screen: &Screen, view: &Value) {
    screen.say(format!("timeline of {}", at(view, "/patient")));
    let mut table = Table::new(&["at", "kind", "what", "source"]);
    for item in list(view, "/items") {
        let text = at(item, "/text");
        let value = quantity(item);
        let is_new = !value.is_empty() && !text.contains(&at(item, "/value"));
        let what = if is_new { format!("{text} {value}") } else { text };
        let source = format!("{} {}", at(item, "/source"), at(item, "/position"));
        let time = time_at(item, "/at");
        table.row([time, at(item, "/kind"), what, source.trim().to_owned()]);
    }
    table.print(screen);
    if view.pointer("/truncated") == Some(&Value::Bool(true)) {
        screen.say("older items were left out");
    }
}
