# Stored forms of the patient entity: events, state, and the notices sent to it.
@0xd5b74555d180447a;

using Common = import "common.capnp";

enum Registration {
  unknown @0;  # never heard of
  provisional @1;
  registered @2;
}

enum AdministrativeSex {
  unknown @0;  # not understood; never written
  female @1;
  male @2;
  other @3;
  statedUnknown @4;
}

struct Identifier {
  value @0 :Text;  # the identifier; never null
  system @1 :Text;  # CX.4 or FHIR system URI; may be empty
  typeCode @2 :Text;  # HL7 table 0203, for example MR; may be empty
}

struct PersonName {
  family @0 :Text;  # family name
  given @1 :List(Text);  # given names in order
}

# What a message says about a field; null and unset: nothing said, keep what is known.
struct TextUpdate {
  union {
    unset @0 :Void;  # keep
    clear @1 :Void;  # explicitly deleted
    set @2 :Text;  # a new value
  }
}

struct NameUpdate {
  union {
    unset @0 :Void;  # keep
    clear @1 :Void;  # explicitly deleted
    set @2 :PersonName;  # a new value
  }
}

struct SexUpdate {
  union {
    unset @0 :Void;  # keep
    clear @1 :Void;  # explicitly deleted
    set @2 :AdministrativeSex;  # a new value
  }
}

struct TimeUpdate {
  union {
    unset @0 :Void;  # keep
    clear @1 :Void;  # explicitly deleted
    setUnixMicros @2 :Int64;  # a new value
  }
}

struct DemographicsPatch {
  identifiers @0 :List(Identifier);  # to add
  name @1 :NameUpdate;  # legal name
  birthDate @2 :TextUpdate;  # ISO 8601: YYYY, YYYY-MM or YYYY-MM-DD
  sex @3 :SexUpdate;  # administrative sex
  address @4 :TextUpdate;  # on one line
  phone @5 :TextUpdate;  # telephone
  deceasedAt @6 :TimeUpdate;  # when the person died
}

# A field's value and when it was stated; a null pointer: never stated.
struct StatedText {
  statedAtUnixMicros @0 :Int64;  # when the source said it
  union {
    unset @1 :Void;  # unknown or deleted
    text @2 :Text;  # the value
  }
}

struct StatedName {
  statedAtUnixMicros @0 :Int64;  # when the source said it
  union {
    unset @1 :Void;  # unknown or deleted
    name @2 :PersonName;  # the value
  }
}

struct StatedSex {
  statedAtUnixMicros @0 :Int64;  # when the source said it
  sex @1 :AdministrativeSex;  # unknown: unknown or deleted
}

struct StatedTime {
  statedAtUnixMicros @0 :Int64;  # when the source said it
  union {
    unset @1 :Void;  # unknown or deleted
    unixMicros @2 :Int64;  # the instant
  }
}

struct Demographics {
  identifiers @0 :List(Identifier);  # all seen, sorted
  name @1 :StatedName;  # legal name
  birthDate @2 :StatedText;  # ISO 8601: YYYY, YYYY-MM or YYYY-MM-DD
  sex @3 :StatedSex;  # administrative sex
  address @4 :StatedText;  # on one line
  phone @5 :StatedText;  # telephone
  deceasedAt @6 :StatedTime;  # when the person died
}

enum EncounterStatus {
  unknown @0;
  planned @1;
  open @2;
  discharged @3;
  cancelled @4;
}

struct Encounter {
  id @0 :Text;  # unique within the patient
  movements @1 :List(Common.Movement);  # sorted by time, kind, message id
  status @2 :EncounterStatus;  # never unknown
  class @3 :Common.EncounterClass;  # of the stay
  location @4 :Common.Location;  # null: not in a place
  startedAt :union {
    unset @5 :Void;
    unixMicros @6 :Int64;  # the instant
  }
  endedAt :union {
    unset @7 :Void;
    unixMicros @8 :Int64;  # the instant
  }
}

struct MeasuredValue {
  value @0 :Common.Decimal;  # in the unit of the measure
  effectiveAtUnixMicros @1 :Int64;  # when it was true of the patient
  recordedAtUnixMicros @2 :Int64;  # when it was recorded here
  observation @3 :Text;  # id of the observation
  isFutureDated @4 :Bool;  # dated after its arrival by more than the tolerance
  provenance @5 :Common.Provenance;  # where it came from
}

# Values of one measure, oldest first.
struct MeasureValues {
  measure @0 :UInt16;  # stable number of the measure; never 0
  values @1 :List(MeasuredValue);  # oldest first
}

enum ScoreModel {
  unknown @0;
  news2 @1;
  mews @2;
  qsofa @3;
  sirs @4;
  shockIndex @5;
  kdigoAki @6;
}

enum Band {
  unknown @0;
  normal @1;
  low @2;
  lowMedium @3;
  medium @4;
  high @5;
}

