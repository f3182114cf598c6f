//! `medulla shard` and `medulla node`: what runs where, for operators.

use super::words::at;
use crate::client::remote::Remote;
use crate::failure::Failure;
use crate::screen::{Screen, Table};
use serde_json::{Value, json};

/// Shards: who owns what
#[derive(Debug, Clone, clap::Subcommand)]
#[command(after_help = "Example:\n  medulla shard list")]
pub(crate) enum ShardCommand {
    /// Every shard with its owner and audit log
    #[command(after_help = "Example:\n  medulla shard list --json")]
    List {
        #[command(flatten)]
        remote: Remote,
    },
}

/// Nodes: what runs
#[derive(Debug, Clone, clap::Subcommand)]
#[command(after_help = "Example:\n  medulla node list")]
pub(crate) enum NodeCommand {
    /// Every node with what it holds in memory
    #[command(after_help = "Example:\n  medulla node list --json")]
    List {
        #[command(flatten)]
        remote: Remote,
    },
}

const PURPOSE: &str = "HSYSADMIN";

/// Runs `medulla shard`.
pub(crate) async fn shard(command: ShardCommand, screen: Screen) -> Result<(), Failure> {
    let ShardCommand::List { remote } = command;
    let shards = remote.api(PURPOSE)?.list("/api/v1/shards", &[], "shards").await?;
    let mut table = Table::new(&["shard", "owner", "epoch", "audit records"]);
    for shard in &shards {
        let cells = ["/shard", "/owner", "/epoch", "/audit_records"];
        table.row(cells.map(|pointer| at(shard, pointer)));
    }
    table.print(&screen);
    screen.result(&json!({ "shards": shards }));
    Ok(())
}

/// Runs `medulla node`.
pub(crate) async fn node(command: NodeCommand, screen: Screen) -> Result<(), Failure> {
    let NodeCommand::List { remote } = command;
    let nodes = remote.api(PURPOSE)?.list("/api/v1/nodes", &[], "nodes").await?;
    let mut table = Table::new(&["node", "version", "ready", "patients", "devices", "facilities"]);
    for node in &nodes {
        let ready = node.get("ready") == Some(&Value::Bool(true));
        table.row([
            at(node, "/node"),
            at(node, "/version"),
            if ready { "yes" } else { "no" }.to_owned(),
            at(node, "/resident/patients"),
            at(node, "/resident/devices"),
            at(node, "/resident/facilities"),
        ]);
    }
    table.print(&screen);
    screen.result(&json!({ "nodes": nodes }));
    Ok(())
}
