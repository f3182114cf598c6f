//! `medulla quarantine`: input that could not be taken, why, and taking it again.

use super::words::{at, time_at};
use crate::client::http::{Question, encoded};
use crate::client::remote::{Api, Remote};
use crate::failure::Failure;
use crate::screen::{Screen, Table};
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Input that the node could not take
#[derive(Debug, Clone, clap::Subcommand)]
#[command(after_help = "Example:\n  medulla quarantine list\n  \
    medulla quarantine replay 17 --repaired fixed.hl7")]
pub(crate) enum QuarantineCommand {
    /// What waits for a person
    #[command(after_help = "Example:\n  medulla quarantine list --all")]
    List {
        /// Also what was settled
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// One item; with --raw its bytes
    #[command(after_help = "Example:\n  medulla quarantine show 17 --raw > broken.hl7")]
    Show {
        /// The item
        id: String,
        /// Write the bytes as they were sent, and nothing else (patient data; the look is audited)
        #[arg(long)]
        raw: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Take an item again, as it is or repaired
    #[command(after_help = "Example:\n  medulla quarantine replay 17 --repaired fixed.hl7")]
    Replay {
        /// The item
        id: String,
        /// The repaired bytes
        #[arg(long, value_name = "FILE")]
        repaired: Option<PathBuf>,
        #[command(flatten)]
        remote: Remote,
    },
}

const PURPOSE: &str = "HOPERAT";

/// Runs the command.
pub(crate) async fn run(command: QuarantineCommand, screen: Screen) -> Result<(), Failure> {
    match command {
        QuarantineCommand::List { all, remote } => {
            let state = if all { "all" } else { "waiting" };
            let parameters = [("state", Some(state.to_owned()))];
            let api = remote.api(PURPOSE)?;
            let items = api.list("/api/v1/quarantine", &parameters, "items").await?;
            if items.is_empty() {
                screen.say("nothing is in quarantine");
            } else {
                print(&screen, &items);
            }
            screen.result(&json!({ "items": items }));
        }
        QuarantineCommand::Show { id, raw, remote } => {
            let api = remote.api(PURPOSE)?;
            let mut item = api.get(path(&id, "")).await?;
            let map = item.as_object_mut();
            let encoded = map.and_then(|map| map.shift_remove("raw_base64")).unwrap_or_default();
            if raw {
                return write_raw(encoded.as_str().unwrap_or_default());
            }
            print(&screen, std::slice::from_ref(&item));
            screen.result(&json!({ "items": [item] }));
        }
        QuarantineCommand::Replay { id, repaired, remote } => {
            replay(&remote.api(PURPOSE)?, &id, repaired, &screen).await?;
        }
    }
    Ok(())
}

fn path(id: &str, what: &str) -> String {
    format!("/api/v1/quarantine/{}{what}", encoded(id))
}

fn print(screen: &Screen, items: &[Value]) {
    let mut table =
        Table::new(&["item", "received", "channel", "source", "code", "where", "reason", "state"]);
    for item in items {
        let settled = at(item, "/resolution");
        let state = if settled.is_empty() { "waiting".to_owned() } else { settled };
        table.row([
            at(item, "/id"),
            time_at(item, "/received_at"),
            at(item, "/channel"),
            at(item, "/source"),
            at(item, "/code"),
            at(item, "/location"),
            at(item, "/reason"),
            state,
        ]);
    }
    table.print(screen);
}

async fn replay(
    api: &Api,
    id: &str,
    repaired: Option<PathBuf>,
    screen: &Screen,
) -> Result<(), Failure> {
    let body = match repaired {
        None => Bytes::new(),
        Some(file) => {
            let read = std::fs::read(&file);
            let failed = |error: std::io::Error| {
                Failure::usage(format!("{}: {}", file.display(), error.kind()))
            };
            Bytes::from(read.map_err(failed)?)
        }
    };
    let mut question = Question::new(Method::POST, path(id, "/replay"), body);
    question.content_type = "application/octet-stream";
    let answer = api.ask(question).await?;
    let is_taken = answer.get("accepted") == Some(&Value::Bool(true));
    if is_taken {
        screen.say(format!("item {id} was taken"));
    } else {
        let (code, message) = (at(&answer, "/code"), at(&answer, "/message"));
        screen.say(format!("item {id} was not taken: {code}: {message}"));
    }
    screen.result(&json!({ "items": [answer] }));
    if is_taken { Ok(()) } else { Err(Failure::Checked) }
}

fn write_raw(text: &str) -> Result<(), Failure> {
    use std::io::Write;
    let malformed = || Failure::failed("the answer of the node is not Base64");
    let bytes = base64(text).ok_or_else(malformed)?;
    let mut output = std::io::stdout();
    let written = output.write_all(&bytes).and_then(|()| output.flush());
    written.map_err(|error| Failure::failed(error.kind().to_string()))
}

/// The bytes of standard Base64 (RFC 4648 section 4).
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut group, mut bits) = (0_u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        group = (group << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((group >> bits) & 0xFF).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read() {
        let cases =
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob")];
        for (text, expected) in cases {
            assert_eq!(base64(text).unwrap(), expected.as_bytes(), "{text}");
        }
        assert_eq!(base64("//79"), Some(vec![0xFF, 0xFE, 0xFD]));
        assert_eq!(base64("Zm 9"), None);
    }
}
