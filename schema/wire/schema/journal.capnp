# Records of the store beside the audit log: journal, snapshots, outbox, timers, resources,
# quarantine and the rows that make repeats harmless.
@0xf44985690da0d0bb;

using Common = import "common.capnp";
using Patient = import "patient.capnp";
using Device = import "device.capnp";
using Facility = import "facility.capnp";

struct JournalRecord {
  sequence @0 :UInt64;  # of the first event, within the entity, from 1
  recordedAtUnixMicros @1 :Int64;  # when it was recorded
  source @2 :Text;  # where the command came from
  commandId @3 :Text;  # its name within the source
  principal @4 :Text;  # who acts
  message @5 :Data;  # SHA-256 of the archived message, 32 bytes; null: none
  eventKind @6 :Common.EntityKind;  # whose event; never unknown
  # Stored forms of the events in order, each after its length (four bytes, big-endian).
  event @7 :Data;
}

struct SnapshotRecord {
  sequence @0 :UInt64;  # of the last event folded in
  stateHash @1 :Data;  # SHA-256 of state, 32 bytes; null: all zero
  kind @2 :Common.EntityKind;  # whose state; never unknown
  state @3 :Data;  # stored form of the state
  outboxNext @4 :UInt64;  # next outbox sequence number
}

struct DedupeRecord {
  content @0 :Data;  # SHA-256 of the command's content, 32 bytes; null: all zero
  outcome :union {
    unset @1 :Void;
    accepted @2 :Void;
    rejected @3 :Rejection;  # why it was refused
  }
  reply @4 :Data;  # what is needed to answer a repeat
  atUnixMicros @5 :Int64;  # when the command was decided
}

struct Rejection {
  code @0 :Text;  # stable error code
  reason @1 :Text;  # without patient data
}

struct OutboxRecord {
  sender @0 :Common.EntityId;  # who tells
  receiver @1 :Common.EntityId;  # who is told
  sequence @2 :UInt64;  # within the sender
  atUnixMicros @3 :Int64;  # when it was decided
  notice :union {
    unset @4 :Void;
    patient @5 :Patient.PatientNotice;  # the receiver is a patient
    device @6 :Device.DeviceNotice;  # the receiver is a device
    facility @7 :Facility.FacilityNotice;  # the receiver is a facility
  }
}

struct TimerRecord {
  entity @0 :Common.EntityId;  # whose timer
  name @1 :Text;  # unique within the entity
  dueUnixMicros @2 :Int64;  # when it fires
}

struct StoredResource {
  meta @0 :Common.ResourceMeta;  # what is known of the resource
  body :union {
    unset @1 :Void;
    json @2 :Data;  # FHIR JSON as it was sent
    observation @3 :Common.Observation;  # did not arrive as FHIR; rendered when read
    deleted @4 :Void;
  }
}

struct QuarantineRecord {
  id @0 :Text;  # its name for operators
  receivedAtUnixMicros @1 :Int64;  # when it arrived
  source @2 :Text;  # sending system, as far as it is known
  channel @3 :Text;  # mllp, fhir or file
  code @4 :Text;  # stable error code
  reason @5 :Text;  # without patient data
  location @6 :Text;  # segment, field or path; may be empty
  raw :union {
    unset @7 :Void;
    inline @8 :Data;  # the bytes as received
    archived @9 :Archived;  # the bytes are in the archive
  }
  contentType @10 :Text;  # media type
  attempts @11 :UInt32;  # how often it was tried
  resolvedAt :union {
    unset @12 :Void;  # still waiting
    unixMicros @13 :Int64;  # when it was dealt with
  }
  resolution @14 :Text;  # what was done about it; may be empty
}

# Bytes that are kept in the archive of raw messages.
struct Archived {
  digest @0 :Data;  # SHA-256 of the bytes, 32 bytes; null: all zero
  lengthBytes @1 :UInt64;  # how many bytes
}

struct MessageRecord {
  content @0 :Data;  # SHA-256 of the message, 32 bytes; null: all zero
  firstSeenAtUnixMicros @1 :Int64;  # when it first arrived
  replyCode @2 :Text;  # for example AA; may be empty
  entity @3 :Common.EntityId;  # whom it was about; null: not known
}
