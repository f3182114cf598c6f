//! `medulla shard` and `medulla node`: what runs where, for operators, and how they change it.

use super::words::at;
use crate::client::remote::{Api, Remote};
use crate::environment;
use crate::failure::Failure;
use crate::screen::{Screen, Table};
use crate::serve::ServeArguments;
use serde_json::{Value, json};

/// Shards: who owns what, and changing it
#[derive(Debug, Clone, clap::Subcommand)]
#[command(after_help = "Example:\n  medulla shard list\n  medulla shard move 3 --node b")]
pub(crate) enum ShardCommand {
    /// Every shard with its owner, its audit log and what it waits for; why nothing else moves
    #[command(after_help = "Example:\n  medulla shard list --json")]
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// One shard
    #[command(after_help = "Example:\n  medulla shard show 3")]
    Show {
        /// Which shard
        shard: u16,
        #[command(flatten)]
        remote: Remote,
    },
    /// Give a shard to another node
    #[command(after_help = "Example:\n  medulla shard move 3 --node b")]
    Move {
        /// Which shard
        shard: u16,
        /// Name or id of the new owner
        #[arg(long, value_name = "NODE")]
        node: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Make two shards of one
    #[command(after_help = "Example:\n  medulla shard split 3\n  \
        medulla shard split 3 --at 8000000000000000")]
    Split {
        /// Which shard
        shard: u16,
        /// First hash of the upper half, in hexadecimal; the middle when not given
        #[arg(long, value_name = "HASH")]
        at: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Make one shard of two neighbours of the same owner
    #[command(after_help = "Example:\n  medulla shard merge 3 --with 17")]
    Merge {
        /// The shard of the smaller hashes, whose number stays
        shard: u16,
        /// Its neighbour
        #[arg(long, value_name = "SHARD")]
        with: u16,
        #[command(flatten)]
        remote: Remote,
    },
}

/// Nodes: what runs, and taking one out
#[derive(Debug, Clone, clap::Subcommand)]
#[command(after_help = "Example:\n  medulla node list\n  medulla node drain b")]
pub(crate) enum NodeCommand {
    /// Every node with what it holds
    #[command(after_help = "Example:\n  medulla node list --json")]
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Enter a new node's data directory into a cluster; `medulla serve` then runs it
    #[command(after_help = "Example:\n  medulla node join --join http://127.0.0.1:8080 \\\n    \
        --data ./node-b --name b --peer 127.0.0.1:7102 --raft 127.0.0.1:7202")]
    Join {
        #[command(flatten)]
        serve: Box<ServeArguments>,
    },
    /// Give all shards of a node to others, before it restarts or leaves
    #[command(after_help = "Example:\n  medulla node drain b\n  medulla node drain b --for-good")]
    Drain {
        /// Name or id
        node: String,
        /// Not ended by the node's next start, but by `medulla node resume`
        #[arg(long)]
        for_good: bool,
        /// Answer at once, not when the node has no shards left
        #[arg(long)]
        no_wait: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// End a drain
    #[command(after_help = "Example:\n  medulla node resume b")]
    Resume {
        /// Name or id
        node: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Remove a node for ever: one that is drained for good or down
    #[command(after_help = "Example:\n  medulla node leave b")]
    Leave {
        /// Name or id
        node: String,
        #[command(flatten)]
        remote: Remote,
    },
}

const PURPOSE: &str = "HSYSADMIN";
/// How often it is looked whether a node is drained, milliseconds.
const LOOK_MS: u64 = 200;
/// How long a drain is waited for, seconds.
const DRAIN_SECONDS_MAX: u64 = 300;

/// Runs `medulla shard`.
pub(crate) async fn shard(command: ShardCommand, screen: Screen) -> Result<(), Failure> {
    match command {
        ShardCommand::List { remote } => list_shards(&remote.api(PURPOSE)?, screen).await,
        ShardCommand::Show { shard, remote } => {
            let shown = remote.api(PURPOSE)?.get(format!("/api/v1/shards/{shard}")).await?;
            tell(screen, &shown);
            Ok(())
        }
        ShardCommand::Move { shard, node, remote } => {
            let body = json!({ "to": node });
            change(remote, &format!("shards/{shard}/move"), body, screen).await
        }
        ShardCommand::Split { shard, at, remote } => {
            let body = json!({ "at": at.unwrap_or_default() });
            change(remote, &format!("shards/{shard}/split"), body, screen).await
        }
        ShardCommand::Merge { shard, with, remote } => {
            let body = json!({ "with": with });
            change(remote, &format!("shards/{shard}/merge"), body, screen).await
        }
    }
}

async fn list_shards(api: &Api, screen: Screen) -> Result<(), Failure> {
    let shards = api.list("/api/v1/shards", &[], "shards").await?;
    let mut table = Table::new(&["shard", "owner", "epoch", "state", "waits for", "audit records"]);
    for shard in &shards {
        let cells = ["/shard", "/owner", "/epoch", "/state", "/waits_for", "/audit_records"];
        table.row(cells.map(|pointer| at(shard, pointer)));
    }
    table.print(&screen);
    // Without a cluster there is no control plane to ask.
    let control = api.get("/api/v1/control").await.unwrap_or_default();
    for reason in control["reasons"].as_array().into_iter().flatten() {
        screen.say(reason.as_str().unwrap_or_default());
    }
    screen.result(&json!({ "shards": shards, "control": control }));
    Ok(())
}

async fn change(remote: Remote, path: &str, body: Value, screen: Screen) -> Result<(), Failure> {
    let answer = remote.api(PURPOSE)?.post(format!("/api/v1/{path}"), &body).await?;
    tell(screen, &answer);
    Ok(())
}

fn tell(screen: Screen, answer: &Value) {
    let mut table = Table::new(&["", ""]);
    for (name, _) in answer.as_object().into_iter().flatten() {
        table.row([name.clone(), at(answer, &format!("/{name}"))]);
    }
    table.print(&screen);
    screen.result(answer);
}

/// Runs `medulla node`.
pub(crate) async fn node(command: NodeCommand, screen: Screen) -> Result<(), Failure> {
    match command {
        NodeCommand::List { remote } => list_nodes(&remote.api(PURPOSE)?, screen).await,
        NodeCommand::Join { serve } => {
            let config = serve.node()?;
            let node = node_app::enrol(&environment::real(), &config).await?;
            tell(screen, &json!({ "node": config.runtime.node, "id": node }));
            Ok(())
        }
        NodeCommand::Drain { node, for_good, no_wait, remote } => {
            let api = remote.api(PURPOSE)?;
            let body = json!({ "for_good": for_good });
            let answer = api.post(format!("/api/v1/nodes/{node}/drain"), &body).await?;
            if !no_wait {
                wait_drained(&api, &node).await?;
            }
            tell(screen, &answer);
            Ok(())
        }
        NodeCommand::Resume { node, remote } => {
            change(remote, &format!("nodes/{node}/resume"), Value::Null, screen).await
        }
        NodeCommand::Leave { node, remote } => {
            change(remote, &format!("nodes/{node}/leave"), Value::Null, screen).await
        }
    }
}

/// Waits until the node owns nothing.
async fn wait_drained(api: &Api, node: &str) -> Result<(), Failure> {
    for _ in 0..DRAIN_SECONDS_MAX * 1_000 / LOOK_MS {
        let nodes = api.list("/api/v1/nodes", &[], "nodes").await?;
        let found = nodes.iter().find(|shown| {
            shown["node"] == node || shown["id"].as_u64().is_some_and(|id| id.to_string() == node)
        });
        if found.is_none_or(|shown| shown["shards"] == 0) {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(LOOK_MS)).await;
    }
    Err(Failure::failed(format!(
        "node {node} still has shards after {DRAIN_SECONDS_MAX} s: `medulla shard list` says why"
    )))
}

async fn list_nodes(api: &Api, screen: Screen) -> Result<(), Failure> {
    let nodes = api.list("/api/v1/nodes", &[], "nodes").await?;
    let mut table = Table::new(&["node", "id", "state", "shards", "zone", "version", "http"]);
    for node in &nodes {
        let cells = ["/node", "/id", "/state", "/shards", "/zone", "/version", "/http"];
        table.row(cells.map(|pointer| at(node, pointer)));
    }
    table.print(&screen);
    screen.result(&json!({ "nodes": nodes }));
    Ok(())
}
