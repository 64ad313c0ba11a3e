@0xa8d4f1c07e6b3295;
# What travels between a running app and those who attach to it through its socket: one request, one answer, each a packet of
# at most 64 KiB. A second request before the answer, or what is no request, ends the connection.
#
# An app that has a key answers nothing but `hello` and `prove` before the client has proved that it has the same one.
#
# From `session` on, the connection is one with a process of its client's own, to which SessionRequest and SessionAnswer go, in
# parts (framework/wire/parts.h): messages to actors.
#
# Fields are only ever added. What an app does not know it answers with `failed`.

using Cxx = import "/capnp/c++.capnp";
using Control = import "control.capnp";
using Envelope = import "envelope.capnp";
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
    hello @8 :Data;
    # 32 random bytes, which the app's proof is to be of. Answered by `challenge`.
    prove @9 :Data;
    # HMAC-SHA-256 by the key, of "troupe client", these bytes and those of the challenge. Answered by `proven`.
    session @10 :Void;
    # Answered by `opened`, or `failed`.
    schema :group {
      # What is known of an interface and all that it is made of.
      interface @11 :UInt64;
      from @12 :UInt32;
      # Those from that place on.
    }
    tap @13 :Text;
    # The path of an actor. Answered by `tapped`, with a descriptor: a channel from which a Tapped for each of its messages is read,
    # until its process ends; no descriptor: it has no process now.
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
  interfaces @8 :List(UInt64);
  # Those that it serves.
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
    challenge @14 :Data;
    # 32 random bytes; none: the app has no key.
    proven @15 :Data;
    # The same by which the app proves that it has the key: of "troupe app" and both.
    opened @16 :UInt64;
    # The largest message that may be sent from here on.
    schema :group {
      nodes @17 :List(Data);
      # Each a message: a Node of /capnp/schema.capnp.
      more @18 :Bool;
    }
    tapped @19 :Void;
  }
}

struct Payload {
  # Parameters or results.
  content @0 :AnyPointer;
  references @1 :List(Envelope.Reference);
  # As in an Envelope.
}

struct SessionRequest {
  number @0 :UInt64;
  # Chosen by the client; comes back in the answer.
  union {
    find :group {
      name @1 :Text;
      interface @2 :UInt64;
      protocol @3 :Text;
      # The interface's name, for messages.
    }
    call @4 :Sending;
    cast @5 :Sending;
  }

  struct Sending {
    actor @0 :UInt64;
    path @1 :Text;
    interface @2 :UInt64;
    method @3 :UInt16;
    name @4 :Text;
    # "Greeter.greet"; for messages, as is the path.
    within @5 :Int64;
    # Nanoseconds; the largest value stands for "for ever".
    params @6 :Payload;
  }
}

struct SessionAnswer {
  number @0 :UInt64;
  union {
    failed @1 :Control.ErrorData;
    found :group {
      actor @2 :UInt64;
      path @3 :Text;
    }
    results @4 :Payload;
    done @5 :Void;
  }
}

struct Tapped {
  # A message that an actor has begun to handle. The first one has neither sender nor method: from here on they are shown.
  sender @0 :UInt64;
  generation @1 :UInt32;
  call @2 :Bool;
  interface @3 :UInt64;
  method @4 :UInt16;
  time @5 :Int64;
  # Nanoseconds since 1970.
  dropped @6 :UInt64;
  # So many before it found no room in the channel.
  params @7 :Payload;
  bytes @8 :UInt64;
  # Of a message that is too large to be shown; 0: it is shown.
}
