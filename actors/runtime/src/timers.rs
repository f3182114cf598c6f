//! Durable timers: rows ordered by due time, fired as commands whose commit clears the row
//! (exactly one effect, LIVE-1). The wall clock only says when, never who may (TIME-1).

use crate::audit_log::entity_ref;
use crate::directory::HostedEntity;
use crate::error::SubmitError;
use crate::limits::TIMERS_PER_TURN_MAX;
use crate::node::NodeInner;
use crate::outbox::SYSTEM_PURPOSE;
use crate::ownership::{Fence, Held};
use crate::rows::timer_index_key;
use crate::submit::Attachments;
use crate::unit::Precondition;
use actors_core::Envelope;
use actors_store::{Mutation, RangeQuery, Transaction, keys};
use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use schema_types::cluster::HashRange;
use schema_types::ids::{CommandId, EntityKind, MessageDigest, PrincipalId, ShardId, SourceId};
use schema_types::time::Timestamp;
use schema_wire::journal::TimerRecord;
use std::sync::Arc;

/// Fires due timers until the node ends.
pub(crate) async fn run(node: Arc<NodeInner>) {
    while node.wait_ms(node.config.timer_interval_ms).await {
        for ShardId(shard) in node.served.open_shards() {
            // A refused turn is repeated at the next one; the rows stay.
            if let Err(error) = fire_due(&node, shard).await {
                node.note(&error);
                tracing::debug!(code = %error.code(), "timers of a shard wait for the next turn");
                if node_env::planted!("timer-error-ends-turn") {
                    return;
                }
            }
        }
    }
}

async fn fire_due(node: &Arc<NodeInner>, shard: u16) -> Result<(), SubmitError> {
    let snapshot = node.store.begin().await?;
    let due = keys::timers_due(shard, node.now().unix_micros());
    let page = snapshot.range(RangeQuery::forward(due, TIMERS_PER_TURN_MAX)).await?;
    let mut fired = FuturesUnordered::new();
    for (key, value) in page.items {
        fired.push(fire(node, key, value));
    }
    while fired.next().await.is_some() {}
    Ok(())
}

/// Takes over the timers of those hashes of a former shard that are in this one now.
///
/// # Errors
/// [`SubmitError::NotServed`] when the shard has another owner meanwhile; what was moved stays so.
pub(crate) async fn inherit(
    node: &NodeInner,
    held: &Held,
    (former, range): (ShardId, HashRange),
) -> Result<(), SubmitError> {
    let mut rest = keys::timers_due(former.0, i64::MAX);
    loop {
        let snapshot = node.store.begin().await?;
        let Fence::Ours(fence) = held.fence(&*snapshot).await? else {
            return Err(SubmitError::NotServed { shard: Some(held.shard.0) });
        };
        let query = RangeQuery::forward(rest.clone(), TIMERS_PER_TURN_MAX);
        let page = snapshot.range(query.clone()).await?;
        let mut transaction = Transaction::at(&node.store, snapshot);
        transaction.add_read_conflict(fence);
        for (key, value) in &page.items {
            let record = schema_wire::journal::decode_timer(value)
                .map_err(|error| SubmitError::Damaged { place: error.to_string() })?;
            let entity = &record.entity;
            if range.contains(entity.hash()) {
                let due = record.due.unix_micros();
                let now = keys::timer(held.shard.0, due, entity_ref(entity), &record.name);
                transaction.set(now, value.clone());
                transaction.clear(key.clone());
            }
        }
        node.store.commit(transaction.into_request()).await?;
        let Some(next) = query.after(&page) else { return Ok(()) };
        rest.begin = next.begin;
    }
}

async fn fire(node: &Arc<NodeInner>, key: Bytes, value: Bytes) {
    let record = match schema_wire::journal::decode_timer(&value) {
        Ok(record) => record,
        Err(error) => {
            tracing::error!(error = %error, "timer row does not decode");
            return;
        }
    };
    let entity = record.entity.clone();
    let result = match entity.kind() {
        EntityKind::Patient => fire_on::<actors_patient::Patient>(node, key.clone(), record).await,
        EntityKind::Device => fire_on::<actors_device::Device>(node, key.clone(), record).await,
        EntityKind::Facility => {
            fire_on::<actors_facility::Facility>(node, key.clone(), record).await
        }
    };
    match result {
        Ok(()) => node.metrics.timers_fired.add(1),
        // Fired before: the row is gone. Or the shard's next owner fires it.
        Err(SubmitError::Precondition | SubmitError::NotServed { .. }) => {}
        Err(SubmitError::Rejected(rejection)) => {
            tracing::warn!(code = %rejection.code, "timer refused by its entity");
            if let Err(error) = node.commit_rows(&entity, vec![Mutation::clear(key)]).await {
                tracing::debug!(code = %error.code(), "refused timer waits for the next turn");
            }
        }
        Err(_) if node_env::planted!("timer-cleared-when-overloaded") => {
            let _cleared = node.commit_rows(&entity, vec![Mutation::clear(key)]).await;
        }
        Err(error) => tracing::debug!(code = %error.code(), "timer waits for the next turn"),
    }
}

async fn fire_on<E: HostedEntity>(
    node: &Arc<NodeInner>,
    key: Bytes,
    record: TimerRecord,
) -> Result<(), SubmitError> {
    let TimerRecord { entity, name, due } = record;
    let Some(command) = E::timer_command(&name, due) else {
        tracing::warn!(kind = entity.kind().name(), "timer has an unknown name and is removed");
        return node.commit_rows(&entity, vec![Mutation::clear(key)]).await;
    };
    let attachments = Attachments {
        rows: match node_env::planted!("timer-row-kept") {
            true => vec![Mutation::clear(timer_index_key(&entity, &name))],
            false => {
                vec![Mutation::clear(key.clone()), Mutation::clear(timer_index_key(&entity, &name))]
            }
        },
        preconditions: vec![Precondition::Present(key)],
        ..Attachments::default()
    };
    let envelope = Envelope {
        content: MessageDigest::default(),
        source: SourceId::new("timer"),
        command_id: CommandId::new(timer_command_id(&name, due)),
        principal: PrincipalId::new("system:timer"),
        purpose: SYSTEM_PURPOSE.to_owned(),
        now: node.now(),
        message: None,
        entity,
        command,
    };
    node.submit::<E>(envelope, attachments).await.map(|_| ())
}

fn timer_command_id(name: &str, due: Timestamp) -> String {
    format!("{name}@{}", due.unix_micros())
}
