@0xb9ce4e2d7a1f6033;
# What travels on control lanes, between a process and its supervisor, and through the supervisors to the root
# (docs/wire-format.md). Descriptors go beside a message, in the order that its comment gives.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("troupe::wire");

struct ExitReasonData {
  kind @0 :UInt16;
  code @1 :Int32;
  coreDumped @2 :Bool;
  duringStart @3 :Bool;
  text @4 :Text;
}

struct ErrorData {
  kind @0 :UInt16;
  message @1 :Text;
  systemError @2 :Int32;
  reason @3 :ExitReasonData;
}

struct Argument {
  # A constructor argument that crosses from one process to another.
  union {
    boolean @0 :Bool;
    signed @1 :Int64;
    unsigned @2 :UInt64;
    real @3 :Float64;
    text @4 :Text;
    stream @5 :UInt16;
    # Index of its descriptor.
    listener @6 :UInt16;
    actor :group {
      id @7 :UInt64;
      path @8 :Text;
    }
    memory @9 :UInt16;
    # Shared memory: index of its descriptor.
  }
}

struct Ticket {
  # Who a child that is started by exec is to be. Descriptors are numbers in the new process.
  path @0 :Text;
  declared @1 :Text;
  type @2 :Text;
  actor @3 :UInt64;
  generation @4 :UInt32;
  control @5 :Int32;
  mailbox @6 :Int32;
  reply @7 :Int32;
  desk @8 :Int32;
  arguments @9 :List(Argument);
  descriptors @10 :List(Int32);
  # Those that the arguments refer to.
  inherited @11 :List(Inherited);
  listening @12 :List(Text);
  # The addresses of all sockets that main opened, in that order.
  arena @13 :Int32 = -1;
  maxMessageBytes @14 :UInt64;
  limits @16 :LimitsData;
  recycleAfter @17 :UInt32;
  spare @15 :Bool;
  # It is to wait until it is told who it is (`become`).
  unrehearsed @18 :Bool;
  # That comes at once, so there is nothing to do before.
  instances @19 :UInt32 = 1;
  # So many it may be, one after the other.

  struct Inherited {
    # What main opened and gave to this child, by the order in which main opens such things.
    index @0 :UInt32;
    descriptor @1 :Int32;
  }
}

struct LimitsData {
  # troupe::Limits; times in nanoseconds.
  memory @0 :UInt64;
  cpuPerMessage @1 :Int64;
  wallPerMessage @2 :Int64;
}

struct SpecData {
  # troupe::ChildSpec; times in nanoseconds, the largest value stands for "for ever".
  restart @0 :UInt8;
  stopLimit @1 :Int64;
  readyWithin @2 :Int64;
  significant @3 :Bool;
  backOffFirst @4 :Int64;
  backOffLimit @5 :Int64;
  backOffFactor @6 :Float64;
  backOffJitter @7 :Float64;
  watchdog @8 :Int64;
  launch @9 :UInt8;
  output @10 :UInt8;
  name @11 :Text;
  mailboxBytes @12 :UInt64;
  retries @13 :UInt32;
  # OnCrash
  maxMessageBytes @14 :UInt64;
  spares @15 :UInt32;
  limits @16 :LimitsData;
  recycleAfter @17 :UInt32;
  instancesPerProcess @18 :UInt32 = 1;
}

struct FlagsData {
  # The part of troupe::SupervisorSpec that a running supervisor can change.
  strategy @0 :UInt8;
  maxRestarts @1 :UInt32;
  within @2 :Int64;
  autoShutdown @3 :UInt8;
}

struct NamedSpec {
  id @0 :Text;
  spec @1 :SpecData;
}

struct ChildData {
  id @0 :Text;
  state @1 :UInt8;
  supervisor @2 :Bool;
  restart @3 :UInt8;
  pid @4 :Int32;
  path @5 :Text;
}

