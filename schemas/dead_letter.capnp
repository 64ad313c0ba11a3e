@0xf3d2a6c87b1e9045;
# A message that nobody handled to its end, as it is kept in a file: one standard Cap'n Proto stream message, which
# `capnp decode schemas/dead_letter.capnp DeadLetter` reads.
#
# Fields are only ever added.

using Cxx = import "/capnp/c++.capnp";
using Control = import "control.capnp";
$Cxx.namespace("troupe::wire");

struct DeadLetter {
  number @0 :UInt64;
  # Counted by the app's root, from 1.
  time @1 :Int64;
  # When it became one, in nanoseconds since 1970 (UTC).

  actor @2 :UInt64;
  # Whom it was for.
  path @3 :Text;
  sender @4 :UInt64;
  senderPath @5 :Text;
  # Empty where the sender had gone by then.
  senderGeneration @6 :UInt32;

  interface @7 :UInt64;
  method @8 :UInt16;
  methodName @9 :Text;
  # "Greeter.greet"; empty where it is not known.
  call @10 :Bool;
  # Somebody awaited an answer, and has been told.

  reason @11 :Control.ExitReasonData;
  # Of what the process ended that had the message in hand.
  attempts @12 :UInt32;
  # So many processes began it.

  message @13 :Data;
  # The message as it was sent, framed: `capnp decode schemas/envelope.capnp Envelope` reads these bytes. A large message is
  # here with its body, or else, where that found no room among the dead letters, in its short form.
  messageBytes @14 :UInt64;
  # Of `message`, also where that itself is left out.
  lostBodyBytes @15 :UInt64;
  # So many were in the body of a large message that is here in its short form; else 0.
}
