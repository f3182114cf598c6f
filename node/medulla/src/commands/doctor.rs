//! `medulla doctor`: what is wrong with a data directory that no node uses, and what to do.

use super::audit;
use crate::failure::Failure;
use crate::screen::{Colour, Screen};
use node_app::NodeError;
use node_app::offline;
use node_env::real::RealDisk;
use schema_types::error_code::ErrorCode;
use serde_json::json;
use std::path::PathBuf;

/// Check a data directory that no node uses, and say what to do
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  medulla doctor --data ./medulla-data")]
pub(crate) struct DoctorArguments {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

/// Runs the command.
pub(crate) async fn run(arguments: DoctorArguments, screen: Screen) -> Result<(), Failure> {
    let data = arguments.data;
    if !data.is_dir() {
        return Err(Failure::usage(format!("there is no data directory {}", data.display())));
    }
    let checked = offline::check(&RealDisk, &data).await;
    let (mut problems, mut advice) = (Vec::new(), Vec::new());
    let mut report = None;
    match checked {
        Err(error) => {
            problems.push(format!("{}: {error}", error.code()));
            advice.push(advice_for(&error));
        }
        Ok(found) => {
            for problem in &found.problems {
                problems.push(format!("{}: {problem}", ErrorCode::DataDamaged));
            }
            if !found.problems.is_empty() {
                advice.push(page(ErrorCode::DataDamaged));
            }
            let broken = found.shards.iter().filter(|shard| !shard.ok);
            for shard in broken.clone() {
                let first = shard.first_bad.map(|index| format!(", first bad record {index}"));
                let (code, first) = (ErrorCode::AuditBroken, first.unwrap_or_default());
                problems.push(format!("{code}: audit log of shard {}{first}", shard.shard.0));
            }
            if broken.count() > 0 {
                advice.push(page(ErrorCode::AuditBroken));
            }
            report = Some(audit::offline_json(&found));
        }
    }
    problems.iter().for_each(|problem| screen.say(screen.paint(Colour::Red, problem)));
    advice.iter().for_each(|line| screen.say(line));
    let is_sound = problems.is_empty();
    if is_sound {
        screen.say(format!("{}: no problem found", data.display()));
    }
    screen.result(&json!({
        "ok": is_sound,
        "problems": problems,
        "advice": advice,
        "audit": report,
    }));
    if is_sound { Ok(()) } else { Err(Failure::Checked) }
}

fn page(code: ErrorCode) -> String {
    format!("copy the directory before anything else, then follow deploy/runbooks/errors/{code}.md")
}

fn advice_for(error: &NodeError) -> String {
    match error {
        NodeError::SigningKey => {
            "there is no readable audit key: either no node ever ran here, or audit-signing.key \
             was lost; put it back from the backup before a node starts here"
                .to_owned()
        }
        NodeError::Store(_)
        | NodeError::Runtime(_)
        | NodeError::Disk(_)
        | NodeError::RemoteStore(_)
        | NodeError::Starts(_)
        | NodeError::Fdb(_)
        | NodeError::Cluster(_)
        | NodeError::AddressInUse { .. }
        | NodeError::Listen { .. } => page(error.code()),
    }
}
