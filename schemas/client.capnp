@0xa8d4f1c07e6b3295;
# What travels between a running app and those who attach to it through its socket: one request, one answer, each a packet of
# at most 64 KiB. A second request before the answer, or what is no request, ends the connection.
#
# Fields are only ever added. What an app does not know it answers with `failed`.

using Cxx = import "/capnp/c++.capnp";
using Control = import "control.capnp";
using Letter = import "dead_letter.capnp";
$Cxx.namespace("troupe::wire");

struct ClientRequest {
  union {
    actors @0 :Text;
    # Those whose paths come after this one; empty: from the beginning.
    manage @1 :Control.Manage;
    # stop, restart, upgrade, list and spec.
    stopApp @2 :Void;
    letters @3 :UInt64;
    # The heads of those with higher numbers.
    letter :group {
      number @4 :UInt64;
      offset @5 :UInt64;
      # Of the part of the message that is wanted.
    }
    resend @6 :UInt64;
    purge @7 :UInt64;
    # 0: all.
  }
}

struct ActorData {
  id @0 :UInt64;
  path @1 :Text;
  name @2 :Text;
  role @3 :UInt8;
  # wire::Role
  pid @4 :Int32;
  # 0: it has no process now.
  ready @5 :Bool;
  generation @6 :UInt32;
  waitingBytes @7 :UInt64;
  # In its mailbox, not read yet.
}

struct ClientAnswer {
  union {
    failed @0 :Control.ErrorData;
    actors :group {
      list @1 :List(ActorData);
      more @2 :Bool;
    }
    managed @3 :Control.Managed;
    done @4 :Void;
    letters :group {
      list @5 :List(Letter.DeadLetter);
      more @6 :Bool;
      bytes @7 :UInt64;
      mostBytes @8 :UInt64;
      stored @9 :UInt64;
      evicted @10 :UInt64;
    }
    letter :group {
      letter @11 :Letter.DeadLetter;
      # Its message is the part that begins at the offset.
      messageBytes @12 :UInt64;
      # Of the whole message.
    }
    purged @13 :UInt64;
    # So many.
  }
}