struct Manage {
  # Asks the supervisor at `supervisor` to do something.
  supervisor @0 :Text;
  from @17 :UInt32;
  after @18 :Text;
  # With `list`: those from that place on, and after the child of that id, wherever it is now.
  union {
    startInstance :group {
      template @1 :Text;
      arguments @2 :List(Argument);
    }
    startChild :group {
      id @3 :Text;
      type @4 :Text;
      # The actor class, as the program names it.
      spec @5 :SpecData;
      arguments @6 :List(Argument);
    }
    stop @7 :Text;
    restart @8 :Text;
    remove @9 :Text;
    list @10 :Void;
    count @11 :Void;
    spec @12 :Text;
    changeFlags @13 :FlagsData;
    changeChildren @14 :List(NamedSpec);
    upgrade :group {
      id @15 :Text;
      image @16 :Text;
      # The file of the program that the child is to be a process of.
    }
  }
}

struct Managed {
  more @14 :Bool;
  # With `children`: there are more after the last of them.
  union {
    done @0 :Void;
    started :group {
      id @1 :Text;
      path @2 :Text;
      actor @3 :UInt64;
      ignored @4 :Bool;
      info @5 :Text;
      pid @13 :Int32;
    }
    children @6 :List(ChildData);
    counts :group {
      specs @7 :UInt32;
      active @8 :UInt32;
      supervisors @9 :UInt32;
      workers @10 :UInt32;
    }
    spec @11 :SpecData;
    failed @12 :ErrorData;
  }
}

struct Control {
  from @0 :Text;
  # On the way up: the path of the process that sent it, checked by every supervisor on the way. Empty: the process at the
  # other end of this very lane.
  to @1 :Text;
  # On the way down: the path of the process it is for. Empty: the process at the other end of this very lane.
  request @2 :UInt64;
  # Chosen by who asks; comes back in the answer. 0: no answer is awaited.

  union {
    # From a child to its supervisor.
    ready :group {
      ignored @3 :Bool;
      info @4 :Text;
    }
    leaving @5 :ExitReasonData;
    # It is about to end, for this reason.
    pong @6 :Void;

    # From a supervisor to its child.
    stop @7 :Void;
    ping @8 :Void;

    # From a supervisor to the root.
    claim :group {
      # Endpoints for a child that is about to be started.
      path @9 :Text;
      role @10 :UInt8;
      # wire::Role
      interfaces @11 :List(UInt64);
      name @12 :Text;
      mailboxBytes @13 :UInt64;
      takesOver @59 :Bool;
      # Another process of the same child has let go of them.
      retries @53 :UInt32;
      # So often a message in hand is handed out again when its actor dies.
      maxMessageBytes @60 :UInt64;
      # 0: without an arena.
      image @65 :Bool;
      # With a descriptor: the newer program of the process that takes over, which counts once that is ready.
      resting @82 :UInt64;
      # Of a new child: the actor that the process which is to be it has been, where that keeps its ends. 0: none.
    }
    ended :group {
      # A child of it has ended, or could not be started.
      actor @14 :UInt64;
      generation @15 :UInt32;
      reason @16 :ExitReasonData;
      keepsEnds @81 :Bool;
      # Its process rests, and has said so. It goes with a second `ended` of the same actor, unless a claim names it before.
    }
    forget :group {
      # A child of it has gone for good.
      path @17 :Text;
      reason @18 :ExitReasonData;
    }

    # From any process to the root.
    find :group {
      name @19 :Text;
      interface @20 :UInt64;
      # 0: a supervisor is looked for.
      protocol @51 :Text;
      # The interface's name, for messages.
    }
    introduce :group {
      actor @21 :UInt64;
      lane @22 :UInt8;
      # wire::Lane
    }
    watch @23 :UInt64;
    watchProcess :group {
      # One process of an actor: as `watch`, and the answer says whether it has ended before.
      actor @70 :UInt64;
      generation @71 :UInt32;
    }
    unwatch @24 :UInt64;
    # Both.
    manage @25 :Manage;

