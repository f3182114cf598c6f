# The stored audit record: who did what to whose data. The log hashes these bytes.
@0xcb6414ea253749d1;

using Common = import "common.capnp";

enum Action {
  unknown @0;
  create @1;
  read @2;
  update @3;
  delete @4;
  execute @5;
}

struct AuditRecord {
  atUnixMicros @0 :Int64;  # by the node's clock
  principal @1 :Text;  # who
  purpose @2 :Text;  # HL7 v3 PurposeOfUse code, for example TREAT
  action @3 :Action;  # never unknown
  entity @4 :Common.EntityId;  # to whom
  operation @5 :Text;  # for example adt-a01
  outcome :union {
    unset @6 :Void;
    done @7 :Void;
    repeated @8 :Void;  # a repeat; no second effect
    denied @9 :Text;  # stable error code
    rejected @10 :Text;  # stable error code
  }
  source @11 :Text;  # where the command came from
  commandId @12 :Text;  # its name within the source
  message @13 :Data;  # SHA-256 of the message that caused it, 32 bytes; null: none
  sequence @14 :UInt64;  # of the journal after the command
  events @15 :UInt32;  # that the command caused
}
