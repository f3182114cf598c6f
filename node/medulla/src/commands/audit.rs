//! `medulla audit`: does the log verify, is a record in it, who saw whom, and export.

use super::words::{at, list, time_at};
use crate::client::http::{encoded, with_query};
use crate::client::remote::{Api, Remote};
use crate::failure::Failure;
use crate::screen::{Colour, Screen, Table};
use actors_audit::{SignedTreeHead, verify_inclusion};
use node_app::offline::{self, OfflineReport};
use node_env::real::RealDisk;
use schema_types::error_code::ErrorCode;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The audit log: verify, prove, who saw whom, export
#[derive(Debug, Clone, clap::Subcommand)]
#[command(after_help = "Example:\n  medulla audit verify --data ./medulla-data\n  \
    medulla audit patient N000012")]
pub(crate) enum AuditCommand {
    /// Check every record of every shard; names the first bad one
    #[command(after_help = "Example:\n  medulla audit verify --data ./medulla-data\n  \
        medulla audit verify --to http://127.0.0.1:8080")]
    Verify {
        /// Offline: the data directory of a node that is not running
        #[arg(long, value_name = "DIR", conflicts_with = "to")]
        data: Option<PathBuf>,
        #[command(flatten)]
        remote: Remote,
    },
    /// One record with the proof that it is in the signed log
    #[command(after_help = "Example:\n  medulla audit prove 17 --shard 3")]
    Prove {
        /// The record's index in its shard
        index: u64,
        /// The shard
        #[arg(long, default_value_t = 0)]
        shard: u16,
        #[command(flatten)]
        remote: Remote,
    },
    /// Who did what with a patient's record
    #[command(after_help = "Example:\n  medulla audit patient N000012")]
    Patient {
        /// The patient's key or any identifier
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Accounting of disclosures (45 CFR 164.528)
    #[command(after_help = "Example:\n  medulla audit disclosures N000012 \
        --from 2026-01-01 --to 2026-07-01 --to http://127.0.0.1:8080")]
    Disclosures {
        /// The patient's key or any identifier
        id: String,
        /// From this time on
        #[arg(long, value_name = "T")]
        from: Option<String>,
        /// Up to this time; and the node's address, where it is another than the usual one
        #[arg(long, value_name = "T|URL")]
        to: Vec<String>,
        /// Purpose of use; it is audited
        #[arg(long, value_name = "P", default_value = "HOPERAT")]
        purpose: String,
        /// Who asks; it is audited
        #[arg(long, value_name = "NAME")]
        principal: Option<String>,
    },
    /// Every record as a FHIR AuditEvent, one a line
    #[command(after_help = "Example:\n  medulla audit export --format fhir > events.ndjson")]
    Export {
        /// The form
        #[arg(long, default_value = "fhir", value_parser = ["fhir"])]
        format: String,
        #[command(flatten)]
        remote: Remote,
    },
}

const PURPOSE: &str = "HOPERAT";
/// The usual address of a node.
const USUAL_URL: &str = "http://127.0.0.1:8080";

/// Runs the command.
pub(crate) async fn run(command: AuditCommand, screen: Screen) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify { data: Some(data), .. } => {
            let report = check(&data).await?;
            conclude(&screen, &offline_json(&report))
        }
        AuditCommand::Verify { data: None, remote } => {
            let answer = remote.api(PURPOSE)?.get("/api/v1/audit/verify").await?;
            conclude(&screen, &answer)
        }
        AuditCommand::Prove { index, shard, remote } => {
            prove(&remote.api(PURPOSE)?, (shard, index), &screen).await
        }
        AuditCommand::Patient { id, remote } => {
            let path = format!("/api/v1/audit/patients/{}", encoded(&id));
            let answer = remote.api(PURPOSE)?.get(path).await?;
            records(&screen, list(&answer, "/records"));
            screen.result(&answer);
            Ok(())
        }
        AuditCommand::Disclosures { id, from, to, purpose, principal } => {
            let (urls, times): (Vec<String>, Vec<String>) =
                to.into_iter().partition(|text| text.contains("://"));
            if urls.len() > 1 || times.len() > 1 {
                return Err(Failure::usage("--to takes one time and one address"));
            }
            let url = urls.first().map_or(USUAL_URL, String::as_str);
            let api = Api::new(url, principal, purpose)?;
            let path = format!("/api/v1/audit/patients/{}/disclosures", encoded(&id));
            let parameters = [("from", from), ("to", times.first().cloned())];
            let answer = api.get(with_query(&path, &parameters)).await?;
            records(&screen, list(&answer, "/disclosures"));
            screen.result(&answer);
            Ok(())
        }
        AuditCommand::Export { format: _, remote } => export(&remote.api(PURPOSE)?, &screen).await,
    }
}

