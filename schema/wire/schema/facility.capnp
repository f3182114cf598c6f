# Stored forms of the facility entity: events, state, and the notices sent to it.
@0x88a629ab3db13b57;

using Common = import "common.capnp";

enum BedStatus {
  unknown @0;
  ready @1;
  reserved @2;
  dirty @3;
  cleaning @4;
  blocked @5;
  closed @6;
}

struct BedKey {
  ward @0 :Text;  # PL.1
  room @1 :Text;  # may be empty
  bed @2 :Text;  # may be empty
}

# A stay as the facility knows it; patient and encounter name it.
struct Stay {
  encounter @0 :Text;  # the stay's name within the patient
  patient @1 :Common.EntityId;  # whose stay
  revision @2 :UInt64;  # counts up at the patient
  movements @3 :List(Common.Movement);  # sorted by time, kind, message id
}

struct BedStatusSet {
  bed @0 :BedKey;  # which bed
  status @1 :BedStatus;  # from now on; never unknown
  atUnixMicros @2 :Int64;  # when it was set
}

struct FacilityEvent {
  union {
    unset @0 :Void;
    stayNoted @1 :Stay;  # a patient's stay changed
    bedStatusSet @2 :BedStatusSet;  # somebody set what a bed is ready for
    resourceStored @3 :Common.ResourceMeta;  # a version of a resource was stored
  }
}

struct FacilityState {
  stays @0 :List(Stay);  # sorted by patient and encounter
  beds @1 :List(BedStatusSet);  # ever seen, sorted by ward, room, bed
  resources @2 :List(Common.ResourceMeta);  # current versions, sorted by type and id
}

struct FacilityNotice {
  union {
    unset @0 :Void;
    stayChanged @1 :Stay;  # a patient's stay changed: the whole stay
  }
}
