//! The node for operators. No patient data here, so no purpose is asked and nothing is audited.

use crate::access::{Access, Need};
use crate::connection::{Connection, Place};
use crate::failure::Failure;
use crate::service::Service;
use crate::show;
use actors_runtime::{StoredShard, stored_shards};
use schema_wire::rpc_capnp::admin;
use std::rc::Rc;

/// The operators' calls.
pub(crate) struct AdminServer {
    connection: Rc<Connection>,
    access: Access,
    _place: Place,
}

impl AdminServer {
    pub(crate) fn new(connection: &Rc<Connection>, access: Access) -> Result<Self, Failure> {
        let place = connection.capability()?;
        Ok(Self { connection: Rc::clone(connection), access, _place: place })
    }

    async fn begin(&self) -> Result<Place, Failure> {
        self.connection.begin(&self.access, Need::Operate).await
    }
}

/// Those that are part of another one now are left out.
async fn shards(service: &Service) -> Result<Vec<StoredShard>, Failure> {
    let snapshot = service.gateway.runtime.snapshot().await?;
    let mut shards = stored_shards(&*snapshot).await?;
    shards.retain(|stored| stored.owner.is_some());
    Ok(shards)
}

fn unsigned(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl admin::Server for AdminServer {
    async fn nodes(
        self: Rc<Self>,
        _: admin::NodesParams,
        mut results: admin::NodesResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.begin().await?;
        let service = &self.connection.service;
        let (patients, devices, facilities) = service.gateway.runtime.resident();
        let mut node = results.get().init_nodes(1).get(0);
        node.set_name(&service.node[..]);
        node.set_version(env!("CARGO_PKG_VERSION"));
        node.set_resident_patients(unsigned(patients));
        node.set_resident_devices(unsigned(devices));
        node.set_resident_facilities(unsigned(facilities));
        Ok(())
    }

    async fn shards(
        self: Rc<Self>,
        _: admin::ShardsParams,
        mut results: admin::ShardsResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.begin().await?;
        let service = &self.connection.service;
        let shards = service.within(0, shards(service)).await?;
        let mut list = results.get().init_shards(show::count(shards.len()));
        for (place, stored) in (0..).zip(&shards) {
            let mut shown = list.reborrow().get(place);
            shown.set_shard(stored.shard);
            shown.set_epoch(stored.epoch.0);
            shown.set_owner(stored.owner.as_deref().unwrap_or_default());
            shown.set_audit_records(stored.audit_records);
        }
        Ok(())
    }

    async fn health(
        self: Rc<Self>,
        _: admin::HealthParams,
        mut results: admin::HealthResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.begin().await?;
        let stopped = self.connection.service.gateway.runtime.stop_reason();
        let mut health = results.get();
        health.set_is_ready(stopped.is_none());
        health.set_reason(stopped.as_deref().unwrap_or_default());
        Ok(())
    }

    async fn metrics(
        self: Rc<Self>,
        _: admin::MetricsParams,
        mut results: admin::MetricsResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.begin().await?;
        let service = &self.connection.service;
        let of_runtime = service.gateway.runtime.metrics().snapshot();
        let of_runtime = of_runtime.into_iter().map(|(name, value)| (name.to_owned(), value));
        let mut all: Vec<(String, u64)> = of_runtime.collect();
        all.extend(service.counters.snapshot());
        let mut metrics = results.get().init_metrics(show::count(all.len()));
        for (place, (name, value)) in (0..).zip(&all) {
            let mut shown = metrics.reborrow().get(place);
            shown.set_name(&name[..]);
            shown.set_value(*value);
        }
        Ok(())
    }
}
