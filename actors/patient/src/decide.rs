//! Decisions: one command into events, effects and a reply, or a rejection. Pure; each concern has
//! its file, all build on one draft so that a command is all or nothing.

mod adt;
mod alerts;
mod critical;
mod devices;
mod draft;
mod links;
mod observations;
mod person;
mod reads;
mod resources;
mod scores;

use crate::Patient;
use crate::command::{Command, Reply};
use crate::state::State;
use actors_core::{AuditNote, Context, Decision, Rejection};
use draft::Draft;
use schema_types::audit::AuditAction;
use schema_types::error_code::ErrorCode;
use schema_types::patient::PatientNotice;

/// Why a command cannot be done, before the audit note is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    code: ErrorCode,
    reason: &'static str,
    denied: bool,
}

impl Refusal {
    const fn wrong(code: ErrorCode, reason: &'static str) -> Self {
        Self { code, reason, denied: false }
    }

    const fn denied(code: ErrorCode, reason: &'static str) -> Self {
        Self { code, reason, denied: true }
    }

    const fn limit(reason: &'static str) -> Self {
        Self::wrong(ErrorCode::EntityLimit, reason)
    }
}

type Decided<T = ()> = Result<T, Refusal>;

/// Decides a command. Pure: the same arguments give the same decision.
///
/// # Errors
/// [`Rejection`] when the command is wrong, beyond a limit, or a read without a purpose.
pub fn decide(
    state: &State,
    context: &Context<'_>,
    command: Command,
) -> Result<Decision<Patient>, Rejection> {
    let audit = audit_note(&command);
    let mut draft = Draft::new(state, context);
    match decide_in(&mut draft, command) {
        Ok(Answer::Changed(reply)) => {
            let (events, effects, changes) = draft.finish();
            let reply = match reply {
                ChangedReply::Done => Reply::Done(changes),
                ChangedReply::Stored(versions) => Reply::Stored { versions, changes },
                ChangedReply::Alerts => Reply::Alerts(changes.alerts),
            };
            Ok(Decision { events, effects, reply, audit })
        }
        Ok(Answer::Read(reply)) => {
            Ok(Decision { events: Vec::new(), effects: Vec::new(), reply, audit })
        }
        Err(Refusal { code, reason, denied: true }) => Err(Rejection::denied(code, reason, audit)),
        Err(Refusal { code, reason, denied: false }) => Err(Rejection::wrong(code, reason, audit)),
    }
}

/// What a command came to.
enum Answer {
    Changed(ChangedReply),
    Read(Reply),
}

/// Which reply the changes of a draft make.
enum ChangedReply {
    Done,
    Stored(Vec<crate::command::StoredVersion>),
    Alerts,
}

fn decide_in(draft: &mut Draft<'_>, command: Command) -> Decided<Answer> {
    let done = || Answer::Changed(ChangedReply::Done);
    match command {
        Command::ApplyAdt(report) => adt::decide_apply_adt(draft, *report).map(|()| done()),
        Command::Merge { retired, at, provenance } => {
            links::decide_merge(draft, &retired, at, provenance).map(|()| done())
        }
        Command::Unmerge { retired, at } => {
            links::decide_unmerge(draft, &retired, at).map(|()| done())
        }
        Command::RecordObservations(report) => {
            observations::decide_record_observations(draft, *report).map(|()| done())
        }
        Command::StoreResources { operation: _, writes } => {
            resources::decide_store_resources(draft, writes)
                .map(|versions| Answer::Changed(ChangedReply::Stored(versions)))
        }
        Command::AcknowledgeAlert { alert } => alerts::decide_acknowledge(draft, &alert)
            .map(|()| Answer::Changed(ChangedReply::Alerts)),
        Command::ResolveAlert { alert } => {
            alerts::decide_resolve(draft, &alert).map(|()| Answer::Changed(ChangedReply::Alerts))
        }
        Command::Notice(notice) => decide_notice(draft, notice).map(|()| done()),
        Command::Timer(timer) => {
            alerts::decide_timer(draft, &timer);
            Ok(done())
        }
        Command::Read(read) => {
            reads::decide_read(draft.base, draft.context, read).map(Answer::Read)
        }
    }
}

fn decide_notice(draft: &mut Draft<'_>, notice: PatientNotice) -> Decided {
    match notice {
        PatientNotice::Contribution { from, values } => {
            links::on_contribution(draft, &from, values);
            Ok(())
        }
        PatientNotice::Retired { into, at, provenance } => {
            links::on_retired(draft, &into, at, provenance);
            Ok(())
        }
        PatientNotice::Separated { from, at } => {
            links::on_separated(draft, &from, at);
            Ok(())
        }
        PatientNotice::DeviceObservations { device, observations } => {
            observations::on_device_observations(draft, &device, observations)
        }
        PatientNotice::DeviceAssociation { device, associated, at } => {
            devices::on_association(draft, &device, associated, at)
        }
        PatientNotice::DeviceSilence { device, silent, at } => {
            devices::on_silence(draft, &device, silent, at)
        }
    }
}

fn audit_note(command: &Command) -> AuditNote {
    use AuditAction::{Create, Execute, Read, Update};
    match command {
        Command::ApplyAdt(report) => AuditNote::new(Update, report.operation.clone()),
        Command::Merge { .. } => AuditNote::new(Execute, "merge"),
        Command::Unmerge { .. } => AuditNote::new(Execute, "unmerge"),
        Command::RecordObservations(report) => AuditNote::new(Create, report.operation.clone()),
        Command::StoreResources { operation, writes } => {
            AuditNote::new(resources::audit_action(writes), operation.clone())
        }
        Command::AcknowledgeAlert { .. } => AuditNote::new(Execute, "alert-acknowledge"),
        Command::ResolveAlert { .. } => AuditNote::new(Execute, "alert-resolve"),
        Command::Notice(notice) => AuditNote::new(Execute, notice_label(notice)),
        Command::Timer(_) => AuditNote::new(Execute, "timer-alert"),
        Command::Read(read) => AuditNote::new(Read, reads::operation(read)),
    }
}

const fn notice_label(notice: &PatientNotice) -> &'static str {
    match notice {
        PatientNotice::Contribution { .. } => "notice-contribution",
        PatientNotice::Retired { .. } => "notice-retired",
        PatientNotice::Separated { .. } => "notice-separated",
        PatientNotice::DeviceObservations { .. } => "notice-device-observations",
        PatientNotice::DeviceAssociation { .. } => "notice-device-association",
        PatientNotice::DeviceSilence { .. } => "notice-device-silence",
    }
}
