//! `medulla ingest`: files, folders and archives to a running node, as a client would send them.
//!
//! Messages of one HL7 file go in order over one connection; files go at the same time over
//! several. FHIR documents of a file go at the same time, since their order does not matter.

mod fhir;
mod files;
mod kind;
mod tally;
mod workers;

use crate::client::http::{Base, Http, Identity};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::screen::Screen;
use kind::Format;
use node_env::Clock;
use node_env::real::RealClock;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tally::Tally;
use workers::Pipeline;

/// Files that others refer to: Synthea's readme says to load them first.
const DIRECTORIES: [&str; 2] = ["hospitalinformation", "practitionerinformation"];

/// Send files to a running node as a client would.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  medulla ingest ./messages --to mllp://127.0.0.1:2575\n  \
    medulla ingest ./mixed --to mllp://127.0.0.1:2575 --to http://127.0.0.1:8080/fhir --json")]
pub(crate) struct IngestArguments {
    /// Files or folders: .hl7 .txt .json .ndjson .bin, also .gz and .tar.gz
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Where to: mllp://host:port or http://host:port/fhir; give both for mixed folders
    #[arg(long, required = true, value_name = "URL")]
    to: Vec<String>,
    /// What the files hold
    #[arg(long, value_enum, default_value = "auto")]
    format: Format,
    /// Connections, and FHIR requests, at the same time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Stop after so many messages
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Who sends, for FHIR; it is audited
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
}

/// Where each kind goes.
#[derive(Debug, Clone)]
pub(crate) struct Targets {
    /// `host:port`.
    pub(crate) mllp: Option<String>,
    /// With the path of the FHIR interface in its base.
    pub(crate) fhir: Option<Http>,
}

impl Targets {
    fn parse(urls: &[String], principal: Option<String>) -> Result<Self, Failure> {
        let mut targets = Self { mllp: None, fhir: None };
        for url in urls {
            let is_second = match url.strip_prefix("mllp://") {
                Some(address) => {
                    let address = address.trim_end_matches('/');
                    if !address.contains(':') {
                        return Err(Failure::usage(format!("the URL names no port: {url}")));
                    }
                    targets.mllp.replace(address.to_owned()).is_some()
                }
                None => {
                    let purpose = Some("TREAT".to_owned());
                    let identity = Identity { principal: principal.clone(), purpose };
                    targets.fhir.replace(Http::new(Base::parse(url)?, identity)).is_some()
                }
            };
            if is_second {
                return Err(Failure::usage(format!("one URL of each kind: {url}")));
            }
        }
        Ok(targets)
    }
}

/// Runs the command.
pub(crate) async fn run(arguments: IngestArguments, screen: Screen) -> Result<(), Failure> {
    let targets = Targets::parse(&arguments.to, arguments.principal)?;
    let clock = RealClock::new();
    let files = files::find(&arguments.paths)?;
    let count = u64::try_from(files.len()).unwrap_or(u64::MAX);
    let (first, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|path| is_directory(path));
    let tally = Arc::new(Mutex::new(Tally::default()));
    let progress = Arc::new(Progress::new(screen, count, "files"));
    let pipeline = Pipeline {
        targets,
        format: arguments.format,
        concurrency: usize::from(arguments.concurrency),
        tally: Arc::clone(&tally),
        progress: Arc::clone(&progress),
    };
    let mut left = arguments.limit;
    for files in [first, others] {
        left = pipeline.run(files, left).await?;
    }
    progress.finish();
    let micros = clock.monotonic_micros();
    let seconds = std::time::Duration::from_micros(micros).as_secs_f64();
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    tally.print(&screen);
    screen.result(&tally.json(seconds));
    if tally.total().failed > 0 { Err(Failure::Checked) } else { Ok(()) }
}

fn is_directory(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase());
    name.is_some_and(|name| DIRECTORIES.iter().any(|known| name.starts_with(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_and_wrong_ones_refused() {
        let parse = |urls: &[&str]| {
            let urls: Vec<String> = urls.iter().map(|&url| url.to_owned()).collect();
            Targets::parse(&urls, None)
        };
        let both = parse(&["mllp://127.0.0.1:2575/", "http://127.0.0.1:8080/fhir"]).unwrap();
        assert_eq!(both.mllp.as_deref(), Some("127.0.0.1:2575"));
        assert_eq!(both.fhir.unwrap().base().path(), "/fhir");
        for wrong in [&["mllp://h"][..], &["ftp://h"], &["mllp://h:1", "mllp://h:2"]] {
            assert!(matches!(parse(wrong), Err(Failure::Usage { .. })), "{wrong:?}");
        }
    }
}
