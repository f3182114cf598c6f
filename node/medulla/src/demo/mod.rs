//! `medulla demo`: a generated hospital day through the real gateways of a real node, then the
//! proof that nothing got lost: the census of every hour is the true one, and the audit log
//! verifies.

mod generator;
mod limits;
mod live;
mod outcome;
mod processes;
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
use limits::{HOURS_MAX, KILL_AFTER_MS, NODES_MAX, PATIENT_HOURS_MAX, PATIENTS_MAX};
use node_app::{Node, NodeConfig, NodeError, assemble};
use node_env::Clock;
use node_env::real::RealClock;
use processes::Processes;
use replay::Replay;
use schema_types::time::Timestamp;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use summary::{Summary, Verified};

/// Run a generated hospital day through a node and check what it makes of it
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  medulla demo\n  \
    medulla demo --hospital-hours 1 --patients 40 --json\n  medulla demo --serve\n  \
    medulla demo --nodes 3 --hospital-hours 2")]
pub(crate) struct DemoArguments {
    /// Hours of the generated day
    #[arg(long, value_name = "H", default_value_t = 24)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(HOURS_MAX)))]
    hospital_hours: u32,
    /// Patients
    #[arg(long, value_name = "N", default_value_t = 200)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(PATIENTS_MAX)))]
    patients: u32,
    /// Nodes; with more than one each is a process of its own over one `medulla store`, and the
    /// last one is killed with kill -9 in the middle
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(NODES_MAX)))]
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
    let host = Host::start(&data, &arguments).await?;
    let now = Timestamp::from_unix_micros(clock.wall_unix_micros());
    let Plan { hours, patients, seed } = Plan {
        hours: arguments.hospital_hours,
        patients: arguments.patients,
        seed: arguments.seed,
    };
    screen.say(format!(
        "Northgate hospital: {patients} patients, {hours} hours, seed {seed}; {}\n\
         inpatients per ward, hour by hour, and alerts as they are raised:",
        host.shown()
    ));
    let generated = generator::generate(Plan { hours, patients, seed }, now);
    let day = Day { arguments, screen, clock, generated };
    let mut host = host;
    let summary = tokio::select! {
        summary = Box::pin(day.run(&mut host)) => summary,
        () = interrupts.wait() => Err(Failure::failed("interrupted")),
    };
    let summary = match summary {
        Ok(summary) => summary,
        Err(failure) => {
            host.stop().await;
            return Err(failure);
        }
    };
    if day.arguments.serve || matches!(host, Host::Several(_)) {
        let verified = day.verify_live(&host).await?;
        let result = summary.conclude(&screen, &verified);
        if day.arguments.serve {
            screen.say(format!("running until interrupted: {}", host.shown()));
            interrupts.wait().await;
        }
        host.stop().await;
        return result;
    }
    host.stop().await;
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

/// What the day is played on.
enum Host {
    /// A node in this process.
    One(Box<Node>),
    /// Nodes in processes of their own.
    Several(Processes),
}

impl Host {
    async fn start(data: &Path, arguments: &DemoArguments) -> Result<Self, Failure> {
        if arguments.nodes > 1 {
            return Ok(Self::Several(Processes::start(data, arguments.nodes).await?));
        }
        Ok(Self::One(Box::new(Box::pin(start(data, arguments.serve)).await?)))
    }

    fn shown(&self) -> String {
        match self {
            Self::One(node) => format!("node {}", addresses(node)),
            Self::Several(processes) => processes.shown(),
        }
    }

    /// Where messages and questions go.
    fn addresses(&self) -> Result<(SocketAddr, SocketAddr), Failure> {
        let found = match self {
            Self::One(node) => node.mllp_address().zip(node.http_address()),
            Self::Several(processes) => processes.addresses(),
        };
        found.ok_or_else(|| Failure::failed("the node does not listen"))
    }

    async fn stop(self) {
        match self {
            Self::One(node) => drop(node.stop().await),
            Self::Several(processes) => processes.stop().await,
        }
    }
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
    async fn run(&self, host: &mut Host) -> Result<Summary, Failure> {
        let (mllp, http) = host.addresses()?;
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
        let hours = i64::from(self.arguments.hospital_hours);
        for hour in 1..=hours {
            let is_middle = hour == hours / 2 + 1;
            if let (true, Host::Several(processes)) = (is_middle, &mut *host) {
                replay.until(hour * 3_600 - 1_800).await?;
                // The rest of the hour goes on while the node is killed.
                let (sent, killed) =
                    tokio::join!(replay.until(hour * 3_600), self.kill_one(processes));
                sent.and(killed)?;
            }
            replay.until(hour * 3_600).await?;
            if hour == 1 {
                self.choose_scales(&api).await?;
            }
            self.show_hour(&api, (&progress, &alerts), hour * 3_600).await?;
        }
        if let Host::Several(_) = host {
            let repeated = replay.sent.take_repeated();
            self.screen.say(format!(
                "{repeated} messages were in flight on the killed node: sent on again, each \
                 counts once"
            ));
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

    /// Kills a node and waits until others serve its shards.
    async fn kill_one(&self, processes: &mut Processes) -> Result<(), Failure> {
        tokio::time::sleep(std::time::Duration::from_millis(KILL_AFTER_MS)).await;
        let begun = self.clock.monotonic_micros();
        let (name, shards) = processes.kill_one().await?;
        let line = format!("kill -9 of {name}, which owned {shards} shards, while messages go on");
        self.screen.say(self.screen.paint(Colour::Red, &line));
        processes.until_open().await?;
        let took = seconds(self.clock.monotonic_micros().saturating_sub(begun));
        self.screen.say(format!("its shards are open again after {took:.1} s"));
        Ok(())
    }

    async fn verify_live(&self, host: &Host) -> Result<Verified, Failure> {
        let (_, http) = host.addresses()?;
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
