//! The alerts of all patients: listing, following, and what a clinician does with one.

use crate::access::{Access, Need};
use crate::connection::{Connection, Place};
use crate::failure::Failure;
use crate::limits::{ALERT_PATIENTS_DEFAULT, ALERT_PATIENTS_MAX, TEXT_BYTES_MAX};
use crate::service::Service;
use crate::session::key;
use crate::show;
use crate::subscribe::{self, AlertPosition, AlertSource, Filter, Start};
use actors_patient::Patient;
use actors_patient::command::{Command, Read, Reply};
use actors_runtime::{Attachments, Outcome, Urgency, query};
use bytes::Bytes;
use node_ingest::gateway::{Caller, Origin};
use schema_types::audit::{AuditAction, AuditOutcome};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{AlertId, CommandId, EntityId, MessageDigest};
use schema_types::patient::Alert;
use schema_wire::rpc_capnp::{self as wire, Field, alerts};
use std::rc::Rc;
use std::sync::Arc;

const NEED: Need = Need::See(Field::Alerts);
/// The name under which listings are audited.
const DESK: &str = "alerts";

/// The alerts of all patients.
pub(crate) struct AlertsServer {
    connection: Rc<Connection>,
    access: Access,
    _place: Place,
}

impl AlertsServer {
    pub(crate) fn new(connection: &Rc<Connection>, access: Access) -> Result<Self, Failure> {
        let place = connection.capability()?;
        Ok(Self { connection: Rc::clone(connection), access, _place: place })
    }

    /// Changes one alert; `None` for a repeat.
    async fn change(
        &self,
        patient: &str,
        (verb, alert, command_id): (&str, &str, &str),
        command: Command,
    ) -> Result<Option<Alert>, Failure> {
        let service = &self.connection.service;
        let once = !command_id.is_empty();
        let origin = Origin {
            source: self.access.source.clone(),
            command_id: match once {
                true => CommandId::new(command_id),
                false => service.question().command_id,
            },
            content: MessageDigest::of(format!("{verb}\n{alert}").as_bytes()),
            message: None,
        };
        let patient = service.gateway.patient(patient);
        let envelope = service.gateway.envelope(&self.access.caller, &origin, patient, command);
        let attachments = Attachments { once, urgency: Urgency::Alarm, ..Attachments::default() };
        match service.gateway.runtime.submit::<Patient>(envelope, attachments).await? {
            Outcome::Done { reply: Reply::Alerts(alerts), .. } => Ok(alerts.into_iter().next()),
            Outcome::Done { .. } => Err(Failure::unexpected()),
            Outcome::Repeated { .. } => Ok(None),
        }
    }
}

struct Listed {
    alerts: Vec<(EntityId, Alert)>,
    next: Option<Bytes>,
    position: AlertPosition,
}

