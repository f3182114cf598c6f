# Words that several owners store: ids, decimals, codes, observations, movements, resources.
# Rules for every file here: ordinals only grow; a retired field stays as `obsoleteN @N`; number 0
# of an enum is `unknown`; the first arm of a union is `unset`; a null text is the empty text.
@0xcf41600399f5e24b;

enum EntityKind {
  unknown @0;
  patient @1;
  device @2;
  facility @3;
}

struct EntityId {
  tenant @0 :Text;  # tenant name
  kind @1 :EntityKind;  # never unknown
  key @2 :Text;  # FHIR id alphabet, 1 to 64 characters
}

# A decimal with the precision of its source: (-1)^isNegative * (low + high * 2^64) * 10^-scale.
# 1.50 and 1.5 are stored differently.
struct Decimal {
  low @0 :UInt64;  # lower 64 bits of the magnitude
  high @1 :UInt32;  # upper 32 bits of the magnitude
  scale @2 :UInt8;  # digits after the decimal point, 0 to 28
  isNegative @3 :Bool;  # never set when the magnitude is 0
}

struct Provenance {
  source @0 :Text;  # sending system
  position @1 :Text;  # place within the message, for example OBX-3; may be empty
  message @2 :Data;  # SHA-256 of the archived message, 32 bytes; null: all zero
}

struct Code {
  code @0 :Text;  # the code
  system @1 :Text;  # URI (FHIR) or name (HL7 v2 table 0396); may be empty
  display @2 :Text;  # what a person reads; may be empty
}

struct Quantity {
  value @0 :Decimal;  # with the precision of the source
  unit @1 :Text;  # UCUM code, or what the source sent instead
}

# A series of samples: FHIR SampledData, HL7 NA and MA.
struct Samples {
  origin @0 :Quantity;  # value of a zero sample
  periodMilliseconds @1 :Decimal;  # between samples
  factor @2 :Decimal;  # multiplier of each sample
  data @3 :Text;  # the samples as sent
}

enum ObservationStatus {
  unknown @0;
  preliminary @1;
  final @2;
  corrected @3;
  withdrawn @4;
}

struct Observation {
  id @0 :Text;  # unique within the patient
  code @1 :Code;  # what was observed
  category @2 :Text;  # FHIR category code, for example vital-signs; may be empty
  value :union {
    unset @3 :Void;
    quantity @4 :Quantity;  # a number with its unit
    coded @5 :Code;  # a code
    text @6 :Text;  # possibly about the patient
    samples @7 :Samples;  # a series of samples
    absent @8 :Text;  # reason; may be empty
  }
  measure @9 :UInt16;  # stable number of the measure; 0: not a known measure
  measured @10 :Decimal;  # the value in the unit of the measure; meaningless when measure is 0
  effectiveAtUnixMicros @11 :Int64;  # when it was true of the patient
  status @12 :ObservationStatus;  # never unknown
  device @13 :EntityId;  # null: none
  encounter @14 :Text;  # id of the stay; null: none
  provenance @15 :Provenance;  # where it came from
  issues @16 :List(Text);  # stable error codes, for example MED-CLIN-001
}

struct Location {
  facility @0 :Text;  # PL.4 or the sending facility
  ward @1 :Text;  # PL.1
  room @2 :Text;  # PL.2; may be empty
  bed @3 :Text;  # PL.3; may be empty
}

enum MovementKind {
  unknown @0;
  preAdmit @1;
  admit @2;
  register @3;
  toInpatient @4;
  toOutpatient @5;
  transfer @6;
  update @7;
  cancelAdmit @8;
  cancelTransfer @9;
  cancelDischarge @10;
  discharge @11;
}

enum EncounterClass {
  unknown @0;  # the source did not state it
  inpatient @1;
  outpatient @2;
  emergency @3;
  preAdmission @4;
  virtual @5;
}

struct Movement {
  kind @0 :MovementKind;  # never unknown
  atUnixMicros @1 :Int64;  # when it happened
  messageId @2 :Text;  # control id: breaks ties and names repeats
  class @3 :EncounterClass;  # as the message states it
  location @4 :Location;  # PV1-3; null: not stated
  priorLocation @5 :Location;  # PV1-6; null: not stated
  provenance @6 :Provenance;  # where it came from
}

# What is known of a stored FHIR resource; type and id name it within its entity.
struct ResourceMeta {
  resourceType @0 :Text;  # FHIR type, for example Observation
  id @1 :Text;  # logical id
  version @2 :UInt64;  # 1 for the first version
  updatedAtUnixMicros @3 :Int64;  # when this version was stored
  isDeleted @4 :Bool;  # whether this version is a deletion
  digest @5 :Data;  # SHA-256 of the body as sent, 32 bytes; null: all zero
  date :union {  # clinical date for search and timelines
    unset @6 :Void;
    unixMicros @7 :Int64;  # the instant
  }
  codes @8 :List(Code);  # for code search
  categories @9 :List(Code);  # for category search
  status @10 :Text;  # short status for display; may be empty
}
