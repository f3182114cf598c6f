# The actor RPC API: what applications call. Patients, devices and facilities are objects; a session
# hands them out as capabilities that can be weakened, expire and be revoked. None of it is stored.
#
# Growth: ordinals are only appended; a retired field stays as `obsoleteN @N`; number 0 of an enum
# is `unknown`; an absent field means what it meant before it existed. A client compiled from any
# earlier version of this file works against every later server.
#
# Failures: a call that fails as a whole ends in an exception whose reason holds, after whatever the
# RPC layer puts before it, `<code> retryAfterMs=<n>: <text>`, for example
# `MED-NODE-001 retryAfterMs=50: no room for more work`. Codes are stable and explained in
# deploy/runbooks/errors; the text is for people and carries no patient data. Items of a batch fail
# one by one, as a Failure in their own result.
#
# Time: microseconds since the Unix epoch, UTC. Texts that are absent are empty. deadlineMs is how
# long the caller waits, in milliseconds from arrival; 0: the node's default. After
# MED-NODE-012 (deadline) a write may still take effect: repeat it with the same command id to know.
#
# Durability: whatever is answered or pushed was durable before (ACK-1), and audited (AUD-1).
@0xfe1c4b35471c5340;

struct Failure {
  code @0 :Text;  # stable, for example MED-NODE-001
  message @1 :Text;  # for people; no patient data
  retryAfterMs @2 :UInt64;  # 0: no hint
}

# (-1)^isNegative * (low + high * 2^64) * 10^-scale; keeps the precision of its source. 37.5 is
# low=375 scale=1.
struct Decimal {
  low @0 :UInt64;  # lower 64 bits of the magnitude
  high @1 :UInt32;  # upper 32 bits of the magnitude
  scale @2 :UInt8;  # digits after the decimal point, 0 to 28
  isNegative @3 :Bool;
}

struct Coded {
  code @0 :Text;
  system @1 :Text;  # URI or HL7 name; empty: LOINC where a code of an observation is meant
  display @2 :Text;  # what a person reads; may be empty
}

# What a capability may show or a call asks for.
enum Field {
  unknown @0;
  demographics @1;  # name, birth date, sex
  vitals @2;  # newest value of each measure
  scores @3;
  alerts @4;  # open alerts
  stays @5;
  devices @6;
  timeline @7;  # also: subscriptions to a patient
  explanations @8;
}

# Narrows what a capability allows; an absent part narrows nothing. The result never allows more.
struct Restrictions {
  readOnly @0 :Bool;  # true: no writes
  fields @1 :List(Field);  # empty: as before
  purpose @2 :Text;  # one of the purposes granted; empty: as before
  expiresInMs @3 :UInt64;  # from now; 0: as before
}

# Where a subscription begins.
struct StartAt {
  union {
    now @0 :Void;  # what happens from now on
    beginning @1 :Void;  # everything that is stored
    after @2 :Data;  # a position that was given out by this data directory, also before a restart
  }
}

# The bootstrap capability of a connection. A connection that does not log in is closed.
interface Gateway {
  info @0 () -> (node :Text, version :Text, apiVersion :UInt32);
  # MED-AUTH-002: the credentials are not accepted. MED-AUTH-001: no such purpose of use.
  login @1 (credentials :Credentials, client :ClientInfo) -> (session :Session);
}

struct Credentials {
  union {
    unset @0 :Void;
    development :group {  # accepted by nodes started with --insecure-dev only
      principal @1 :Text;  # who acts, as the audit log names them
      purpose @2 :Text;  # HL7 v3 PurposeOfUse code, for example TREAT
    }
  }
}

struct ClientInfo {
  name @0 :Text;
  version @1 :Text;
}

# What a principal may do. Every call is checked: MED-AUTH-003 revoked or closed, MED-AUTH-004
# expired, MED-AUTH-005 not allowed. MED-NODE-001: too many calls in flight.
interface Session {
  patient @0 (key :Text) -> (patient :Patient);
  device @1 (key :Text) -> (device :Device);
  facility @2 (key :Text) -> (facility :Facility);
  cohort @3 (expression :Text) -> (cohort :Cohort);
  alerts @4 () -> (alerts :Alerts);
  admin @5 () -> (admin :Admin);
  # Each item has its own result, in order. At most 1,024 items.
  observeMany @6 (items :List(PatientObservation), deadlineMs :UInt32)
      -> (results :List(ObserveResult));
  # For loads of any size: see ObservationStream.
  observeStream @7 () -> (stream :ObservationStream);
  # Short live states, each an audited read; at most 1,024. No fields: vitals, scores, alerts.
  readMany @8 (patients :List(Text), fields :List(Field), deadlineMs :UInt32)
      -> (results :List(StateResult));
  restrict @9 (restrictions :Restrictions) -> (session :Session, revoker :Revoker);
  # Starts the session's time anew; cannot bring back one that ended or outlive a restriction.
  renew @10 () -> (expiresInMs :UInt64);
  # Revokes the session and everything that came from it.
  close @11 () -> ();
}

