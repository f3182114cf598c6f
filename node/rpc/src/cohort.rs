//! A question over all entities as a capability.

use crate::access::{Access, Need};
use crate::connection::{Connection, Place};
use crate::failure::Failure;
use crate::limits::TEXT_BYTES_MAX;
use schema_types::error_code::ErrorCode;
use schema_wire::rpc_capnp::{Field, cohort};
use std::rc::Rc;
use tokio::sync::Notify;

/// Longest expression, in bytes.
const EXPRESSION_BYTES_MAX: usize = 16 * TEXT_BYTES_MAX;

/// One question.
pub(crate) struct CohortServer {
    connection: Rc<Connection>,
    access: Access,
    expression: String,
    cancelled: Notify,
    _place: Place,
}

impl CohortServer {
    pub(crate) fn new(
        connection: &Rc<Connection>,
        access: Access,
        expression: String,
    ) -> Result<Self, Failure> {
        if expression.len() > EXPRESSION_BYTES_MAX {
            return Err(Failure::bad_request("the expression is too long"));
        }
        Ok(Self {
            connection: Rc::clone(connection),
            access,
            expression,
            cancelled: Notify::new(),
            _place: connection.capability()?,
        })
    }
}

impl cohort::Server for CohortServer {
    async fn run(
        self: Rc<Self>,
        _: cohort::RunParams,
        _: cohort::RunResults,
    ) -> Result<(), capnp::Error> {
        let _call = self.connection.begin(&self.access, Need::See(Field::Vitals))?;
        let _ = &self.expression;
        let reason = "this node cannot answer questions over all entities";
        Err(Failure::new(ErrorCode::NotAvailable, reason).into())
    }

    async fn cancel(
        self: Rc<Self>,
        _: cohort::CancelParams,
        _: cohort::CancelResults,
    ) -> Result<(), capnp::Error> {
        self.cancelled.notify_waiters();
        Ok(())
    }
}
