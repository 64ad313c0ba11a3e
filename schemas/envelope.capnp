@0xd1f0a8b6c3e54f21;
# What travels through mailboxes and reply lanes, inside packets (docs/wire-format.md).
#
# Fields are only ever added: an older peer ignores what it does not know, and answers a method it does not know with an
# error of kind `invalid`.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("troupe::wire");

struct Envelope {
  body @0 :AnyPointer;
  # The parameters of a call or cast, or the results of a reply: a struct of the user's schema; or, where `large` is set, a
  # LargeBody.

  references @1 :List(Reference);
  # The actors that interface-typed fields in the body stand for: the capability table of the message.

  union {
    call :group {
      interface @2 :UInt64;
      # The id of the interface that declares the method, which may be one that the callee's own extends.
      method @3 :UInt16;
      call @4 :UInt64;
      # Chosen by the caller, unique among its calls; comes back in the reply.
      deadline @5 :Int64;
      # Nanoseconds of the machine's monotonic clock, after which nobody waits for the reply; 0: no deadline.
    }
    cast :group {
      interface @6 :UInt64;
      method @7 :UInt16;
    }
    result :group {
      call @8 :UInt64;
      # The body is the method's result.
    }
    error :group {
      call @9 :UInt64;
      kind @10 :UInt16;
      # troupe::ErrorKind
      message @11 :Text;
    }
  }

  large @12 :Bool;
  # The message is too large for a packet: this is a short form of its envelope, without references.
}

struct LargeBody {
  # Where a large message lies: an Envelope with body and references, in the sender's arena.
  segments @0 :List(Segment);

  struct Segment {
    # One segment of the message, in their order.
    offset @0 :UInt64;
    # In bytes, from the start of the arena.
    words @1 :UInt32;
    serial @2 :UInt64;
    # Of this use of that memory: whoever frees it, must know it.
  }
}

struct Reference {
  actor @0 :UInt64;
  # The actor's id in the directory; 0 where the field was null.
  path @1 :Text;
  # For people; addressing goes by the id.
}
