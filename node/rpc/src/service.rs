//! What all connections of a node share: the gateway, the limits, who may log in, and the runtime
//! on which entities live.

use crate::auth::Authenticator;
use crate::failure::Failure;
use crate::limits::{DEADLINE_MS_MAX, RpcLimits};
use crate::subscribe::Follower;
use actors_runtime::{Attachments, HostedEntity, Outcome, SubmitError};
use node_env::trace::{self, Operation};
use node_ingest::gateway::{Caller, Gateway, Origin};
use schema_types::audit::{AuditAction, AuditOutcome};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{CommandId, EntityId, MessageDigest, SourceId};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;

/// Shared by all connections of a node.
pub(crate) struct Service {
    pub(crate) gateway: Gateway,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) limits: RpcLimits,
    pub(crate) node: String,
    pub(crate) follower: Arc<Follower>,
    /// Where entities run: they outlive the connection that woke them.
    pub(crate) entities: Handle,
    /// Calls in flight on all connections.
    pub(crate) in_flight: AtomicUsize,
    pub(crate) counters: Counters,
    /// Drawn once: names questions, together with a count.
    nonce: u64,
    asked: AtomicU64,
}

/// What the server counted since it started.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    pub(crate) refused_connections: AtomicU64,
    pub(crate) logins: AtomicU64,
    pub(crate) calls: AtomicU64,
    pub(crate) overloaded: AtomicU64,
    pub(crate) pushes: AtomicU64,
    pub(crate) slow_subscribers: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Vec<(String, u64)> {
        let all = [
            ("medulla_rpc_connections_total", &self.connections),
            ("medulla_rpc_connections_refused_total", &self.refused_connections),
            ("medulla_rpc_logins_total", &self.logins),
            ("medulla_rpc_calls_total", &self.calls),
            ("medulla_rpc_calls_overloaded_total", &self.overloaded),
            ("medulla_rpc_pushes_total", &self.pushes),
            ("medulla_rpc_slow_subscribers_total", &self.slow_subscribers),
        ];
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        all.into_iter().map(|(name, counter)| (name.to_owned(), value(counter))).collect()
    }
}

impl Service {
    pub(crate) fn new(
        gateway: Gateway,
        authenticator: Arc<dyn Authenticator>,
        limits: RpcLimits,
        node: String,
    ) -> Self {
        let nonce = gateway.rng.next_u64() & 0xFFFF_FFFF;
        Self {
            follower: Arc::new(Follower::default()),
            gateway,
            authenticator,
            limits,
            node,
            entities: Handle::current(),
            in_flight: AtomicUsize::new(0),
            counters: Counters::default(),
            nonce,
            asked: AtomicU64::new(0),
        }
    }

    /// Polls a future where entities run, so that what it starts lives there. Its wake-ups come
    /// straight back to the thread that waits: no hop beyond the entity's own.
    pub(crate) async fn inside<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            let _guard = self.entities.enter();
            future.as_mut().poll(context)
        })
        .await
    }

    /// Waits for a result at most as long as the caller does.
    pub(crate) async fn within<T>(
        &self,
        deadline_ms: u32,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let usual = self.limits.deadline_ms;
        let ms = if deadline_ms == 0 { usual } else { deadline_ms.min(DEADLINE_MS_MAX) };
        let limit = Duration::from_millis(u64::from(ms));
        let tracer = self.gateway.runtime.tracer();
        let late = |_| Err(Failure::deadline());
        let Some(span) = tracer.request(Operation::RpcCall, None) else {
            return tokio::time::timeout(limit, self.inside(work)).await.unwrap_or_else(late);
        };
        let work = span.around(Box::pin(self.inside(work)));
        let result = tokio::time::timeout(limit, work).await.unwrap_or_else(late);
        span.end(match &result {
            Ok(_) => trace::Outcome::Done("done"),
            Err(failure) => trace::Outcome::Failed(failure.code.as_str()),
        });
        result
    }

    /// A name for a question; questions are not remembered, the name is for the audit log.
    pub(crate) fn question(&self) -> Origin {
        let count = self.asked.fetch_add(1, Ordering::Relaxed);
        Origin {
            source: SourceId::new("rpc"),
            command_id: CommandId::new(format!("{:08x}-{count:x}", self.nonce)),
            content: MessageDigest::default(),
            message: None,
        }
    }

    /// Asks an entity; the entity audits the access (AUD-1).
    pub(crate) async fn ask<E: HostedEntity>(
        &self,
        caller: &Caller,
        entity: EntityId,
        question: E::Command,
    ) -> Result<E::Reply, Failure> {
        let envelope = self.gateway.envelope(caller, &self.question(), entity, question);
        match self.gateway.runtime.submit::<E>(envelope, Attachments::default()).await? {
            Outcome::Done { reply, .. } => Ok(reply),
            Outcome::Repeated { .. } => Err(SubmitError::OutcomeUnknown.into()),
        }
    }

    /// Records an access that no entity judges, before its result is shown (AUD-1).
    pub(crate) async fn audit(
        &self,
        caller: &Caller,
        entity: EntityId,
        (action, operation, outcome): (AuditAction, &str, AuditOutcome),
    ) -> Result<(), Failure> {
        let origin = self.question();
        let draft = self.gateway.draft(caller, &origin, entity, (action, operation, outcome));
        Ok(self.gateway.runtime.record(draft, Vec::new()).await?)
    }

    /// Records what was refused before any entity saw it; gives the failure back.
    pub(crate) async fn refuse(
        &self,
        caller: &Caller,
        (entity, action, operation): (EntityId, AuditAction, &str),
        failure: Failure,
    ) -> Failure {
        let is_denied = matches!(
            failure.code,
            ErrorCode::CapabilityRefused
                | ErrorCode::CapabilityExpired
                | ErrorCode::CapabilityRevoked
                | ErrorCode::LoginRefused
                | ErrorCode::PurposeRefused
        );
        let outcome = if is_denied {
            AuditOutcome::Denied(failure.code)
        } else {
            AuditOutcome::Rejected(failure.code)
        };
        match self.audit(caller, entity, (action, operation, outcome)).await {
            Ok(()) => failure,
            Err(unrecorded) => unrecorded,
        }
    }
}
