//! One patient as a capability.

use crate::access::{Access, Fields, Need};
use crate::connection::{Connection, Place};
use crate::failure::Failure;
use crate::history;
use crate::observe;
use crate::service::Service;
use crate::session::RevokerServer;
use crate::show;
use crate::subscribe::{self, PatientSource, Start};
use crate::timeline;
use actors_patient::Patient;
use actors_patient::command::{Command, Explanation, Read, Reply};
use node_ingest::gateway::Caller;
use schema_types::error_code::ErrorCode;
use schema_types::ids::EntityId;
use schema_types::patient::PatientState;
use schema_types::score::ScoreModel;
use schema_types::time::Timestamp;
use schema_wire::rpc_capnp::{Field, patient};
use std::rc::Rc;
use std::sync::Arc;

/// What `state` shows when no field is named.
const ALL: [Field; 6] = [
    Field::Demographics,
    Field::Vitals,
    Field::Scores,
    Field::Alerts,
    Field::Stays,
    Field::Devices,
];

/// One patient.
pub(crate) struct PatientServer {
    connection: Rc<Connection>,
    access: Access,
    patient: EntityId,
    _place: Place,
}

impl PatientServer {
    pub(crate) fn new(
        connection: &Rc<Connection>,
        access: Access,
        patient: EntityId,
    ) -> Result<Self, Failure> {
        let place = connection.capability()?;
        Ok(Self { connection: Rc::clone(connection), access, patient, _place: place })
    }

    async fn begin(&self, need: Need) -> Result<Place, Failure> {
        self.connection.begin_on(&self.access, need, || self.patient.clone()).await
    }
}

/// The live state: an audited read.
pub(crate) async fn state(
    service: &Service,
    access: &Access,
    patient: &EntityId,
) -> Result<Box<PatientState>, Failure> {
    let read = Command::Read(Read::State);
    let reply = service.ask::<Patient>(&access.caller, patient.clone(), read).await?;
    if let Reply::State(state) = reply { Ok(state) } else { Err(Failure::unexpected()) }
}

async fn explain(
    service: &Service,
    (caller, patient): (&Caller, &EntityId),
    model: &str,
    as_of: Option<Timestamp>,
) -> Result<Vec<Explanation>, Failure> {
    let model = match model {
        "" => None,
        label => {
            let known = ScoreModel::ALL.iter().copied().find(|model| model.label() == label);
            let reason = "the model is not one that runs here";
            Some(known.ok_or_else(|| Failure::new(ErrorCode::BadRequest, reason))?)
        }
    };
    let read = Command::Read(Read::Explain { model, as_of });
    let reply = service.ask::<Patient>(caller, patient.clone(), read).await?;
    if let Reply::Explained(found) = reply { Ok(found) } else { Err(Failure::unexpected()) }
}

impl patient::Server for PatientServer {
    async fn observe(
        self: Rc<Self>,
        params: patient::ObserveParams,
        mut results: patient::ObserveResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.begin(Need::Write).await?;
        let params = params.get()?;
        let service = &self.connection.service;
        let command_id = params.get_command_id()?.to_str().map_err(Failure::from)?;
        let stated = (params.get_observation()?, command_id);
        let taken = observe::take(service, &self.access, &self.patient, stated);
        let work = observe::observe(service, &self.access, (self.patient.clone(), taken));
        let done = Box::pin(service.within(params.get_deadline_ms(), work)).await?;
        done.write(results.get().init_receipt());
        Ok(())
    }

    async fn state(
        self: Rc<Self>,
        params: patient::StateParams,
        mut results: patient::StateResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.begin(Need::Life).await?;
        let params = params.get()?;
        let fields = self.access.show(Fields::read(params.get_fields()?)?, Fields::of(ALL))?;
        let service = &self.connection.service;
        let read = state(service, &self.access, &self.patient);
        let state = service.within(params.get_deadline_ms(), read).await?;
        let now = service.gateway.runtime.now();
        show::state(results.get().init_state(), (&self.patient, &state), fields, now);
        Ok(())
    }

    async fn timeline(
        self: Rc<Self>,
        params: patient::TimelineParams,
        mut results: patient::TimelineResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.begin(Need::See(Field::Timeline)).await?;
        let params = params.get()?;
        let wanted =
            history::Wanted::read(params.get_window()?, params.get_limit(), params.get_cursor()?)?;
        let service = &self.connection.service;
        let work = history::page(service, &self.access.caller, &self.patient, &wanted);
        let page = service.within(params.get_deadline_ms(), work).await?;
        let mut results = results.get();
        if let Some(next) = page.next() {
            results.set_next(&next);
        }
        let mut list = results.init_items(show::count(page.items.len()));
        for (place, item) in (0..).zip(page.newest_first()) {
            timeline::write(list.reborrow().get(place), item);
        }
        Ok(())
    }

    async fn explain(
        self: Rc<Self>,
        params: patient::ExplainParams,
        mut results: patient::ExplainResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.begin(Need::See(Field::Explanations)).await?;
        let params = params.get()?;
        let service = &self.connection.service;
        let as_of = params.get_as_of_unix_micros();
        let as_of = (as_of != 0).then(|| Timestamp::from_unix_micros(as_of));
        let model = params.get_model()?.to_str().map_err(Failure::from)?;
        let whom = (&*self.access.caller, &self.patient);
        let work = explain(service, whom, model, as_of);
        let explanations = service.within(params.get_deadline_ms(), work).await?;
        let mut list = results.get().init_explanations(show::count(explanations.len()));
        for (place, one) in (0..).zip(&explanations) {
            show::explanation(list.reborrow().get(place), one);
        }
        Ok(())
    }

    async fn subscribe(
        self: Rc<Self>,
        params: patient::SubscribeParams,
        mut results: patient::SubscribeResults,
    ) -> Result<(), capnp::Error> {
        let need = Need::See(Field::Timeline);
        let _call = self.begin(need).await?;
        let place = self.connection.subscription()?;
        let params = params.get()?;
        let start = Start::read(params.get_start()?)?;
        let service = &self.connection.service;
        let caller = (*self.access.caller).clone();
        let open = PatientSource::open(Arc::clone(service), caller, self.patient.clone(), start);
        let source = service.within(0, open).await?;
        let access = (self.access.clone(), need);
        let handle = subscribe::start(place, access, source, params.get_subscriber()?);
        results.get().set_subscription(handle);
        Ok(())
    }

    async fn restrict(
        self: Rc<Self>,
        params: patient::RestrictParams,
        mut results: patient::RestrictResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.begin(Need::Life).await?;
        let (access, revocation) = self.access.restrict(params.get()?.get_restrictions()?)?;
        let server = Self::new(&self.connection, access, self.patient.clone())?;
        let mut results = results.get();
        results.set_patient(capnp_rpc::new_client(server));
        results.set_revoker(capnp_rpc::new_client(RevokerServer(revocation)));
        Ok(())
    }
}
