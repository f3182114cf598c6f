//! What operators see of the cluster and what they can ask for.

use super::anchors;
use super::control::{Control, NotDone};
use super::identity::{Identity, JoinAnswer, JoinRequest};
use super::leader::Leader;
use actors_audit::SignedTreeHead;
use consensus_control::{
    Answer, Command, ControlState, Drain, Holding, Life, Paused, Shard, WaitsFor,
};
use futures::future::BoxFuture;
use node_ingest::http::ApiError;
use node_ingest::operations::{ClusterOperations, Operation, time};
use schema_types::cluster::NodeId;
use schema_types::error_code::ErrorCode;
use schema_types::ids::ShardId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reasons that operators are shown at once.
const REASONS_SHOWN_MAX: usize = 64;

/// The cluster for operators.
pub(crate) struct Operations {
    pub(crate) control: Control,
    pub(crate) leader: Arc<Leader>,
    pub(crate) identity: Identity,
}

impl From<NotDone> for ApiError {
    fn from(refused: NotDone) -> Self {
        let NotDone { code, word, message } = refused;
        let message = if word.is_empty() { message } else { format!("{word}: {message}") };
        Self::new(code, message)
    }
}

fn name_of(state: &ControlState, node: NodeId) -> String {
    let record = state.nodes().get(&node);
    record.map_or_else(|| node.0.to_string(), |record| record.spec.name.clone())
}

fn nodes(state: &ControlState) -> Vec<Value> {
    let shown = state.nodes().iter().map(|(id, node)| {
        json!({
            "node": node.spec.name,
            "id": id.0,
            "state": node.state().name(),
            "drain": node.drain.map(|drain| match drain {
                Drain::ForRestart => "for-restart",
                Drain::ForGood => "for-good",
            }),
            "since": time(node.since),
            "zone": node.spec.zone,
            "version": node.spec.version,
            "http": node.spec.http_address,
            "rpc": node.spec.rpc_address,
            "peer": node.spec.internal_address,
            "raft": node.spec.raft_address,
            "starts": node.incarnation,
            "shards": state.owned_by(*id).count(),
        })
    });
    shown.collect()
}

fn shard(state: &ControlState, id: ShardId, shard: &Shard, paused: Option<&Paused>) -> Value {
    let mut shown = json!({
        "shard": id.0,
        "first": format!("{:016x}", shard.range.first()),
        "last": format!("{:016x}", shard.range.last()),
        "epoch": shard.epoch.0,
        "owner": shard.owner.map(|owner| name_of(state, owner)),
        "state": if shard.is_open() { "open" } else { "moving" },
    });
    if let (Some(paused), Some(map)) = (paused, shown.as_object_mut()) {
        let waits_for = match paused.waits_for {
            WaitsFor::Node { node, step } => format!("{} to {}", name_of(state, node), step.name()),
            WaitsFor::Owner => "an owner".to_owned(),
            WaitsFor::Shard(other) => format!("shard {} to be claimed", other.0),
        };
        map.insert("why".to_owned(), Value::from(paused.why.code()));
        map.insert("waits_for".to_owned(), Value::from(waits_for));
        map.insert("since".to_owned(), time(paused.since));
        map.insert("failures".to_owned(), Value::from(paused.failures));
    }
    shown
}

fn shards(state: &ControlState) -> Vec<Value> {
    let paused: BTreeMap<ShardId, Paused> =
        state.paused().map(|paused| (paused.holding.shard, paused)).collect();
    state.shards_in_order().map(|(id, record)| shard(state, id, record, paused.get(&id))).collect()
}

impl Operations {
    fn node(&self, named: &str) -> Result<NodeId, ApiError> {
        let found = self.control.read(|state| {
            let staying = state.nodes().iter().filter(|(_, node)| node.life != Life::Left);
            let by_name = staying.into_iter().find(|(_, node)| node.spec.name == named);
            let by_id =
                || named.parse().ok().map(NodeId).filter(|id| state.nodes().contains_key(id));
            by_name.map(|(id, _)| *id).or_else(by_id)
        });
        found.ok_or_else(|| ApiError::bad_request("there is no such node").with_status(404))
    }

    fn holding(&self, shard: u16) -> Result<Holding, ApiError> {
        let shard = ShardId(shard);
        let found = self.control.read(|state| {
            state.shards().get(&shard).map(|record| Holding { shard, epoch: record.epoch })
        });
        found.ok_or_else(|| ApiError::bad_request("there is no such shard").with_status(404))
    }

