//! A session: hands out objects as capabilities, takes batches, can be weakened, renewed, closed.

use crate::access::{Access, Fields, Need, Revocation};
use crate::admin::AdminServer;
use crate::alerts::AlertsServer;
use crate::cohort::CohortServer;
use crate::connection::{Connection, Place};
use crate::device::DeviceServer;
use crate::facility::FacilityServer;
use crate::failure::Failure;
use crate::limits::{BATCH_ITEMS_MAX, TEXT_BYTES_MAX};
use crate::observe;
use crate::patient::{self, PatientServer};
use crate::show;
use crate::stream::StreamServer;
use futures::future::join_all;
use schema_types::ids::EntityId;
use schema_wire::rpc_capnp::{Field, patient_observation, revoker, session};
use std::rc::Rc;

/// What `readMany` shows when no field is named.
const SHORT: [Field; 3] = [Field::Vitals, Field::Scores, Field::Alerts];

/// A session of one principal.
pub(crate) struct SessionServer {
    connection: Rc<Connection>,
    access: Access,
    /// Ends this session and what came from it.
    revocation: Revocation,
    _place: Place,
}

impl SessionServer {
    pub(crate) fn new(connection: &Rc<Connection>, access: Access) -> Result<Self, Failure> {
        let (access, revocation) = access.derive();
        let place = connection.capability()?;
        Ok(Self { connection: Rc::clone(connection), access, revocation, _place: place })
    }

    async fn begin(&self, need: Need) -> Result<Place, Failure> {
        self.connection.begin(&self.access, need).await
    }

    /// Reads an item of a batch: nobody to ask when its patient has no key.
    fn take(
        &self,
        item: patient_observation::Reader<'_>,
    ) -> Result<(EntityId, Result<observe::Taken, Failure>), Failure> {
        let service = &self.connection.service;
        let patient = service.gateway.patient(key(item.get_patient())?);
        let command_id = item.get_command_id()?.to_str()?;
        let stated = (item.get_observation()?, command_id);
        let taken = observe::take(service, &self.access, &patient, stated);
        Ok((patient, taken))
    }
}

/// Ends a capability that was given to somebody.
pub(crate) struct RevokerServer(pub(crate) Revocation);

impl revoker::Server for RevokerServer {
    async fn revoke(
        self: Rc<Self>,
        _: revoker::RevokeParams,
        _: revoker::RevokeResults,
    ) -> Result<(), capnp::Error> {
        self.0.revoke();
        Ok(())
    }
}

/// Reads the key of an entity.
pub(crate) fn key(text: capnp::Result<capnp::text::Reader<'_>>) -> Result<&str, Failure> {
    let key = text?.to_str()?;
    if key.is_empty() || key.len() > TEXT_BYTES_MAX {
        return Err(Failure::bad_request("a key has 1 to 512 bytes"));
    }
    Ok(key)
}

fn check_batch(length: u32) -> Result<usize, Failure> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > BATCH_ITEMS_MAX {
        return Err(Failure::bad_request("a batch has at most 1024 items"));
    }
    Ok(length)
}

impl session::Server for SessionServer {
    async fn patient(
        self: Rc<Self>,
        params: session::PatientParams,
        mut results: session::PatientResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.begin(Need::Life).await?;
        let patient = self.connection.service.gateway.patient(key(params.get()?.get_key())?);
        let server = PatientServer::new(&self.connection, self.access.clone(), patient)?;
        results.get().set_patient(capnp_rpc::new_client(server));
        Ok(())
    }

    async fn device(
        self: Rc<Self>,
        params: session::DeviceParams,
        mut results: session::DeviceResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.begin(Need::Life).await?;
        let device = self.connection.service.gateway.device(key(params.get()?.get_key())?);
        let server = DeviceServer::new(&self.connection, self.access.clone(), device)?;
        results.get().set_device(capnp_rpc::new_client(server));
        Ok(())
    }

    async fn facility(
        self: Rc<Self>,
        params: session::FacilityParams,
        mut results: session::FacilityResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.begin(Need::Life).await?;
        let facility = self.connection.service.gateway.facility(key(params.get()?.get_key())?);
        let server = FacilityServer::new(&self.connection, self.access.clone(), facility)?;
        results.get().set_facility(capnp_rpc::new_client(server));
        Ok(())
    }

    async fn cohort(
        self: Rc<Self>,
        params: session::CohortParams,
        mut results: session::CohortResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.begin(Need::Life).await?;
        let expression = params.get()?.get_expression()?.to_str()?.to_owned();
        let server = CohortServer::new(&self.connection, self.access.clone(), expression)?;
        results.get().set_cohort(capnp_rpc::new_client(server));
        Ok(())
    }