enum Missing {
  unknown @0;
  absent @1;
  stale @2;
}

struct ScoreInput {
  measure @0 :UInt16;  # stable number of the measure; never 0
  value @1 :Common.Decimal;  # as observed, in the unit of the measure
  observedAtUnixMicros @2 :Int64;  # when it was observed
  observation @3 :Text;  # id of the observation
}

struct ScorePart {
  parameter @0 :UInt16;  # place in the list of parameter names, counted from 1
  outcome :union {
    unset @1 :Void;
    points @2 :Int32;  # may be negative
    missing @3 :Missing;  # never unknown
  }
  inputs @4 :List(ScoreInput);  # used, or too old to use
}

struct Score {
  model @0 :ScoreModel;  # never unknown
  modelVersion @1 :UInt16;  # of tables and rules
  asOfUnixMicros @2 :Int64;  # the instant for which it holds
  minimum @3 :Common.Decimal;  # lowest total that the missing parts allow
  maximum @4 :Common.Decimal;  # highest total; equal to minimum when complete
  band @5 :Band;  # of the minimum; never unknown
  parts @6 :List(ScorePart);  # every parameter in table order
}

# A score without its parts: those follow from the values held, by the version of the model.
struct ScoreResult {
  asOfUnixMicros @0 :Int64;  # the instant for which it holds
  minimum @1 :Int32;  # lowest total that the missing parts allow, times 10^minimumScale
  maximum @2 :Int32;  # highest total, times 10^maximumScale
  modelVersion @3 :UInt16;  # of tables and rules
  model @4 :UInt8;  # ordinal of ScoreModel; never 0
  band @5 :UInt8;  # ordinal of Band, of the minimum; never 0
  minimumScale @6 :UInt8;  # digits after the decimal point
  maximumScale @7 :UInt8;  # digits after the decimal point
  isIncomplete @8 :Bool;  # a part had no usable input
  isFutureDated @9 :Bool;  # made from values dated in the future
}

struct ScoresRecorded {
  results @0 :List(ScoreResult);  # in the order in which they were found
}

enum Severity {
  unknown @0;
  warning @1;
  critical @2;
}

struct AlertCondition {
  union {
    unset @0 :Void;
    score @1 :ScoreModel;  # a score reached its threshold
    criticalValue @2 :UInt16;  # stable number of the measure whose value is critical by itself
    deviceSilent @3 :Common.EntityId;  # an associated device went silent
  }
}

enum AlertStatus {
  unknown @0;
  active @1;
  escalated @2;
  acknowledged @3;
  resolved @4;
}

struct Alert {
  id @0 :Text;  # unique within the patient
  condition @1 :AlertCondition;  # what it is about
  severity @2 :Severity;  # never unknown
  status @3 :AlertStatus;  # never unknown
  observedAtUnixMicros @4 :Int64;  # when the triggering value was true of the patient
  raisedAtUnixMicros @5 :Int64;  # when it was raised here
  changedAtUnixMicros @6 :Int64;  # when it last changed
  escalations @7 :UInt32;  # how often it was escalated
  suppressed @8 :UInt32;  # further triggers folded into it
  calmResults @9 :UInt32;  # results below the threshold in a row
  acknowledgedBy @10 :Text;  # principal; null: nobody
  isFutureDated @11 :Bool;  # whether the triggering value was dated in the future
  trigger @12 :Common.Decimal;  # a score's minimum or a value
  observation @13 :Text;  # id of the triggering observation; null: none
}

enum LinkRole {
  unknown @0;
  survivor @1;
  retired @2;
}

struct Link {
  other @0 :Common.EntityId;  # the record retired into this one
  sinceUnixMicros @1 :Int64;  # when the records were joined
  provenance @2 :Common.Provenance;  # where the statement came from
  contributions @3 :List(MeasureValues);  # sorted by measure in the order of its declaration
}

struct DemographicsStated {
  registration @0 :Registration;  # at least this from now on
  patch @1 :DemographicsPatch;  # what was said
  statedAtUnixMicros @2 :Int64;  # when the source said it
}

struct MovementRecorded {
  encounter @0 :Text;  # id of the stay
  movement @1 :Common.Movement;  # what was reported
}

struct ObservationRecorded {
  observation @0 :Common.Observation;  # what was observed
  recordedAtUnixMicros @1 :Int64;  # when it was recorded here
  isFutureDated @2 :Bool;  # dated after its arrival by more than the tolerance
  # The event is also a version of the FHIR resource that the observation's id names; its number is
  # the event's place in the journal.
  isResource @3 :Bool;
}

# Something about the open alert of a condition. Which fields count depends on the event.
struct AlertChange {
  condition @0 :AlertCondition;  # what it is about
  atUnixMicros @1 :Int64;  # when
  trigger @2 :Common.Decimal;  # suppressed, severityChanged: the triggering number
  severity @3 :Severity;  # severityChanged: from now on
  by @4 :Text;  # acknowledged: the principal
}