async fn list(
    service: &Service,
    caller: &Caller,
    limit: usize,
    after: Option<Bytes>,
) -> Result<Listed, Failure> {
    let gateway = &service.gateway;
    let what = (AuditAction::Read, "rpc-alerts", AuditOutcome::Done);
    service.audit(caller, gateway.facility(DESK), what).await?;
    let snapshot = gateway.runtime.snapshot().await?;
    let heads = subscribe::heads(&*snapshot).await?;
    let page = query::with_open_alerts(&*snapshot, &gateway.tenant, after, limit).await?;
    drop(snapshot);
    let mut alerts = Vec::new();
    for patient in page.entities {
        let read = Command::Read(Read::OpenAlerts);
        match service.ask::<Patient>(caller, patient.clone(), read).await {
            Ok(Reply::Alerts(open)) => {
                alerts.extend(open.into_iter().map(|alert| (patient.clone(), alert)));
            }
            Ok(_) => return Err(Failure::unexpected()),
            Err(failure) if failure.code == ErrorCode::PatientUnknown => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(Listed { alerts, next: page.next, position: AlertPosition(heads) })
}

fn short(text: capnp::Result<capnp::text::Reader<'_>>) -> Result<&str, Failure> {
    let text = text?.to_str()?;
    if text.len() > TEXT_BYTES_MAX {
        return Err(Failure::bad_request("a text is too long"));
    }
    Ok(text)
}

fn filter(service: &Service, reader: wire::alert_filter::Reader<'_>) -> Result<Filter, Failure> {
    let patient = short(reader.get_patient())?;
    Ok(Filter {
        patient: (!patient.is_empty()).then(|| service.gateway.patient(patient)),
        facility: short(reader.get_facility())?.to_owned(),
        ward: short(reader.get_ward())?.to_owned(),
    })
}

impl alerts::Server for AlertsServer {
    async fn list(
        self: Rc<Self>,
        params: alerts::ListParams,
        mut results: alerts::ListResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.connection.begin(&self.access, NEED).await?;
        let params = params.get()?;
        let limit = match usize::try_from(params.get_limit()).unwrap_or(usize::MAX) {
            0 => ALERT_PATIENTS_DEFAULT,
            limit => limit.min(ALERT_PATIENTS_MAX),
        };
        let cursor = params.get_cursor()?;
        let after = (!cursor.is_empty()).then(|| Bytes::copy_from_slice(cursor));
        let service = &self.connection.service;
        let work = list(service, &self.access.caller, limit, after);
        let listed = service.within(0, work).await?;
        let mut results = results.get();
        results.set_position(&listed.position.to_bytes());
        results.set_next(listed.next.as_deref().unwrap_or_default());
        let mut shown = results.init_alerts(show::count(listed.alerts.len()));
        for (place, (patient, alert)) in (0..).zip(&listed.alerts) {
            let mut one = shown.reborrow().get(place);
            one.set_patient(patient.key());
            show::alert(one.init_alert(), alert);
        }
        Ok(())
    }

    async fn acknowledge(
        self: Rc<Self>,
        params: alerts::AcknowledgeParams,
        mut results: alerts::AcknowledgeResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.connection.begin(&self.access, Need::Write).await?;
        let params = params.get()?;
        let (patient, alert) = (key(params.get_patient())?, short(params.get_alert())?);
        let what = ("acknowledge", alert, short(params.get_command_id())?);
        let command = Command::AcknowledgeAlert { alert: AlertId::new(alert) };
        let work = self.change(patient, what, command);
        let changed = self.connection.service.within(0, work).await?;
        let mut results = results.get();
        results.set_repeated(changed.is_none());
        if let Some(alert) = changed {
            show::alert(results.init_alert(), &alert);
        }
        Ok(())
    }

    async fn resolve(
        self: Rc<Self>,
        params: alerts::ResolveParams,
        mut results: alerts::ResolveResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.connection.begin(&self.access, Need::Write).await?;
        let params = params.get()?;
        let (patient, alert) = (key(params.get_patient())?, short(params.get_alert())?);
        let what = ("resolve", alert, short(params.get_command_id())?);
        let command = Command::ResolveAlert { alert: AlertId::new(alert) };
        let work = self.change(patient, what, command);
        let changed = self.connection.service.within(0, work).await?;
        let mut results = results.get();
        results.set_repeated(changed.is_none());
        if let Some(alert) = changed {
            show::alert(results.init_alert(), &alert);
        }
        Ok(())
    }

    async fn subscribe(
        self: Rc<Self>,
        params: alerts::SubscribeParams,
        mut results: alerts::SubscribeResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.connection.begin(&self.access, NEED).await?;
        let place = self.connection.subscription()?;
        let params = params.get()?;
        let start = Start::read(params.get_start()?)?;
        let service = &self.connection.service;
        let filter = filter(service, params.get_filter()?)?;
        let caller = (*self.access.caller).clone();
        let open = async {
            let what = (AuditAction::Read, "rpc-subscription", AuditOutcome::Done);
            service.audit(&caller, service.gateway.facility(DESK), what).await?;
            AlertSource::open(Arc::clone(service), caller.clone(), filter, start).await
        };
        let source = service.within(0, open).await?;
        let access = (self.access.clone(), NEED);
        let handle = subscribe::start(place, access, source, params.get_subscriber()?);
        results.get().set_subscription(handle);
        Ok(())
    }
}