    async fn join(&self, request: Value) -> Result<Value, ApiError> {
        let request: JoinRequest = serde_json::from_value(request)
            .map_err(|_| ApiError::bad_request("the body is not a node that asks to join"))?;
        let JoinRequest { join_key, spec } = request;
        if self.control.read(|state| state.cluster().is_none()) {
            // This node is on its way into the cluster itself: a matter of time.
            return Err(ApiError::new(ErrorCode::ClusterNoQuorum, "no cluster is formed yet"));
        }
        let answer = self.control.propose(Command::JoinNode { join_key, spec }).await?;
        let Answer::Node(node) = answer else {
            return Err(ApiError::new(ErrorCode::ClusterRefused, "no id was given"));
        };
        serde_json::to_value(JoinAnswer::new(&self.identity, node))
            .map_err(|_| ApiError::new(ErrorCode::ClusterRefused, "no id was given"))
    }

    fn split_point(&self, shard: u16, at: Option<u64>) -> Result<u64, ApiError> {
        let middle = || {
            let range = self
                .control
                .read(|state| state.shards().get(&ShardId(shard)).map(|record| record.range));
            range.and_then(schema_types::cluster::HashRange::middle)
        };
        at.or_else(middle).ok_or_else(|| ApiError::bad_request("the shard cannot be split"))
    }

    async fn command(&self, operation: Operation) -> Result<Command, ApiError> {
        Ok(match operation {
            Operation::Join(_) => return Err(ApiError::bad_request("joining is no command")),
            Operation::Drain { node, is_for_good } => {
                let drain = if is_for_good { Drain::ForGood } else { Drain::ForRestart };
                Command::DrainNode { node: self.node(&node)?, drain }
            }
            Operation::Resume { node } => Command::ResumeNode { node: self.node(&node)? },
            Operation::Leave { node } => Command::RemoveNode { node: self.node(&node)? },
            Operation::Move { shard, to } => {
                Command::MoveShard { holding: self.holding(shard)?, to: self.node(&to)? }
            }
            Operation::Split { shard, at } => {
                let holding = self.holding(shard)?;
                Command::SplitShard { holding, at: self.split_point(shard, at)? }
            }
            Operation::Merge { lower, upper } => {
                let (lower, upper) = (self.holding(lower)?, self.holding(upper)?);
                Command::MergeShards { lower, upper }
            }
        })
    }
}

fn answered(answer: Answer) -> Value {
    match answer {
        Answer::Done => json!({ "done": true }),
        Answer::Node(node) => json!({ "done": true, "node": node.0 }),
        Answer::Shard(Holding { shard, epoch }) => {
            json!({ "done": true, "shard": shard.0, "epoch": epoch.0 })
        }
    }
}

impl ClusterOperations for Operations {
    fn nodes(&self) -> Vec<Value> {
        self.control.read(nodes)
    }

    fn shards(&self) -> Vec<Value> {
        self.control.read(shards)
    }

    fn audit_anchors(&self) -> Vec<SignedTreeHead> {
        anchors::remembered(&self.control)
    }

    fn control(&self) -> BoxFuture<'_, Value> {
        Box::pin(async move {
            let plan = self.leader.plan();
            let reasons = plan.iter().flat_map(|plan| &plan.reasons).take(REASONS_SHOWN_MAX);
            let reasons: Vec<String> = reasons.map(ToString::to_string).collect();
            let (revision, features) = self.control.read(|state| {
                let features: Vec<String> =
                    state.features().iter().map(ToString::to_string).collect();
                (state.map_revision(), features)
            });
            let raft = match self.control.plane.status().await {
                Err(error) => json!({ "error": error.to_string() }),
                Ok(status) => json!({
                    "role": format!("{:?}", status.role).to_lowercase(),
                    "leader": status.leader.map(|leader| leader.0),
                    "term": status.term,
                    "voters": status.voters().map(|voter| voter.0).collect::<Vec<_>>(),
                    "members": status.members.keys().map(|member| member.0).collect::<Vec<_>>(),
                    "last_log_index": status.last_log_index,
                    "applied_index": status.applied_index,
                    "quorum_heard_ms_ago": status.quorum_heard_ms_ago,
                }),
            };
            json!({
                "raft": raft,
                "map_revision": revision,
                "features": features,
                "leads_here": plan.is_some(),
                "reasons": reasons,
            })
        })
    }

    fn operate(&self, operation: Operation) -> BoxFuture<'_, Result<Value, ApiError>> {
        Box::pin(async move {
            if let Operation::Join(request) = operation {
                return self.join(request).await;
            }
            let command = self.command(operation).await?;
            Ok(answered(self.control.propose(command).await?))
        })
    }
}