struct DeviceChange {
  device @0 :Common.EntityId;  # which device
  atUnixMicros @1 :Int64;  # since when
}

struct LinkAdded {
  other @0 :Common.EntityId;  # the other record
  role @1 :LinkRole;  # this record's side; never unknown
  atUnixMicros @2 :Int64;  # when
  provenance @3 :Common.Provenance;  # where the statement came from
}

# Another record and an instant.
struct RecordAndTime {
  other @0 :Common.EntityId;  # the other record
  atUnixMicros @1 :Int64;  # when
}

struct Contribution {
  from @0 :Common.EntityId;  # the retired record
  measure @1 :UInt16;  # stable number of the measure; never 0
  value @2 :MeasuredValue;  # what was measured
}

struct PatientEvent {
  union {
    unset @0 :Void;
    demographicsStated @1 :DemographicsStated;  # something about the person was stated
    movementRecorded @2 :MovementRecorded;  # a movement of a stay was reported
    observationRecorded @3 :ObservationRecorded;  # something was observed
    scoreRecorded @4 :Score;  # a model ran on changed inputs; earlier versions only
    alertRaised @5 :Alert;  # a condition began to need attention
    alertSuppressed @6 :AlertChange;  # a further trigger was folded in
    alertSeverityChanged @7 :AlertChange;  # more or less urgent from now on
    alertCalmed @8 :AlertChange;  # a result below the threshold was seen
    alertAcknowledged @9 :AlertChange;  # somebody took it
    alertEscalated @10 :AlertChange;  # nobody took it in time
    alertResolved @11 :AlertChange;  # it is over
    resourceStored @12 :Common.ResourceMeta;  # a version of a resource was stored
    deviceAssociated @13 :DeviceChange;  # a device measures this patient from now on
    deviceDissociated @14 :DeviceChange;  # a device no longer measures this patient
    linkAdded @15 :LinkAdded;  # two records were joined
    linkRemoved @16 :RecordAndTime;  # two records were separated again
    contributionReceived @17 :Contribution;  # a value of a record retired into this one
    scoresRecorded @18 :ScoresRecorded;  # models ran on changed inputs
  }
}

struct PatientState {
  registration @0 :Registration;  # how the patient is known
  demographics @1 :Demographics;  # who the person is
  encounters @2 :List(Encounter);  # sorted by id
  measures @3 :List(MeasureValues);  # sorted by measure in the order of its declaration
  observationsTotal @4 :UInt64;  # ever recorded
  obsolete5 @5 :List(Score);  # scores with their parts, of earlier versions; see results
  alerts @6 :List(Alert);  # open, one per condition, sorted by condition
  resolvedAlerts @7 :List(Alert);  # recent, oldest first
  alertsTotal @8 :UInt64;  # ever raised
  resources @9 :List(Common.ResourceMeta);  # current versions, sorted by type and id
  devices @10 :List(DeviceChange);  # that measure this patient, sorted by id
  links @11 :List(Link);  # records retired into this one, sorted by id
  mergedInto @12 :RecordAndTime;  # the record this one was retired into, since when; null: none
  results @13 :List(ScoreResult);  # the current one of each model, in the order of declaration
}

# Values of a retired record.
struct Contributions {
  from @0 :Common.EntityId;  # the retired record
  values @1 :List(ContributedValue);  # with their measures
}

struct ContributedValue {
  measure @0 :UInt16;  # stable number of the measure; never 0
  value @1 :MeasuredValue;  # what was measured
}

struct Retired {
  into @0 :Common.EntityId;  # the surviving record
  atUnixMicros @1 :Int64;  # when
  provenance @2 :Common.Provenance;  # where the statement came from
}

struct DeviceObservations {
  device @0 :Common.EntityId;  # which device
  observations @1 :List(Common.Observation);  # what it measured
}

struct DeviceAssociation {
  device @0 :Common.EntityId;  # which device
  isAssociated @1 :Bool;  # measures this patient from now on
  atUnixMicros @2 :Int64;  # since when
}

struct DeviceSilence {
  device @0 :Common.EntityId;  # which device
  isSilent @1 :Bool;  # silent now
  atUnixMicros @2 :Int64;  # since when
}

struct PatientNotice {
  union {
    unset @0 :Void;
    contribution @1 :Contributions;  # values of a record retired into this one
    retired @2 :Retired;  # this record was retired into another
    separated @3 :RecordAndTime;  # this record was separated again
    deviceObservations @4 :DeviceObservations;  # a device measured this patient
    deviceAssociation @5 :DeviceAssociation;  # a device began or ceased to measure
    deviceSilence @6 :DeviceSilence;  # a device went silent or spoke again
  }
}
