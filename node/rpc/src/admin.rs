//! The node for operators. No patient data here, so no purpose is asked and nothing is audited.

use crate::access::{Access, Need};
use crate::connection::{Connection, Place};
use crate::failure::Failure;
use crate::service::Service;
use crate::show;
use actors_runtime::{SubmitError, trail};
use actors_store::keys;
use actors_store::tuple::TupleReader;
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

/// Shard, epoch, owner and length of its audit log.
type Shard = (u16, u64, String, u64);

async fn shards(service: &Service) -> Result<Vec<Shard>, Failure> {
    let damaged = |_| SubmitError::Damaged { place: "owner row".to_owned() };
    let runtime = &service.gateway.runtime;
    let snapshot = runtime.snapshot().await?;
    let mut shown = Vec::new();
    for shard in 0..runtime.shards().0 {
        let owner = snapshot.get(&keys::owner(shard)).await.map_err(SubmitError::from)?;
        let (mut epoch, mut node) = (0, String::new());
        if let Some(row) = owner {
            let mut reader = TupleReader::new(&row);
            epoch = reader.unsigned().map_err(damaged)?;
            node = reader.text().map_err(damaged)?;
        }
        let head = trail::newest_head(&*snapshot, shard).await?;
        shown.push((shard, epoch, node, head.map_or(0, |head| head.head.size)));
    }
    Ok(shown)
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
        for (place, (shard, epoch, owner, records)) in (0..).zip(&shards) {
            let mut shown = list.reborrow().get(place);
            shown.set_shard(*shard);
            shown.set_epoch(*epoch);
            shown.set_owner(&owner[..]);
            shown.set_audit_records(*records);
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
