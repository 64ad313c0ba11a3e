@0xe7c3a1f0925d8b46;
# The protocol of a bounded queue (<troupe/queue.h>). Its items are of any type: only their users know it.
#
# `type` says of what type the caller takes them to be: an id of its own for each. A queue serves one type.
# `wait` is how long to wait at most, in nanoseconds: 0 not at all, negative for ever.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("troupe::actors");

interface QueueProtocol {
  put @0 (item :AnyPointer, wait :Int64, type :UInt64) -> (full :Bool);
  # Answered when the item is in the queue; `full`: it is not.

  get @1 (ticket :UInt64, wait :Int64, take :Bool, type :UInt64) -> (outcome :Outcome, number :UInt64, times :UInt32, item :AnyPointer);
  # The item is the caller's until it is done; with `take` it is done at once. The ticket names the caller's gets, each by another number.

  done @2 (number :UInt64) -> ();
  giveBack @3 (ticket :UInt64) -> stream;
  # What that get has got goes to the head of the queue; one that still waits, waits no longer.

  join @4 (wait :Int64) -> (done :Bool);
  # Answered when each item that was put is done.

  size @5 () -> (queued :UInt64, taken :UInt64, putting :UInt64, getting :UInt64, capacity :UInt64, closed :Bool);
  close @6 () -> ();

  enum Outcome {
    item @0;
    empty @1;
    # Nothing came within `wait`.
    closed @2;
    # The queue is closed, and nothing can come any more.
  }
}
