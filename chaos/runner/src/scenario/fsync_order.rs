//! By the kernel's account (strace): between the message that the node reads and the
//! acknowledgement that it writes lies a completed fdatasync (ACK-1).

use super::{Outcome, verify_audit};
use crate::arguments::Run;
use crate::mllp::MllpClient;
use crate::process::{self, NodeProcess};
use anyhow::{Context, Result};
use serde_json::json;
use std::path::Path;

const MESSAGES: u64 = 200;

pub(crate) fn run(run: &Run) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let trace = folder.path().join("trace");
    let calls = "trace=fdatasync,fsync,recvfrom,read,sendto,write,writev,sendmsg";
    let wrapper = ["strace", "-f", "-q", "-s", "24", "-e", calls, "-o"];
    let mut wrapper: Vec<String> = wrapper.map(str::to_owned).to_vec();
    wrapper.push(trace.display().to_string());
    let mut node = NodeProcess::new(process::binary(run.binary.as_deref())?, &data, wrapper)?;
    node.start().context("is strace installed?")?;
    node.wait_ready()?;
    let mut client = MllpClient::connect(node.mllp)?;
    let mut outcome = Outcome { scenario: "fsync-order", ..Outcome::default() };
    for number in 0..MESSAGES {
        let message = format!(
            "MSH|^~\\&|ORDER|LAB|MEDULLA|H|20260301||ORU^R01^ORU_R01|F{number}|P|2.5.1\r\
             PID|1||{:03}^^^ORDER^MR\rOBR|1|||85353-1^Vitals^LN|||20260301\r\
             OBX|1|NM|8867-4^Heart rate^LN||80|/min^^UCUM|||||F|||2026030112\r",
            number % 10
        );
        let answer = client.exchange(&message)?;
        if answer.code == "AA" {
            outcome.acknowledged += 1;
        }
    }
    drop(client);
    node.terminate()?;
    let counted = read_trace(&trace)?;
    if counted.acknowledgements < outcome.acknowledged || outcome.acknowledged < MESSAGES {
        outcome.violations.push(format!(
            "{} of {MESSAGES} acknowledged, {} seen in the trace",
            outcome.acknowledged, counted.acknowledgements
        ));
    }
    if counted.without_sync > 0 {
        let text = format!("{} acknowledgements before their sync (ACK-1)", counted.without_sync);
        outcome.violations.push(text);
    }
    outcome.notes = json!({
        "messages_read": counted.messages,
        "acknowledgements_written": counted.acknowledgements,
        "syncs": counted.syncs,
        "acknowledgements_without_a_sync_since_their_message": counted.without_sync,
    });
    verify_audit(&node, &data, &mut outcome)?;
    Ok(outcome)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    messages: u64,
    acknowledgements: u64,
    syncs: u64,
    without_sync: u64,
}

fn read_trace(path: &Path) -> Result<Counted> {
    Ok(count(&std::fs::read_to_string(path)?))
}

/// Walks the trace: one client, one message at a time, so order is all that matters. A sync
/// counts when it has returned 0, in one line or as `<... fdatasync resumed>`.
fn count(trace: &str) -> Counted {
    let mut counted = Counted::default();
    let mut synced_since_message = false;
    for line in trace.lines() {
        let is_receive = line.contains("recvfrom(")
            || line.contains("read(")
            || line.contains("recvfrom resumed>")
            || line.contains("read resumed>");
        let is_send =
            ["sendto(", "write(", "writev(", "sendmsg("].iter().any(|call| line.contains(call));
        let is_sync = line.contains("sync") && line.trim_end().ends_with("= 0");
        if is_receive && line.contains("\\vMSH|") {
            counted.messages += 1;
            synced_since_message = false;
        } else if is_sync {
            counted.syncs += 1;
            synced_since_message = true;
        } else if is_send && line.contains("\\vMSH|") {
            counted.acknowledgements += 1;
            counted.without_sync += u64::from(!synced_since_message);
        }
    }
    counted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_before_its_sync_is_counted_ack_1() {
        let good = "1 recvfrom(9, \"\\vMSH|^~\"..., 8192, 0, NULL, NULL) = 200\n\
                    2 fdatasync(5 <unfinished ...>\n\
                    2 <... fdatasync resumed>)          = 0\n\
                    1 sendto(9, \"\\vMSH|^~\"..., 120, 0, NULL, 0) = 120\n";
        let expected = Counted { messages: 1, acknowledgements: 1, syncs: 1, without_sync: 0 };
        assert_eq!(count(good), expected);
        let lines: Vec<&str> = good.lines().collect();
        let early = [lines[0], lines[1], lines[3], lines[2]].join("\n");
        assert_eq!(count(&early).without_sync, 1);
    }
}