interface Revoker {
  # The capability that came with this and everything derived from it refuse from now on.
  revoke @0 () -> ();
}

struct NewObservation {
  id @0 :Text;  # unique within the patient, FHIR id alphabet; empty: made from the command id.
                # A known id with other content corrects the earlier observation.
  code @1 :Coded;  # what was observed
  category @2 :Text;  # FHIR category code, for example vital-signs; may be empty
  value :union {
    unset @3 :Void;  # refused
    quantity @4 :Quantity;
    coded @5 :Coded;
    text @6 :Text;
  }
  effectiveAtUnixMicros @7 :Int64;  # when it was true of the patient
  device @8 :Text;  # key of the device that measured it; may be empty
  encounter @9 :Text;  # id of the stay; may be empty
}

struct Quantity {
  value @0 :Decimal;
  unit @1 :Text;  # UCUM; MED-CLIN-003 when it cannot be that of the code
}

struct PatientObservation {
  patient @0 :Text;  # key
  observation @1 :NewObservation;
  commandId @2 :Text;  # see Patient.observe
}

struct Receipt {
  sequence @0 :UInt64;  # journal sequence of the patient afterwards; 0 for a repeat
  repeated @1 :Bool;  # an earlier call with this command id had the effect (ONCE-1)
  recorded @2 :Bool;  # false: the same observation was known already
  scores @3 :List(Score);  # results that changed
  alerts @4 :List(Alert);  # alerts that were raised, changed or resolved
  issues @5 :List(Text);  # codes of what is doubtful: MED-CLIN-002 is kept but never scored
}

struct ObserveResult {
  union {
    failure @0 :Failure;
    receipt @1 :Receipt;
  }
}

interface Patient {
  # commandId names the command within the principal: a repeat has no second effect; the same id
  # with other content is refused with MED-NODE-011. Empty: never remembered.
  observe @0 (observation :NewObservation, commandId :Text, deadlineMs :UInt32)
      -> (receipt :Receipt);
  # MED-PAT-001: there is no such patient.
  state @1 (fields :List(Field), deadlineMs :UInt32) -> (state :LiveState);
  # Newest first, by the time when it was true. cursor: what the last page gave as next.
  timeline @2 (window :TimeWindow, limit :UInt32, cursor :Data, deadlineMs :UInt32)
      -> (items :List(TimelineItem), next :Data);
  # model: its label; empty: all. asOfUnixMicros 0: the current results.
  explain @3 (model :Text, asOfUnixMicros :Int64, deadlineMs :UInt32)
      -> (explanations :List(Explanation));
  # Everything that happens to this patient, in journal order.
  subscribe @4 (start :StartAt, subscriber :PatientSubscriber) -> (subscription :Subscription);
  restrict @5 (restrictions :Restrictions) -> (patient :Patient, revoker :Revoker);
}

struct TimeWindow {
  fromUnixMicros @0 :Int64;  # inclusive
  toUnixMicros @1 :Int64;  # exclusive; 0: no end
}

# Flow control by the return of push: it returns when the items are in the server's window, not when
# they are durable; keep at most windowItems pushed and unreturned. Outcomes are counted; those that
# failed are given out by finish, at most 1,024 of them.
interface ObservationStream {
  push @0 (items :List(PatientObservation)) -> ();
  # Returns when everything pushed has its outcome. The stream takes no more afterwards.
  finish @1 () -> (summary :StreamSummary);
}

struct StreamSummary {
  recorded @0 :UInt64;  # durable, first time
  repeated @1 :UInt64;  # durable before
  failed @2 :UInt64;
  failures @3 :List(StreamFailure);  # the first ones
}

struct StreamFailure {
  index @0 :UInt64;  # place of the item in the stream, from 0
  failure @1 :Failure;
}

struct LiveState {
  patient @0 :Text;  # key
  registration @1 :Text;  # unknown, provisional, registered
  answeredAtUnixMicros @2 :Int64;  # the node's time
  observationsTotal @3 :UInt64;
  demographics @4 :Demographics;  # null: not asked for
  vitals @5 :List(Vital);
  scores @6 :List(Score);
  alerts @7 :List(Alert);
  stays @8 :List(Stay);
  devices @9 :List(Text);  # keys of devices that measure this patient
}

struct StateResult {
  union {
    failure @0 :Failure;
    state @1 :LiveState;
  }
}

