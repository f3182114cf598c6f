# Stored forms of the device entity: events, state, and the notices sent to it.
@0xa0978ec96d702a80;

using Common = import "common.capnp";

# What a batch of samples tells about the device itself.
struct SampleSummary {
  samples @0 :UInt32;  # observations in the batch
  sequence :union {  # the device's own number of the batch
    unset @1 :Void;
    number @2 :UInt64;  # as the device counts
  }
  deviceTimeUnixMicros @3 :Int64;  # newest sample on the device's clock
  receivedAtUnixMicros @4 :Int64;  # when the batch arrived
  isStoredAndForwarded @5 :Bool;  # sent late because the device was offline
  battery :union {
    unset @6 :Void;
    percent @7 :UInt8;  # charge, 0 to 100
  }
  provenance @8 :Common.Provenance;  # where it came from
}

struct SamplesReceived {
  summary @0 :SampleSummary;  # of the batch
  missed @1 :UInt64;  # sequence numbers skipped just before it
  clockOffsetMicros @2 :Int64;  # device clock minus hospital clock, after this batch
}

struct SamplesOutOfOrder {
  summary @0 :SampleSummary;  # of the batch
  hasFilledGap @1 :Bool;  # it filled a known gap
}

struct PatientChange {
  patient @0 :Common.EntityId;  # whom it measures
  atUnixMicros @1 :Int64;  # since when
}

struct Instant {
  atUnixMicros @0 :Int64;  # since when
}

struct IntervalSet {
  intervalMicros @0 :Int64;  # expected between batches
}

struct DeviceEvent {
  union {
    unset @0 :Void;
    samplesReceived @1 :SamplesReceived;  # a batch arrived in its order
    samplesOutOfOrder @2 :SamplesOutOfOrder;  # a batch was late or a repeat
    associated @3 :PatientChange;  # measures a patient from now on
    dissociated @4 :PatientChange;  # measures nobody from now on
    wentSilent @5 :Instant;  # nothing arrived for too long
    spokeAgain @6 :Instant;  # it speaks again
    intervalSet @7 :IntervalSet;  # the expected interval was set
    resourceStored @8 :Common.ResourceMeta;  # a version of a resource was stored
  }
}

struct PastAssociation {
  patient @0 :Common.EntityId;  # whom it measures
  fromUnixMicros @1 :Int64;  # since when it measured the patient
  toUnixMicros @2 :Int64;  # until when
}

# A gap as an inclusive range of sequence numbers.
struct Gap {
  first @0 :UInt64;  # lowest missing number
  last @1 :UInt64;  # highest missing number
}

struct DeviceState {
  association @0 :PatientChange;  # who is measured, since when; null: nobody
  pastAssociations @1 :List(PastAssociation);  # oldest first
  samplesTotal @2 :UInt64;  # samples that arrived
  outOfOrderTotal @3 :UInt64;  # batches that arrived late or repeated
  lastSequence :union {  # highest sequence number seen
    unset @4 :Void;
    number @5 :UInt64;  # as the device counts
  }
  gaps @6 :List(Gap);  # open, oldest first
  missedTotal @7 :UInt64;  # sequence numbers ever missed at first
  clockOffsetMicros @8 :Int64;  # device clock minus hospital clock
  lastReceivedAt :union {  # when a batch last arrived
    unset @9 :Void;
    unixMicros @10 :Int64;  # the instant
  }
  intervalMicros @11 :Int64;  # expected between batches; 0: unknown
  silentSince :union {
    unset @12 :Void;
    unixMicros @13 :Int64;  # the instant
  }
  battery :union {
    unset @14 :Void;
    percent @15 :UInt8;  # charge, 0 to 100
  }
  resources @16 :List(Common.ResourceMeta);  # current versions, sorted by type and id
}

# Observations that this device made reached a patient by another way.
struct SamplesSeen {
  patient @0 :Common.EntityId;  # whom they are about
  summary @1 :SampleSummary;  # of the batch
}

struct DeviceNotice {
  union {
    unset @0 :Void;
    samplesSeen @1 :SamplesSeen;  # its samples reached a patient by another way
  }
}
