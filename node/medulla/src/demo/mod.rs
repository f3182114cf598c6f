//! `medulla demo`: a generated hospital day through the real gateways of a real node, then the
//! proof that nothing got lost: the census of every hour is the true one, and the audit log
//! verifies.

mod generator;
mod limits;
mod live;
mod outcome;
mod replay;
mod summary;

use crate::client::http::{Base, Http, Identity, Question};
use crate::client::remote::Api;
use crate::commands::audit;
use crate::environment;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::screen::{Colour, Screen};
use crate::serve::{Interrupts, addresses};
use bytes::Bytes;
use generator::{Generated, Plan};
use hyper::Method;
use limits::{HOURS_MAX, PATIENT_HOURS_MAX, PATIENTS_MAX};
use node_app::{Node, NodeConfig, NodeError, assemble};
use node_env::Clock;
use node_env::real::RealClock;
use replay::Replay;
use schema_types::time::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use summary::{Summary, Verified};

/// Run a generated hospital day through a node and check what it makes of it
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  medulla demo\n  \
    medulla demo --hospital-hours 1 --patients 40 --json\n  medulla demo --serve")]
pub(crate) struct DemoArguments {
    /// Hours of the generated day
    #[arg(long, value_name = "H", default_value_t = 24)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(HOURS_MAX)))]
    hospital_hours: u32,
    /// Patients
    #[arg(long, value_name = "N", default_value_t = 200)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(PATIENTS_MAX)))]
    patients: u32,
    /// Nodes; only 1 for now
    #[arg(long, value_name = "N", default_value_t = 1)]
    nodes: u32,
    /// The same seed generates the same day
    #[arg(long, value_name = "S", default_value_t = 42)]
    seed: u64,
    /// Keep the node running afterwards, until interrupted
    #[arg(long)]
    serve: bool,
    /// Data directory, kept afterwards; must be new or empty
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Who the audit log says was asking.
const PRINCIPAL: &str = "demo";
/// The usual addresses, which `--serve` takes when they are free.
const USUAL: [&str; 2] = ["127.0.0.1:2575", "127.0.0.1:8080"];
const FREE: [&str; 2] = ["127.0.0.1:0", "127.0.0.1:0"];

impl DemoArguments {
    fn check(&self) -> Result<(), Failure> {
        if self.nodes != 1 {
            let message = "--nodes: one node for now; several come with the cluster work";
            return Err(Failure::usage(message));
        }
        let patient_hours = u64::from(self.patients) * u64::from(self.hospital_hours);
        if patient_hours > PATIENT_HOURS_MAX {
            let message = format!("patients times hours: at most {PATIENT_HOURS_MAX}");
            return Err(Failure::usage(message));
        }
        let Some(data) = &self.data else { return Ok(()) };
        let is_used = std::fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some());
        if is_used {
            let message = format!("{}: the demo wants a new or empty directory", data.display());
            return Err(Failure::usage(message));
        }
        Ok(())
    }
}

/// Runs the command.
pub(crate) async fn run(arguments: DemoArguments, screen: Screen) -> Result<(), Failure> {
    arguments.check()?;
    let clock = RealClock::new();
    let temporary = tempfile::tempdir()
        .map_err(|error| Failure::failed(format!("temporary folder: {}", error.kind())))?;
    let data = arguments.data.clone().unwrap_or_else(|| temporary.path().join("medulla-data"));
    let mut interrupts = Interrupts::new()?;
    let node = start(&data, arguments.serve).await?;
    let now = Timestamp::from_unix_micros(clock.wall_unix_micros());
    let Plan { hours, patients, seed } = Plan {
        hours: arguments.hospital_hours,
        patients: arguments.patients,
        seed: arguments.seed,
    };
    screen.say(format!(
        "Northgate hospital: {patients} patients, {hours} hours, seed {seed}; node {}\n\
         inpatients per ward, hour by hour, and alerts as they are raised:",
        addresses(&node)
    ));
    let generated = generator::generate(Plan { hours, patients, seed }, now);
    let day = Day { arguments, screen, clock, generated };
    let summary = tokio::select! {
        summary = Box::pin(day.run(&node)) => summary?,
        () = interrupts.wait() => {
            node.stop().await;
            return Err(Failure::failed("interrupted"));
        }
        reason = node.failed() => {
            node.stop().await;
            return Err(Failure::failed(format!("the store stopped: {reason}")));
        }
    };
    if day.arguments.serve {
        let verified = day.verify_live(&node).await?;
        let result = summary.conclude(&screen, &verified);
        screen.say(format!("running until interrupted: {}", addresses(&node)));
        result?;
        interrupts.wait().await;
        node.stop().await;
        return Ok(());
    }
    node.stop().await;
    let report = audit::check(&data).await?;
    let first_bad = report.first_bad();
    let verified = Verified {
        ok: report.is_ok(),
        records: report.records(),
        shards: report.shards.len(),
        first_bad: first_bad.map(|(shard, index)| format!("shard {shard} index {index}")),
    };
    summary.conclude(&screen, &verified)
}

