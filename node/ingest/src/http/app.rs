//! What all handlers share: the gateway, the node's status, counters and the bounds of what may
//! be in work at once.

use crate::gateway::Gateway;
use crate::http::limits::{BODY_BYTES_IN_FLIGHT_MAX, WATCHERS_MAX};
use crate::http::metrics::HttpMetrics;
use crate::http::status::NodeStatus;
use crate::limits::HTTP_IN_FLIGHT_MAX;
use schema_fhir::Limits;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Bytes that one permit of the body budget stands for.
pub(crate) const BUDGET_UNIT_BYTES: usize = 1024;

/// Shared by all handlers.
pub(crate) struct App {
    pub(crate) gateway: Gateway,
    pub(crate) status: NodeStatus,
    pub(crate) metrics: HttpMetrics,
    /// Requests in work (LIM-1).
    pub(crate) in_flight: Arc<Semaphore>,
    /// Bytes of bodies in memory (LIM-1).
    pub(crate) body_budget: Arc<Semaphore>,
    /// Those who follow alerts (LIM-1).
    pub(crate) watchers: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(gateway: Gateway, status: NodeStatus) -> Arc<Self> {
        Arc::new(Self {
            gateway,
            status,
            metrics: HttpMetrics::default(),
            in_flight: Arc::new(Semaphore::new(HTTP_IN_FLIGHT_MAX)),
            body_budget: Arc::new(Semaphore::new(BODY_BYTES_IN_FLIGHT_MAX / BUDGET_UNIT_BYTES)),
            watchers: Arc::new(Semaphore::new(WATCHERS_MAX)),
        })
    }

    /// What the FHIR parser accepts.
    pub(crate) fn fhir_limits(&self) -> Limits {
        let body_bytes_max = self.gateway.limits.body_bytes_max;
        let defaults = Limits::default();
        Limits {
            bundle_bytes_max: body_bytes_max,
            resource_bytes_max: defaults.resource_bytes_max.min(body_bytes_max),
            bundle_entries_max: crate::limits::BUNDLE_ENTRIES_MAX,
            ..defaults
        }
    }
}