/// Checks a data directory that no node uses.
pub(crate) async fn check(data: &Path) -> Result<OfflineReport, Failure> {
    if !data.is_dir() {
        return Err(Failure::usage(format!("there is no data directory {}", data.display())));
    }
    Ok(offline::check(&RealDisk, data).await?)
}

/// What a live node would answer.
pub(crate) fn offline_json(report: &OfflineReport) -> Value {
    let first_bad = report.first_bad();
    let reports: Vec<Value> = report
        .shards
        .iter()
        .map(|shard| {
            let finding = |finding: &actors_audit::Finding| {
                json!({
                    "kind": format!("{:?}", finding.kind),
                    "index": finding.index,
                    "detail": finding.detail,
                })
            };
            json!({
                "shard": shard.shard.0,
                "ok": shard.ok,
                "records": shard.records,
                "first_bad": shard.first_bad,
                "proven_below": shard.proven_below,
                "anchored_below": shard.anchored_below,
                "heads_checked": shard.heads_checked,
                "findings": shard.findings.iter().map(finding).collect::<Vec<_>>(),
                "findings_dropped": shard.findings_dropped,
            })
        })
        .collect();
    json!({
        "ok": report.is_ok(),
        "records": report.records(),
        "shards": report.shards.len(),
        "first_bad": first_bad.map(|(shard, index)| json!({ "shard": shard, "index": index })),
        "problems": report.problems,
        "reports": reports,
    })
}

fn conclude(screen: &Screen, answer: &Value) -> Result<(), Failure> {
    let mut table = Table::new(&["shard", "records", "proven", "heads", "result"]);
    for report in list(answer, "/reports") {
        let is_sound = report.get("ok") == Some(&Value::Bool(true));
        let result = if is_sound { "ok".to_owned() } else { screen.paint(Colour::Red, "bad") };
        let [shard, records, proven, heads] =
            ["/shard", "/records", "/proven_below", "/heads_checked"].map(|name| at(report, name));
        table.row([shard, records, proven, heads, result]);
    }
    table.print(screen);
    for report in list(answer, "/reports") {
        for finding in list(report, "/findings") {
            let place = format!("shard {} index {}", at(report, "/shard"), at(finding, "/index"));
            screen.say(format!("{place}: {}: {}", at(finding, "/kind"), at(finding, "/detail")));
        }
    }
    list(answer, "/problems").iter().for_each(|problem| screen.say(super::words::plain(problem)));
    let is_sound = answer.get("ok") == Some(&Value::Bool(true));
    let (count, shards) = (at(answer, "/records"), at(answer, "/shards"));
    if is_sound {
        let words = screen.paint(Colour::Green, "audit verified");
        screen.say(format!("{words}: {count} records in {shards} shards"));
    } else {
        let words = screen.paint(Colour::Red, "audit log does not verify");
        let code = ErrorCode::AuditBroken;
        let bad = match answer.get("first_bad") {
            None | Some(Value::Null) => String::new(),
            Some(bad) => {
                let (shard, index) = (at(bad, "/shard"), at(bad, "/index"));
                format!(", first bad record: shard {shard} index {index}")
            }
        };
        screen.say(format!("{code}: {words}{bad} (see deploy/runbooks/errors/{code}.md)"));
    }
    screen.result(answer);
    if is_sound { Ok(()) } else { Err(Failure::Checked) }
}

fn records(screen: &Screen, records: &[Value]) {
    if records.is_empty() {
        screen.say("no records");
        return;
    }
    let mut table =
        Table::new(&["at", "who", "purpose", "action", "operation", "outcome", "shard", "index"]);
    for record in records {
        let outcome = format!("{} {}", at(record, "/outcome"), at(record, "/code"));
        table.row([
            time_at(record, "/at"),
            at(record, "/principal"),
            at(record, "/purpose"),
            at(record, "/action"),
            at(record, "/operation"),
            outcome.trim().to_owned(),
            at(record, "/shard"),
            at(record, "/index"),
        ]);
    }
    table.print(screen);
}

