//! The bootstrap capability: what a connection may do before it is logged in.

use crate::access::{Access, Lease};
use crate::auth::Credentials;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::service::Counters;
use crate::session::SessionServer;
use node_ingest::gateway::Caller;
use schema_types::audit::{AuditAction, AuditOutcome};
use schema_types::error_code::ErrorCode;
use schema_types::ids::PrincipalId;
use schema_wire::rpc_capnp::{self as wire, gateway};
use std::rc::Rc;

/// Grows when something is added to `rpc.capnp`.
const API_VERSION: u32 = 1;
/// The operation for the audit log.
const OPERATION: &str = "rpc-login";
/// The name under which logins are audited.
const DESK: &str = "sessions";

/// The bootstrap capability.
pub(crate) struct GatewayServer(pub(crate) Rc<Connection>);

impl gateway::Server for GatewayServer {
    async fn info(
        self: Rc<Self>,
        _: gateway::InfoParams,
        mut results: gateway::InfoResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.0.begin_free()?;
        let mut info = results.get();
        info.set_node(&self.0.service.node[..]);
        info.set_version(env!("CARGO_PKG_VERSION"));
        info.set_api_version(API_VERSION);
        Ok(())
    }

    async fn login(
        self: Rc<Self>,
        params: gateway::LoginParams,
        mut results: gateway::LoginResults,
    ) -> Result<(), capnp::Error> {
        let connection = &self.0;
        let _call = connection.begin_free()?;
        let service = &connection.service;
        let access = connection.service.within(0, self.log_in(&params)).await?;
        Counters::add(&service.counters.logins);
        connection.log_in();
        let session = SessionServer::new(connection, access)?;
        results.get().set_session(capnp_rpc::new_client(session));
        Ok(())
    }
}

impl GatewayServer {
    async fn log_in(&self, params: &gateway::LoginParams) -> Result<Access, Failure> {
        let service = &self.0.service;
        let credentials = credentials(params.get()?.get_credentials()?)?;
        let judged = service.authenticator.login(&credentials);
        let desk = service.gateway.facility(DESK);
        match judged {
            Ok(grants) => {
                let access = Access::new(grants, Lease::new(service.limits.session_ms));
                let what = (AuditAction::Execute, OPERATION, AuditOutcome::Done);
                service.audit(&access.caller, desk, what).await?;
                Ok(access)
            }
            Err(failure) => {
                let Credentials::Development { principal, purpose } = credentials;
                let principal: String = principal.chars().take(64).collect();
                let purpose: String = purpose.chars().take(16).collect();
                let caller = Caller { principal: PrincipalId::new(principal), purpose };
                Err(service.refuse(&caller, (desk, AuditAction::Execute, OPERATION), failure).await)
            }
        }
    }
}

fn credentials(reader: wire::credentials::Reader<'_>) -> Result<Credentials, Failure> {
    use wire::credentials::Which;
    match reader.which()? {
        Which::Unset(()) => Err(Failure::new(ErrorCode::LoginRefused, "there are no credentials")),
        Which::Development(development) => Ok(Credentials::Development {
            principal: development.get_principal()?.to_str()?.to_owned(),
            purpose: development.get_purpose()?.to_str()?.to_owned(),
        }),
    }
}