async fn start(data: &Path, serves: bool) -> Result<Node, Failure> {
    let config = |[mllp, http]: [&str; 2]| {
        let mut config = NodeConfig::new(data);
        (config.mllp, config.http) = (Some(mllp.to_owned()), Some(http.to_owned()));
        config
    };
    if serves {
        match assemble(environment::real(), config(USUAL)).await {
            Err(NodeError::AddressInUse { .. }) => {}
            other => return Ok(other?),
        }
    }
    Ok(assemble(environment::real(), config(FREE)).await?)
}

/// The day while it runs.
struct Day {
    arguments: DemoArguments,
    screen: Screen,
    clock: RealClock,
    generated: Generated,
}

impl Day {
    async fn run(&self, node: &Node) -> Result<Summary, Failure> {
        let (Some(mllp), Some(http)) = (node.mllp_address(), node.http_address()) else {
            return Err(Failure::failed("the node does not listen"));
        };
        let url = format!("http://{http}");
        let identity =
            Identity { principal: Some(PRINCIPAL.to_owned()), purpose: Some("TREAT".to_owned()) };
        let devices = Http::new(Base::parse(&url)?, identity);
        let api = Api { http: devices.clone() };
        let messages = self.generated.messages.clone();
        let total = u64::try_from(messages.len()).unwrap_or(u64::MAX);
        let progress = Arc::new(Progress::new(self.screen, total, "messages"));
        let alerts = live::AlertFeed::start(&api, self.screen, Arc::clone(&progress)).await?;
        let began = self.clock.monotonic_micros();
        let mut replay = Replay::new(messages, &mllp.to_string(), &devices, Arc::clone(&progress));
        for hour in 1..=i64::from(self.arguments.hospital_hours) {
            replay.until(hour * 3_600).await?;
            if hour == 1 {
                self.choose_scales(&api).await?;
            }
            self.show_hour(&api, (&progress, &alerts), hour * 3_600).await?;
        }
        let sending_micros = self.clock.monotonic_micros().saturating_sub(began);
        let differences = outcome::census_differences(&api, &self.generated).await?;
        progress.finish();
        alerts.stop();
        self.screen.note("asking the node for its patients");
        let held = outcome::held(&api).await?;
        Ok(Summary {
            sent: replay.sent,
            held,
            differences,
            hours: self.arguments.hospital_hours,
            seconds: seconds(self.clock.monotonic_micros()),
            sending_seconds: seconds(sending_micros),
        })
    }

    /// What clinicians decide for patients with long-standing hypoxia, as far as these are here.
    async fn choose_scales(&self, api: &Api) -> Result<(), Failure> {
        for patient in &self.generated.second_scale {
            let path = format!("/api/v1/patients/{patient}/oxygen-scale");
            let mut question =
                Question::new(Method::POST, path, Bytes::from_static(br#"{"scale": 2}"#));
            question.key = Some(format!("demo-scale-{patient}"));
            match api.ask(question).await {
                // Not here yet: the scale is chosen when somebody sees the patient.
                Ok(_) | Err(Failure::Failed { code: Some(_), .. }) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    async fn show_hour(
        &self,
        api: &Api,
        (progress, alerts): (&Progress, &live::AlertFeed),
        second: i64,
    ) -> Result<(), Failure> {
        let more = alerts.next_hour();
        if more > 0 {
            let line = format!("  and {more} more alerts");
            progress.say(&self.screen.paint(Colour::Faint, &line));
        }
        let census = outcome::census(api, &self.generated, second).await?;
        let time = self.generated.calendar.fhir(second);
        let time = time.get(11..16).unwrap_or_default();
        let patients = usize::try_from(self.arguments.patients).unwrap_or(usize::MAX);
        progress.say(&live::hour_line(&self.screen, time, &census, patients));
        Ok(())
    }

    async fn verify_live(&self, node: &Node) -> Result<Verified, Failure> {
        let Some(http) = node.http_address() else {
            return Err(Failure::failed("the node does not listen"));
        };
        let url = format!("http://{http}");
        let api = Api::new(&url, Some(PRINCIPAL.to_owned()), "HOPERAT".to_owned())?;
        let answer = api.get("/api/v1/audit/verify").await?;
        Verified::of(&answer)
    }
}

fn seconds(micros: u64) -> f64 {
    std::time::Duration::from_micros(micros).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments() -> DemoArguments {
        DemoArguments {
            hospital_hours: 1,
            patients: 2,
            nodes: 1,
            seed: 1,
            serve: false,
            data: None,
        }
    }

    #[test]
    fn what_cannot_be_run_is_bad_usage() {
        assert_eq!(arguments().check(), Ok(()));
        let used = tempfile::tempdir().unwrap();
        let wrong = [
            DemoArguments { nodes: 3, ..arguments() },
            DemoArguments { patients: 5_000, hospital_hours: 168, ..arguments() },
            DemoArguments { data: Some(used.path().to_path_buf()), ..arguments() },
        ];
        let empty = DemoArguments { data: Some(used.path().to_path_buf()), ..arguments() };
        assert_eq!(empty.check(), Ok(()), "an empty directory is fine");
        std::fs::write(used.path().join("x"), b"x").unwrap();
        for arguments in wrong {
            assert!(matches!(arguments.check(), Err(Failure::Usage { .. })), "{arguments:?}");
        }
    }
}