    async fn alerts(
        self: Rc<Self>,
        _: session::AlertsParams,
        mut results: session::AlertsResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.begin(Need::See(Field::Alerts)).await?;
        let server = AlertsServer::new(&self.connection, self.access.clone())?;
        results.get().set_alerts(capnp_rpc::new_client(server));
        Ok(())
    }

    async fn admin(
        self: Rc<Self>,
        _: session::AdminParams,
        mut results: session::AdminResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.begin(Need::Operate).await?;
        let server = AdminServer::new(&self.connection, self.access.clone())?;
        results.get().set_admin(capnp_rpc::new_client(server));
        Ok(())
    }

    /// The items are submitted together; each waits for its own patient only.
    async fn observe_many(
        self: Rc<Self>,
        params: session::ObserveManyParams,
        mut results: session::ObserveManyResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.begin(Need::Write).await?;
        let params = params.get()?;
        let items = params.get_items()?;
        let length = check_batch(items.len())?;
        let _room = self.connection.items(length)?;
        let (this, deadline_ms) = (&*self, params.get_deadline_ms());
        let service = &this.connection.service;
        let mut work = Vec::with_capacity(length);
        for item in items {
            let taken = this.take(item);
            work.push(async move {
                let (patient, taken) = taken?;
                let one = observe::observe(service, &this.access, (patient, taken));
                Box::pin(service.within(deadline_ms, one)).await
            });
        }
        let done = join_all(work).await;
        let mut list = results.get().init_results(show::count(done.len()));
        for (place, one) in (0..).zip(&done) {
            let result = list.reborrow().get(place);
            match one {
                Ok(done) => done.write(result.init_receipt()),
                Err(failure) => failure.write(result.init_failure()),
            }
        }
        Ok(())
    }

    async fn observe_stream(
        self: Rc<Self>,
        _: session::ObserveStreamParams,
        mut results: session::ObserveStreamResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.begin(Need::Write).await?;
        let server = StreamServer::new(&self.connection, self.access.clone())?;
        results.get().set_stream(capnp_rpc::new_client(server));
        Ok(())
    }

    async fn read_many(
        self: Rc<Self>,
        params: session::ReadManyParams,
        mut results: session::ReadManyResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.begin(Need::Life).await?;
        let params = params.get()?;
        let fields = self.access.show(Fields::read(params.get_fields()?)?, Fields::of(SHORT))?;
        let patients = params.get_patients()?;
        let length = check_batch(patients.len())?;
        let _room = self.connection.items(length)?;
        let service = &self.connection.service;
        let mut asked: Vec<EntityId> = Vec::with_capacity(length);
        for patient in patients {
            asked.push(service.gateway.patient(key(patient)?));
        }
        let work = asked.iter().map(|patient| {
            let read = patient::state(service, &self.access, patient);
            service.within(params.get_deadline_ms(), read)
        });
        let read = join_all(work).await;
        let now = service.gateway.runtime.now();
        let mut list = results.get().init_results(show::count(read.len()));
        for (place, (patient, one)) in (0..).zip(asked.iter().zip(&read)) {
            let result = list.reborrow().get(place);
            match one {
                Ok(state) => show::state(result.init_state(), (patient, state), fields, now),
                Err(failure) => failure.write(result.init_failure()),
            }
        }
        Ok(())
    }

    async fn restrict(
        self: Rc<Self>,
        params: session::RestrictParams,
        mut results: session::RestrictResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.begin(Need::Life).await?;
        let (access, revocation) = self.access.restrict(params.get()?.get_restrictions()?)?;
        let server = Self::new(&self.connection, access)?;
        let mut results = results.get();
        results.set_session(capnp_rpc::new_client(server));
        results.set_revoker(capnp_rpc::new_client(RevokerServer(revocation)));
        Ok(())
    }

    async fn renew(
        self: Rc<Self>,
        _: session::RenewParams,
        mut results: session::RenewResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.begin(Need::Life).await?;
        let ms = self.connection.service.limits.session_ms;
        self.access.lease().renew(ms);
        results.get().set_expires_in_ms(ms);
        Ok(())
    }

    async fn close(
        self: Rc<Self>,
        _: session::CloseParams,
        _: session::CloseResults,
    ) -> Result<(), capnp::Error> {
        self.revocation.revoke();
        Ok(())
    }
}
