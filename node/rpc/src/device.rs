//! One device as a capability.

use crate::access::{Access, Need};
use crate::connection::{Connection, Place};
use crate::failure::Failure;
use crate::session::RevokerServer;
use actors_device::Device;
use actors_device::command::{Command, Read, Reply};
use schema_types::ids::EntityId;
use schema_wire::rpc_capnp::{Field, device};
use std::rc::Rc;

/// One device.
pub(crate) struct DeviceServer {
    connection: Rc<Connection>,
    access: Access,
    device: EntityId,
    _place: Place,
}

impl DeviceServer {
    pub(crate) fn new(
        connection: &Rc<Connection>,
        access: Access,
        device: EntityId,
    ) -> Result<Self, Failure> {
        let place = connection.capability()?;
        Ok(Self { connection: Rc::clone(connection), access, device, _place: place })
    }
}

impl device::Server for DeviceServer {
    async fn state(
        self: Rc<Self>,
        params: device::StateParams,
        mut results: device::StateResults,
    ) -> Result<(), capnp::Error> {
        let _call = self
            .connection
            .begin_on(&self.access, Need::See(Field::Devices), || self.device.clone())
            .await?;
        let service = &self.connection.service;
        let read = Command::Read(Read::State);
        let work = service.ask::<Device>(&self.access.caller, self.device.clone(), read);
        let reply = service.within(params.get()?.get_deadline_ms(), work).await?;
        let Reply::State(state) = reply else { return Err(Failure::unexpected().into()) };
        let mut shown = results.get().init_state();
        shown.set_key(self.device.key());
        if let Some((patient, since)) = &state.association {
            shown.set_patient(patient.key());
            shown.set_since_unix_micros(since.unix_micros());
        }
        shown.set_is_silent(state.silent_since.is_some());
        shown.set_battery_percent(state.battery_percent.map_or(-1, i16::from));
        shown.set_clock_offset_micros(state.clock_offset_micros);
        Ok(())
    }

    async fn restrict(
        self: Rc<Self>,
        params: device::RestrictParams,
        mut results: device::RestrictResults,
    ) -> Result<(), capnp::Error> {
        let _call =
            self.connection.begin_on(&self.access, Need::Life, || self.device.clone()).await?;
        let (access, revocation) = self.access.restrict(params.get()?.get_restrictions()?)?;
        let server = Self::new(&self.connection, access, self.device.clone())?;
        let mut results = results.get();
        results.set_device(capnp_rpc::new_client(server));
        results.set_revoker(capnp_rpc::new_client(RevokerServer(revocation)));
        Ok(())
    }
}
