# What the actors of the chaos tests say to each other.
@0xe0a5b0c3d91f2746;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("chaos");

interface Member {
  # One of those that get killed.
  locate @0 () -> (pid :Int32);
  triple @1 (number :UInt64) -> (tripled :UInt64);
}

interface Recorder {
  record @0 (sender :UInt32, number :UInt64) -> stream;
}

interface Driver {
  # One that makes load until it is told to finish.
  finish @0 () -> (last :UInt64);
}

interface Vault {
  deposit @0 (id :UInt64) -> (balance :Int64);
  # An amount that follows from the id.

  move    @1 (to :Text, amount :Int64) -> stream;
  credit  @2 (amount :Int64) -> stream;
  audit   @3 (from :UInt32) -> (balance :Int64, credits :UInt64, ids :List(UInt64));
  # Some of the deposits, in order.
}

interface Counter extends(Recorder) {
  # One that counts what comes from each sender, and what is missing or comes twice.
  counted @0 (sender :UInt32) -> (last :UInt64, received :UInt64, again :UInt64, missing :List(UInt64));
}

interface Chain extends(Driver) {
  # A driver that goes on by casting to itself.
  next @0 () -> stream;
}