    # From the root, in answer.
    granted :group {
      # Descriptors, none for a supervisor: mailbox to read, reply lane to read, desk, arena if there is one, image.
      actor @26 :UInt64;
      generation @27 :UInt32;
      image @64 :UInt16;
      # Index of its descriptor: the program that the child was upgraded to. 0: that of its supervisor.
      kept @83 :Bool;
      # Without descriptors: the process that the claim named has them.
    }
    found :group {
      # Descriptor: mailbox to write; none for a supervisor.
      actor @28 :UInt64;
      path @29 :Text;
      shared @52 :Bool;
      # As with `introduced`.
    }
    introduced :group {
      # Descriptor: the lane to write, or the arena.
      shared @30 :Bool;
      # Several processes read it: a packet should hold one message, so that each goes to whoever is free.
      gone @61 :Bool;
      # Of an arena: its actor has gone for good, and the arena goes with its last message.
      actor @75 :UInt64;
      lane @76 :UInt8;
      # Unasked, to a process that is started again: the reply lane of one whose calls its predecessor has answered.
    }
    watching @31 :Void;
    watched :group {
      # The answer to `watchProcess`.
      ended @72 :Bool;
      reason @73 :ExitReasonData;
      # Why it has ended, as far as that is known still.
    }
    managed @32 :Managed;
    failed @33 :ErrorData;

    # From the root, unasked.
    down :group {
      actor @34 :UInt64;
      generation @35 :UInt32;
      reason @36 :ExitReasonData;
      final @37 :Bool;
      path @50 :Text;
      replaced @74 :Bool;
      # It had handed over to a newer process: nothing has happened to the actor.
    }
    gone :group {
      actor @38 :UInt64;
      reason @39 :ExitReasonData;
    }
    callFailed :group {
      # The callee died with this call in hand.
      call @40 :UInt64;
      callee @41 :Text;
      interface @42 :UInt64;
      method @43 :UInt16;
      reason @44 :ExitReasonData;
    }
    started :group {
      # From a supervisor to the root: the child's process exists.
      actor @45 :UInt64;
      generation @46 :UInt32;
      pid @47 :Int32;
    }
    # While a child is replaced by a process of a newer program (docs/supervision.md).
    prepared @54 :Void;
    # From the newer process: it can take over.
    handOver @55 :Void;
    # To the older process: it should let go of its mailbox when its turn has ended.
    handedOver @56 :Void;
    # From the older process.
    takeOver @57 :UInt32;
    # To the newer process, or back to the older one, with the descriptors of `granted`: the generation that it is.
    drain @58 :Void;
    # To the older process: it should end when its tasks have.
    become :group {
      # To a hot spare that has said `prepared`, or a process that has said `resting`, with the descriptors of `granted`, or
      # the process's own: who it is.
      path @66 :Text;
      actor @67 :UInt64;
      generation @68 :UInt32;
      maxMessageBytes @69 :UInt64;
      arguments @79 :List(Argument);
      # For one that was resting; a spare has its own. Their descriptors come after those of `granted`.
      kept @84 :Bool;
      # As in `granted`.
    }
    resting :group {
      # From a process that may be one instance of a template after the other, instead of `leaving`: nothing of the last is left,
      # and it waits to be the next.
      reason @78 :ExitReasonData;
      keepsEnds @80 :Bool;
      # Its mailbox, reply lane, desk and arena are as new, and it has them still.
    }
    dropEnds @85 :UInt64;
    # From the root to a supervisor: the resting process that keeps the ends of that actor is to end, as others have them too.

    tap @77 :Void;
    # From the root to an actor, with a descriptor: the channel into which it shows its messages (client.capnp), until that is
    # closed.

    undeliverable :group {
      # From any process to the root: messages for an actor that has gone for good.
      actor @62 :UInt64;
      packet @63 :Data;
    }
    up :group {
      # From a supervisor to the root: the child is ready. Of a supervisor that was restarted: what it had claimed in its
      # earlier life, and not again, has gone for good.
      actor @48 :UInt64;
      generation @49 :UInt32;
    }
  }
}
