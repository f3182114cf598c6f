//! Generated records of the store and of the audit log.

use super::Tape;
use schema_types::audit::{AuditAction, AuditDraft, AuditOutcome};
use schema_types::ids::{CommandId, EntityKind, PrincipalId, SourceId};
use schema_types::phi::Phi;
use schema_wire::journal::{
    DedupeOutcome, DedupeRecord, JournalRecord, MessageRecord, OutboxRecord, QuarantineRecord,
    RawMessage, SnapshotRecord, StoredBody, StoredNotice, StoredResource, TimerRecord,
};

impl Tape {
    fn kind(&mut self) -> EntityKind {
        self.pick(&[EntityKind::Patient, EntityKind::Device, EntityKind::Facility])
    }

    pub(crate) fn audit_record(&mut self) -> AuditDraft {
        let outcome = match self.byte() % 4 {
            0 => AuditOutcome::Done,
            1 => AuditOutcome::Repeated,
            2 => AuditOutcome::Denied(self.error_code()),
            _ => AuditOutcome::Rejected(self.error_code()),
        };
        AuditDraft {
            at: self.time(),
            principal: PrincipalId::new(self.text()),
            purpose: self.text(),
            action: self.pick(AuditAction::ALL),
            entity: self.entity(),
            operation: self.text(),
            outcome,
            source: SourceId::new(self.text()),
            command_id: CommandId::new(self.text()),
            message: self.option(Self::digest),
            sequence: self.u64(),
            events: self.u32(),
        }
    }

    pub(crate) fn journal_record(&mut self) -> JournalRecord {
        JournalRecord {
            sequence: self.u64(),
            recorded_at: self.time(),
            source: SourceId::new(self.text()),
            command_id: CommandId::new(self.text()),
            principal: PrincipalId::new(self.text()),
            message: self.option(Self::digest),
            event_kind: self.kind(),
            event: self.bytes(),
        }
    }

    pub(crate) fn snapshot(&mut self) -> SnapshotRecord {
        SnapshotRecord {
            sequence: self.u64(),
            state_hash: self.digest().0,
            kind: self.kind(),
            state: self.bytes(),
            outbox_next: self.u64(),
        }
    }

    pub(crate) fn dedupe(&mut self) -> DedupeRecord {
        let outcome = if self.flag() {
            DedupeOutcome::Rejected { code: self.error_code(), reason: self.text() }
        } else {
            DedupeOutcome::Accepted
        };
        DedupeRecord { content: self.digest(), outcome, reply: self.bytes(), at: self.time() }
    }

    pub(crate) fn outbox(&mut self) -> OutboxRecord {
        let notice = match self.byte() % 3 {
            0 => StoredNotice::Patient(self.patient_notice()),
            1 => StoredNotice::Device(self.device_notice()),
            _ => StoredNotice::Facility(self.facility_notice()),
        };
        OutboxRecord {
            sender: self.entity(),
            receiver: self.entity(),
            sequence: self.u64(),
            at: self.time(),
            notice,
        }
    }

    pub(crate) fn timer(&mut self) -> TimerRecord {
        TimerRecord { entity: self.entity(), name: self.text(), due: self.time() }
    }

    pub(crate) fn resource(&mut self) -> StoredResource {
        let body = match self.byte() % 3 {
            0 => StoredBody::Deleted,
            1 => StoredBody::Json(Phi::new(self.bytes())),
            _ => StoredBody::Observation(Box::new(self.observation())),
        };
        StoredResource { meta: self.resource_meta(), body }
    }

    pub(crate) fn quarantine(&mut self) -> QuarantineRecord {
        let raw = if self.flag() {
            RawMessage::Archived { digest: self.digest(), length_bytes: self.u64() }
        } else {
            RawMessage::Inline(Phi::new(self.bytes()))
        };
        QuarantineRecord {
            id: self.text(),
            received_at: self.time(),
            source: SourceId::new(self.text()),
            channel: self.text(),
            code: self.error_code(),
            reason: self.text(),
            location: self.text(),
            raw,
            content_type: self.text(),
            attempts: self.u32(),
            resolved_at: self.option(Self::time),
            resolution: self.text(),
        }
    }

    pub(crate) fn message(&mut self) -> MessageRecord {
        MessageRecord {
            content: self.digest(),
            first_seen_at: self.time(),
            reply_code: self.text(),
            entity: self.option(Self::entity),
        }
    }
}
