//! `medulla device`: what is known of a device, and whom it measures.

use super::words::{at, list, time_at};
use crate::client::http::encoded;
use crate::client::remote::Remote;
use crate::failure::Failure;
use crate::screen::Screen;
use serde_json::{Value, json};

/// Devices: state and association
#[derive(Debug, Clone, clap::Subcommand)]
#[command(after_help = "Example:\n  medulla device show NG-OX-N000012")]
pub(crate) enum DeviceCommand {
    /// Whom it measures, gaps, clock, battery, silence
    #[command(after_help = "Example:\n  medulla device show NG-OX-N000012")]
    Show {
        /// The device
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// From now on, or from --at on, it measures this patient
    #[command(after_help = "Example:\n  medulla device associate NG-OX-N000012 N000012")]
    Associate {
        /// The device
        id: String,
        /// The patient's key or any identifier
        patient: String,
        /// Since when (RFC 3339)
        #[arg(long, value_name = "T")]
        at: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
}

const PURPOSE: &str = "TREAT";

/// Runs the command.
pub(crate) async fn run(command: DeviceCommand, screen: Screen) -> Result<(), Failure> {
    let answer = match command {
        DeviceCommand::Show { id, remote } => {
            let path = format!("/api/v1/devices/{}", encoded(&id));
            let answer = remote.api(PURPOSE)?.get(path).await?;
            print(&screen, &answer);
            answer
        }
        DeviceCommand::Associate { id, patient, at: since, remote } => {
            let path = format!("/api/v1/devices/{}/associate", encoded(&id));
            let mut body = json!({ "patient": patient });
            if let (Some(map), Some(since)) = (body.as_object_mut(), since) {
                map.insert("at".to_owned(), Value::from(since));
            }
            let answer = remote.api(PURPOSE)?.post(path, &body).await?;
            let (who, since) = association(&answer);
            screen.say(format!("{} measures {who} since {since}", at(&answer, "/device")));
            answer
        }
    };
    screen.result(&answer);
    Ok(())
}

fn association(answer: &Value) -> (String, String) {
    (at(answer, "/association/patient"), time_at(answer, "/association/since"))
}

fn print(screen: &Screen, device: &Value) {
    let (who, since) = association(device);
    let measures =
        if who.is_empty() { "nobody".to_owned() } else { format!("{who} since {since}") };
    let gaps: Vec<String> = list(device, "/gaps").iter().map(ToString::to_string).collect();
    let rows = [
        ("device", at(device, "/device")),
        ("measures", measures),
        ("samples", at(device, "/samples")),
        ("last arrival", time_at(device, "/last_received_at")),
        ("missed batches", at(device, "/missed")),
        ("open gaps", gaps.join(" ")),
        ("clock offset", format!("{} us", at(device, "/clock_offset_micros"))),
        ("expected every", format!("{} s", at(device, "/interval_seconds"))),
        ("silent since", time_at(device, "/silent_since")),
        ("battery", at(device, "/battery_percent")),
    ];
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        screen.say(format!("{name:<15} {value}"));
    }
}
