//! One facility as a capability: its census and its beds.

use crate::access::{Access, Need};
use crate::connection::{Connection, Place};
use crate::failure::Failure;
use crate::session::RevokerServer;
use crate::show;
use actors_facility::Facility;
use actors_facility::command::{BedBoard, BedEntry, Census, Command, Occupancy, Read, Reply};
use schema_types::facility::BedStatus;
use schema_types::ids::EntityId;
use schema_types::time::Timestamp;
use schema_wire::rpc_capnp::{self as wire, Field, facility};
use std::rc::Rc;

const NEED: Need = Need::See(Field::Stays);

/// One facility.
pub(crate) struct FacilityServer {
    connection: Rc<Connection>,
    access: Access,
    facility: EntityId,
    _place: Place,
}

impl FacilityServer {
    pub(crate) fn new(
        connection: &Rc<Connection>,
        access: Access,
        facility: EntityId,
    ) -> Result<Self, Failure> {
        let place = connection.capability()?;
        Ok(Self { connection: Rc::clone(connection), access, facility, _place: place })
    }

    async fn ask(&self, read: Read, deadline_ms: u32) -> Result<Reply, Failure> {
        let service = &self.connection.service;
        let (facility, read) = (self.facility.clone(), Command::Read(read));
        let work = service.ask::<Facility>(&self.access.caller, facility, read);
        service.within(deadline_ms, work).await
    }
}

fn status(entry: &BedEntry) -> &'static str {
    match &entry.occupancy {
        Occupancy::Occupied(_) => "occupied",
        Occupancy::Conflict(_) => "conflict",
        Occupancy::Free(BedStatus::Ready) => "ready",
        Occupancy::Free(BedStatus::Reserved) => "reserved",
        Occupancy::Free(BedStatus::Dirty) => "dirty",
        Occupancy::Free(BedStatus::Cleaning) => "cleaning",
        Occupancy::Free(BedStatus::Blocked) => "blocked",
        Occupancy::Free(BedStatus::Closed) => "closed",
    }
}

fn beds(board: &BedBoard, mut list: capnp::struct_list::Builder<'_, wire::bed::Owned>) {
    for (place, (key, entry)) in (0..).zip(&board.beds) {
        let mut bed = list.reborrow().get(place);
        bed.set_ward(&key.ward[..]);
        bed.set_room(&key.room[..]);
        bed.set_bed(&key.bed[..]);
        bed.set_status(status(entry));
        let occupants = match &entry.occupancy {
            Occupancy::Free(_) => &[],
            Occupancy::Occupied(occupant) => std::slice::from_ref(occupant),
            Occupancy::Conflict(occupants) => &occupants[..],
        };
        let mut patients = bed.init_patients(show::count(occupants.len()));
        for (place, occupant) in (0..).zip(occupants) {
            patients.set(place, occupant.patient.key());
        }
    }
}

impl facility::Server for FacilityServer {
    async fn census(
        self: Rc<Self>,
        params: facility::CensusParams,
        mut results: facility::CensusResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.connection.begin_on(&self.access, NEED, || self.facility.clone()).await?;
        let params = params.get()?;
        let at = params.get_at_unix_micros();
        let at = (at != 0).then(|| Timestamp::from_unix_micros(at));
        let asked = self.ask(Read::Census { at }, params.get_deadline_ms()).await?;
        let Reply::Census(Census { occupied, .. }) = asked else {
            return Err(Failure::unexpected().into());
        };
        let mut wards = results.get().init_wards(show::count(occupied.len()));
        for (place, (ward, count)) in (0..).zip(&occupied) {
            let mut shown = wards.reborrow().get(place);
            shown.set_ward(&ward[..]);
            shown.set_occupied(*count);
        }
        Ok(())
    }

    async fn beds(
        self: Rc<Self>,
        params: facility::BedsParams,
        mut results: facility::BedsResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.connection.begin_on(&self.access, NEED, || self.facility.clone()).await?;
        let asked = self.ask(Read::BedBoard, params.get()?.get_deadline_ms()).await?;
        let Reply::BedBoard(board) = asked else { return Err(Failure::unexpected().into()) };
        beds(&board, results.get().init_beds(show::count(board.beds.len())));
        Ok(())
    }

    async fn restrict(
        self: Rc<Self>,
        params: facility::RestrictParams,
        mut results: facility::RestrictResults,
    ) -> Result<(), capnp::Error> {
        let _call =
            self.connection.begin_on(&self.access, Need::Life, || self.facility.clone()).await?;
        let (access, revocation) = self.access.restrict(params.get()?.get_restrictions()?)?;
        let server = Self::new(&self.connection, access, self.facility.clone())?;
        let mut results = results.get();
        results.set_facility(capnp_rpc::new_client(server));
        results.set_revoker(capnp_rpc::new_client(RevokerServer(revocation)));
        Ok(())
    }
}