async fn prove(api: &Api, (shard, index): (u16, u64), screen: &Screen) -> Result<(), Failure> {
    let mut answer = api.get(format!("/api/v1/audit/records/{shard}/{index}")).await?;
    let proven = is_proven(&answer, (shard, index));
    if let Some(record) = answer.get("record") {
        records(screen, std::slice::from_ref(record));
    }
    let size = at(&answer, "/head/size");
    let key = at(&answer, "/head/key_id");
    screen.say(if proven {
        format!("proven: the record is in the log of {size} records that key {key} signed")
    } else {
        format!("{}: the proof does not hold", ErrorCode::AuditBroken)
    });
    if let Some(map) = answer.as_object_mut() {
        map.insert("ok".to_owned(), Value::Bool(proven));
    }
    screen.result(&answer);
    if proven { Ok(()) } else { Err(Failure::Checked) }
}

/// Checks signature and path here: the node is not believed.
fn is_proven(answer: &Value, (shard, index): (u16, u64)) -> bool {
    let hash = |text: &str| <[u8; 32]>::try_from(from_hex(text)?).ok();
    let path: Option<Vec<[u8; 32]>> =
        list(answer, "/path").iter().map(|step| hash(step.as_str()?)).collect();
    let parts = || {
        let signed = from_hex(&at(answer, "/head/signed"))?;
        let head = SignedTreeHead::decode(&signed).ok()?;
        let (leaf, key) = (hash(&at(answer, "/leaf_hash"))?, hash(&at(answer, "/public_key"))?);
        Some((head, leaf, key, path?))
    };
    let Some((signed, leaf, key, path)) = parts() else { return false };
    let head = signed.head;
    let is_this_shard = head.shard.0 == shard;
    let is_signed = signed.verify(&key).is_ok();
    let is_inside = verify_inclusion(&leaf, index, head.size, &path, &head.root).is_ok();
    is_this_shard && is_signed && is_inside
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(pair).collect()
}

async fn export(api: &Api, screen: &Screen) -> Result<(), Failure> {
    let mut path = "/api/v1/audit/export?format=fhir&limit=1000".to_owned();
    let mut count = 0_u64;
    loop {
        let bundle = api.get(path).await?;
        for entry in list(&bundle, "/entry") {
            count += 1;
            let line = entry.get("resource").unwrap_or(entry).to_string();
            crate::screen::output(&line);
        }
        let links = list(&bundle, "/link");
        let next = links.iter().find(|link| at(link, "/relation") == "next");
        let Some(next) = next.map(|link| at(link, "/url")) else { break };
        path = next;
    }
    screen.note(format!("{count} records"));
    screen.result(&json!({ "records": count }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actors_audit::{Appender, HeadSigner};
    use schema_types::ids::ShardId;
    use schema_types::time::Timestamp;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_proof_is_checked_here_and_not_believed() {
        let signer = HeadSigner::new(&[7; 32]);
        let mut log = Appender::new(ShardId(2));
        let (_, first) = log.append(b"one".to_vec()).unwrap();
        let (_, second) = log.append(b"two".to_vec()).unwrap();
        let signed = signer.sign(log.head(Timestamp::from_unix_seconds(1), signer.key_id()));
        let answer = json!({
            "leaf_hash": hex(&actors_audit::leaf_hash(b"two")),
            "path": [hex(&actors_audit::leaf_hash(b"one"))],
            "head": { "signed": hex(&signed.encode()) },
            "public_key": hex(&signer.public()),
        });
        assert!(is_proven(&answer, (2, 1)));
        assert!(!is_proven(&answer, (2, 0)), "another place");
        assert!(!is_proven(&answer, (1, 1)), "another shard");
        let mut forged = answer.clone();
        forged["leaf_hash"] = json!(hex(&actors_audit::leaf_hash(b"too")));
        assert!(!is_proven(&forged, (2, 1)));
        let mut other_key = answer;
        other_key["public_key"] = json!(hex(&HeadSigner::new(&[8; 32]).public()));
        assert!(!is_proven(&other_key, (2, 1)));
        drop((first, second));
    }

    #[test]
    fn offline_and_live_reports_have_the_documented_keys() {
        let report = OfflineReport { problems: vec!["x".to_owned()], shards: Vec::new() };
        let shown = offline_json(&report);
        for key in ["records", "shards", "ok", "first_bad"] {
            assert!(shown.get(key).is_some(), "{key}");
        }
        assert_eq!(shown["ok"], json!(false));
    }
}