struct Demographics {
  family @0 :Text;
  given @1 :List(Text);
  birthDate @2 :Text;  # YYYY, YYYY-MM or YYYY-MM-DD
  sex @3 :Text;  # female, male, other, unknown; empty: never stated
}

struct Vital {
  measure @0 :Text;  # label, for example heart-rate
  value @1 :Decimal;
  unit @2 :Text;  # UCUM
  effectiveAtUnixMicros @3 :Int64;
  recordedAtUnixMicros @4 :Int64;
  observation @5 :Text;  # id
  isFutureDated @6 :Bool;
}

struct Score {
  model @0 :Text;  # label, for example news2
  modelVersion @1 :UInt16;
  asOfUnixMicros @2 :Int64;
  minimum @3 :Decimal;  # lowest total that the missing parts allow
  maximum @4 :Decimal;  # highest; equal to minimum when nothing is missing
  band @5 :Text;  # normal, low, low-medium, medium, high
  isComplete @6 :Bool;
}

struct Alert {
  id @0 :Text;  # unique within the patient
  condition @1 :Text;  # news2, critical-potassium, device-silent
  severity @2 :Text;  # warning, critical
  status @3 :Text;  # active, escalated, acknowledged, resolved
  observedAtUnixMicros @4 :Int64;
  raisedAtUnixMicros @5 :Int64;
  changedAtUnixMicros @6 :Int64;
  trigger @7 :Decimal;  # the number that triggered it
  observation @8 :Text;  # id; may be empty
  acknowledgedBy @9 :Text;  # may be empty
  escalations @10 :UInt32;
  suppressed @11 :UInt32;  # further triggers folded into it
  device @12 :Text;  # key of the silent device; may be empty
}

struct Stay {
  id @0 :Text;
  status @1 :Text;  # planned, open, discharged, cancelled
  class @2 :Text;  # inpatient, outpatient, emergency, pre-admission, virtual, unknown
  location @3 :Location;  # null: not in a place
  startedAtUnixMicros @4 :Int64;  # 0: not known
  endedAtUnixMicros @5 :Int64;  # 0: not ended
}

struct Location {
  facility @0 :Text;
  ward @1 :Text;
  room @2 :Text;
  bed @3 :Text;
}

struct TimelineItem {
  atUnixMicros @0 :Int64;  # when it was true of the patient
  sequence @1 :UInt64;  # journal sequence; results of one run of the models share it
  recordedAtUnixMicros @2 :Int64;
  kind @3 :Text;  # observation, movement, score, alert, resource, device, link, person
  text @4 :Text;  # one line for people
  detail :union {
    none @5 :Void;
    observation @6 :ObservationView;
    score @7 :Score;
    alert @8 :Alert;
    movement @9 :MovementView;
  }
}

struct ObservationView {
  id @0 :Text;
  code @1 :Coded;
  measure @2 :Text;  # label; empty: not a known measure
  value @3 :Decimal;  # in the measure's unit; meaningless without a measure
  unit @4 :Text;  # of the measure
  status @5 :Text;  # preliminary, final, corrected, withdrawn
  device @6 :Text;  # key; may be empty
}

struct MovementView {
  encounter @0 :Text;
  kind @1 :Text;  # admit, transfer, discharge, ...
  location @2 :Location;  # null: not stated
}

struct Explanation {
  score @0 :Score;
  parts @1 :List(ScorePart);
}

struct ScorePart {
  parameter @0 :Text;  # for example respiratory-rate
  outcome :union {
    points @1 :Int32;
    missing @2 :Text;  # absent or stale; never counted as zero
  }
  inputs @3 :List(ScoreInput);
}

struct ScoreInput {
  measure @0 :Text;
  value @1 :Decimal;
  observedAtUnixMicros @2 :Int64;
  observation @3 :Text;  # id
  ageMicros @4 :Int64;  # at the time of the score
  source @5 :Text;  # sending system; may be empty
}

# Pushes carry durable facts only, each once and in order. A push is acknowledged by its return; at
# most 4 are outstanding. A subscriber that acknowledges none for 10 s is told by end
# (MED-RPC-001) and cut; nothing is lost: subscribe again after the last position.
interface PatientSubscriber {
  push @0 (items :List(TimelineItem), position :Data) -> ();
  end @1 (failure :Failure) -> ();
}

interface AlertSubscriber {
  push @0 (items :List(AlertItem), position :Data) -> ();
  end @1 (failure :Failure) -> ();
}

interface Subscription {
  # After everything that was acknowledged.
  position @0 () -> (position :Data);
  cancel @1 () -> ();  # also: dropping the capability
}

struct AlertItem {
  patient @0 :Text;  # key
  sequence @1 :UInt64;  # the patient's journal sequence of this change
  atUnixMicros @2 :Int64;
  change @3 :AlertChange;
  condition @4 :Text;
  alert @5 :Alert;  # as it was when it was pushed; may have changed since. Null: gone by then
}

