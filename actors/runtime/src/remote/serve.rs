//! The owner's side: a call is read, done here, and answered.

use super::answer::{self, Oversize};
use super::call::{self, RecordCall, SubmitCall};
use super::form::{self, Fault, Form};
use crate::directory::HostedEntity;
use crate::error::SubmitError;
use crate::limits::REMOTE_CALL_BYTES_MAX;
use crate::node::Runtime;
use actors_device::Device;
use actors_facility::Facility;
use actors_patient::Patient;
use schema_types::ids::EntityKind;

impl Runtime {
    /// Does what another node asks for and waits until it is durable (ACK-1); the answer is for
    /// [`super::decode_answer`] or [`super::decode_record_answer`]. Bytes that are not understood
    /// are answered with `MED-NODE-013`, those of another release with `MED-NODE-014`; nothing is
    /// done then.
    ///
    /// Whoever calls this has made sure that the peer is a node of this cluster: a call names its
    /// principal and its rows itself.
    pub async fn serve_call(&self, bytes: &[u8]) -> Vec<u8> {
        match form::open(bytes, REMOTE_CALL_BYTES_MAX) {
            Ok((Form::Record, body)) => self.serve_record(body).await,
            Ok((Form::Submit(kind), body)) => match kind {
                EntityKind::Patient => self.serve_submit::<Patient>(body).await,
                EntityKind::Device => self.serve_submit::<Device>(body).await,
                EntityKind::Facility => self.serve_submit::<Facility>(body).await,
            },
            Ok((Form::Prepare(kind), body)) => match kind {
                EntityKind::Patient => self.serve_prepare::<Patient>(body).await,
                EntityKind::Device => self.serve_prepare::<Device>(body).await,
                EntityKind::Facility => self.serve_prepare::<Facility>(body).await,
            },
            Ok((Form::Settle, body)) => self.serve_settle(body),
            Ok((Form::Commit, body)) => self.serve_commit(body).await,
            Ok((Form::Answer, _)) => refuse(Form::Answer.unexpected()),
            Err(fault) => refuse(fault),
        }
    }

    async fn serve_submit<E: HostedEntity>(&self, body: &[u8]) -> Vec<u8> {
        let SubmitCall { envelope, attachments } = match call::read_submit::<E>(body) {
            Ok(call) => call,
            Err(fault) => return refuse(fault),
        };
        let oversize = if attachments.once { Oversize::Done } else { Oversize::Harmless };
        // Large, and of three kinds: on the heap.
        let result = Box::pin(self.submit_owned::<E>(envelope, attachments)).await;
        answer::write(result, oversize)
    }

    async fn serve_record(&self, body: &[u8]) -> Vec<u8> {
        let RecordCall { audit, rows, touched } = match call::read_record(body) {
            Ok(call) => call,
            Err(fault) => return refuse(fault),
        };
        let result: Result<(), SubmitError> = match touched.is_empty() {
            true => self.record_owned(&audit, rows).await,
            false => self.record_touching_owned(&audit, &touched).await,
        };
        answer::write(result, Oversize::Done)
    }
}

pub(super) fn refuse(fault: Fault) -> Vec<u8> {
    tracing::warn!(%fault, "a call of another node was not understood");
    answer::refuse(fault.refusal())
}
