//! `medulla alert`: open alerts, taking and ending one, and following them live.

use super::patient_view;
use super::words::{at, time_at};
use crate::client::events::Events;
use crate::client::http::encoded;
use crate::client::remote::Remote;
use crate::failure::Failure;
use crate::screen::Screen;
use serde_json::{Value, json};

/// Alerts: list, acknowledge, resolve, follow
#[derive(Debug, Clone, clap::Subcommand)]
#[command(after_help = "Example:\n  medulla alert list\n  medulla alert watch")]
pub(crate) enum AlertCommand {
    /// Open alerts of all patients
    #[command(after_help = "Example:\n  medulla alert list --to http://127.0.0.1:8080")]
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Take an alert: it is not escalated any more
    #[command(after_help = "Example:\n  medulla alert ack NORTHGATE.N000012 news2-1")]
    Ack(One),
    /// End an alert
    #[command(after_help = "Example:\n  medulla alert resolve NORTHGATE.N000012 news2-1")]
    Resolve(One),
    /// Follow alerts as they change, until interrupted
    #[command(after_help = "Example:\n  medulla alert watch --limit 10")]
    Watch {
        /// End after so many changes
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        #[command(flatten)]
        remote: Remote,
    },
}

/// One alert of one patient.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct One {
    /// The patient's key or any identifier
    patient: String,
    /// The alert's id, as `alert list` shows it
    alert: String,
    #[command(flatten)]
    remote: Remote,
}

/// Runs the command.
pub(crate) async fn run(command: AlertCommand, screen: Screen) -> Result<(), Failure> {
    match command {
        AlertCommand::List { remote } => {
            let alerts = remote.api("TREAT")?.list("/api/v1/alerts", &[], "alerts").await?;
            if alerts.is_empty() {
                screen.say("no open alerts");
            } else if !screen.is_json {
                patient_view::alerts(&screen, &alerts);
            }
            screen.result(&json!({ "alerts": alerts }));
        }
        AlertCommand::Ack(one) => change(one, "acknowledge", &screen).await?,
        AlertCommand::Resolve(one) => change(one, "resolve", &screen).await?,
        AlertCommand::Watch { limit, remote } => watch(remote, limit, &screen).await?,
    }
    Ok(())
}

async fn change(one: One, what: &str, screen: &Screen) -> Result<(), Failure> {
    let (patient, alert) = (encoded(&one.patient), encoded(&one.alert));
    let path = format!("/api/v1/alerts/{patient}/{alert}/{what}");
    let answer = one.remote.api("TREAT")?.post(path, &Value::Null).await?;
    let changed = answer.get("alert").cloned().unwrap_or_default();
    screen.say(line(screen, &changed));
    screen.result(&json!({ "alerts": [changed] }));
    Ok(())
}

async fn watch(remote: Remote, limit: Option<usize>, screen: &Screen) -> Result<(), Failure> {
    let api = remote.api("TREAT")?;
    let mut events = Events::open(&api, "/api/v1/alerts/watch").await?;
    let mut alerts = Vec::new();
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    while limit.is_none_or(|limit| alerts.len() < limit) {
        let event = tokio::select! {
            event = events.next() => event,
            _ = &mut interrupted => break,
        };
        let Some(event) = event else {
            return Err(Failure::failed("the node closed the connection"));
        };
        if let Some(code) = event.pointer("/error/code").and_then(Value::as_str) {
            let message = at(&event, "/error/message");
            return Err(Failure::Failed { code: Some(code.to_owned()), message });
        }
        if event.get("lagged").is_some() {
            screen.note("more happened than could be followed; open alerts follow anew");
            continue;
        }
        screen.say(line(screen, &event));
        // Without a limit nobody waits for the list at the end, and it must not grow.
        if limit.is_some() {
            alerts.push(event);
        }
    }
    screen.result(&json!({ "alerts": alerts }));
    Ok(())
}

fn line(screen: &Screen, alert: &Value) -> String {
    format!(
        "{}  {}  {}  {}  {} ({})",
        time_at(alert, "/observed_at"),
        at(alert, "/patient"),
        at(alert, "/id"),
        screen.paint_band(&at(alert, "/severity")),
        at(alert, "/status"),
        at(alert, "/trigger"),
    )
}
