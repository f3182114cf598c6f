//! `medulla facility`: hospitals, census now and then, and the bed board.

use super::words::{at, list, time_at};
use crate::client::http::{encoded, with_query};
use crate::client::remote::Remote;
use crate::failure::Failure;
use crate::screen::{Screen, Table};
use serde_json::Value;

/// Hospitals: census and beds
#[derive(Debug, Clone, clap::Subcommand)]
#[command(after_help = "Example:\n  medulla facility census NORTHGATE")]
pub(crate) enum FacilityCommand {
    /// Every facility that messages named
    #[command(after_help = "Example:\n  medulla facility list")]
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Inpatients in beds, per ward
    #[command(after_help = "Example:\n  \
        medulla facility census NORTHGATE --at 2026-01-31T08:00:00Z")]
    Census {
        /// The facility
        id: String,
        /// At this time; else after everything known
        #[arg(long, value_name = "T")]
        at: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Every bed and who is in it
    #[command(after_help = "Example:\n  medulla facility beds NORTHGATE")]
    Beds {
        /// The facility
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
}

const PURPOSE: &str = "HOPERAT";

/// Runs the command.
pub(crate) async fn run(command: FacilityCommand, screen: Screen) -> Result<(), Failure> {
    let answer = match command {
        FacilityCommand::List { remote } => {
            let answer = remote.api(PURPOSE)?.get("/api/v1/facilities").await?;
            for facility in list(&answer, "/facilities") {
                screen.say(super::words::plain(facility));
            }
            answer
        }
        FacilityCommand::Census { id, at, remote } => {
            let path = format!("/api/v1/facilities/{}/census", encoded(&id));
            let answer = remote.api(PURPOSE)?.get(with_query(&path, &[("at", at)])).await?;
            census(&screen, &answer);
            answer
        }
        FacilityCommand::Beds { id, remote } => {
            let path = format!("/api/v1/facilities/{}/beds", encoded(&id));
            let answer = remote.api(PURPOSE)?.get(path).await?;
            beds(&screen, &answer);
            answer
        }
    };
    screen.result(&answer);
    Ok(())
}

fn census(screen: &Screen, answer: &Value) {
    let mut table = Table::new(&["ward", "patients"]);
    let wards = answer.get("wards").and_then(Value::as_object);
    for (ward, count) in wards.into_iter().flatten() {
        table.row([ward.clone(), count.to_string()]);
    }
    table.print(screen);
}

fn beds(screen: &Screen, answer: &Value) {
    let mut table = Table::new(&["ward", "room", "bed", "state", "patient", "since"]);
    for bed in list(answer, "/beds") {
        table.row([
            at(bed, "/ward"),
            at(bed, "/room"),
            at(bed, "/bed"),
            at(bed, "/state"),
            at(bed, "/patient"),
            time_at(bed, "/since"),
        ]);
    }
    table.print(screen);
    for conflict in list(answer, "/conflicts") {
        let place = ["/ward", "/room", "/bed"].map(|part| at(conflict, part)).join(" / ");
        screen.say(format!("conflict: more than one patient in {place}"));
    }
}