enum AlertChange {
  unknown @0;
  raised @1;
  severityChanged @2;
  acknowledged @3;
  escalated @4;
  resolved @5;
}

interface Alerts {
  # Open alerts of at most limit patients (0: 100, at most 1,000). position: subscribe after it to
  # miss nothing that happens behind this page.
  list @0 (limit :UInt32, cursor :Data) -> (alerts :List(PatientAlert), next :Data, position :Data);
  acknowledge @1 (patient :Text, alert :Text, commandId :Text)
      -> (alert :Alert, repeated :Bool);  # MED-PAT-004: no such open alert
  resolve @2 (patient :Text, alert :Text, commandId :Text) -> (alert :Alert, repeated :Bool);
  subscribe @3 (start :StartAt, filter :AlertFilter, subscriber :AlertSubscriber)
      -> (subscription :Subscription);
}

struct PatientAlert {
  patient @0 :Text;  # key
  alert @1 :Alert;
}

# All that is set must hold; nothing set: all patients.
struct AlertFilter {
  patient @0 :Text;  # key
  facility @1 :Text;  # the patient's open stay is there when the item is pushed
  ward @2 :Text;  # likewise
}

interface Device {
  # MED-DEV-001: there is no such device.
  state @0 (deadlineMs :UInt32) -> (state :DeviceState);
  restrict @1 (restrictions :Restrictions) -> (device :Device, revoker :Revoker);
}

struct DeviceState {
  key @0 :Text;
  patient @1 :Text;  # key of whom it measures; empty: nobody
  sinceUnixMicros @2 :Int64;  # of the association; 0: none
  isSilent @3 :Bool;
  batteryPercent @4 :Int16;  # -1: not known
  clockOffsetMicros @5 :Int64;  # device clock minus hospital clock
}

interface Facility {
  # MED-FAC-001: there is no such facility. atUnixMicros 0: after everything known.
  census @0 (atUnixMicros :Int64, deadlineMs :UInt32) -> (wards :List(WardCensus));
  beds @1 (deadlineMs :UInt32) -> (beds :List(Bed));
  restrict @2 (restrictions :Restrictions) -> (facility :Facility, revoker :Revoker);
}

struct WardCensus {
  ward @0 :Text;
  occupied @1 :UInt32;  # beds with a patient
}

struct Bed {
  ward @0 :Text;
  room @1 :Text;
  bed @2 :Text;
  status @3 :Text;  # ready, reserved, dirty, cleaning, blocked, closed, occupied, conflict
  patients @4 :List(Text);  # keys of who is in it; more than one: somebody must look
}

# A question over all entities: a query text, as for `medulla query`. MED-QRY-001: wrong text.
interface Cohort {
  run @0 (rowsMax :UInt32, deadlineMs :UInt32) -> (result :CohortResult);
  cancel @1 () -> ();  # runs in progress end with MED-RPC-002
}

struct CohortResult {
  columns @0 :List(CohortColumn);
  rows @1 :List(CohortRow);
  isTruncated @2 :Bool;  # there are more rows than these
  isComplete @3 :Bool;  # false: entities from before live queries are still being added
  entitiesRead @4 :UInt64;  # how many were looked at
  entitiesMatched @5 :UInt64;  # how many the filter let through
  storeVersion @6 :UInt64;  # all of it is of this one version
}

struct CohortColumn {
  name @0 :Text;
  unit @1 :Text;  # UCUM; empty: none
}

struct CohortRow {
  values @0 :List(CohortValue);  # in the order of the columns
  key @1 :Text;  # of the entity; empty when the rows are groups
}

struct CohortValue {
  union {
    missing @0 :Void;  # not known: never zero, never an empty text
    text @1 :Text;
    number @2 :Float64;  # in the unit of the column
    timeUnixMicros @3 :Int64;
    flag @4 :Bool;
  }
}

# The node for operators: no patient data.
interface Admin {
  nodes @0 () -> (nodes :List(NodeInfo));
  shards @1 () -> (shards :List(ShardInfo));
  health @2 () -> (isReady :Bool, reason :Text);  # reason: why not
  metrics @3 () -> (metrics :List(Metric));
}

struct NodeInfo {
  name @0 :Text;
  version @1 :Text;
  residentPatients @2 :UInt64;
  residentDevices @3 :UInt64;
  residentFacilities @4 :UInt64;
}

struct ShardInfo {
  shard @0 :UInt16;
  epoch @1 :UInt64;
  owner @2 :Text;  # node name
  auditRecords @3 :UInt64;
}

struct Metric {
  name @0 :Text;
  value @1 :UInt64;
}
