@0xd2b6f09a4c7e1835;
# The protocols of mutexes, semaphores and conditions, which processes hold, and of events and barriers, for which they only wait:
# <troupe/mutex.h>, <troupe/semaphore.h>, <troupe/condition.h>, <troupe/event.h>, <troupe/barrier.h>.
#
# A ticket names one claim of the calling process: each by another number, from 1.
# `wait` is how long to wait at most, in nanoseconds: 0 not at all, negative for ever.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("troupe::actors");

struct LockAnswer {
  outcome @0 :Outcome;
  abandoned @1 :Bool;
  # Whoever held it last has ended without giving it back.
  place @2 :UInt32;
  # Of those that have come to a barrier, from 0.
  why @3 :Text;
  # It is broken.

  enum Outcome {
    granted @0;
    timeOver @1;
    broken @2;
  }
}

interface WaitProtocol {
  letGo @0 (ticket :UInt64, unseen :Bool) -> stream;
  # Gives back what it has got; one that still waits, waits no longer. `unseen`: nobody came to know what it had got.

  status @1 () -> (waiting :UInt64, held :UInt64, asleep :UInt64, parties :UInt64, flag :Bool);
}

interface LeaseProtocol extends(WaitProtocol) {
  release @0 (ticket :UInt64, count :UInt64) -> ();
  # That lease, whole; without a ticket, so many permits of those that the caller has, the latest first.
}

interface MutexProtocol extends(LeaseProtocol) {
  lock @0 (ticket :UInt64, wait :Int64) -> LockAnswer;
}

interface SemaphoreProtocol extends(LeaseProtocol) {
  acquire @0 (ticket :UInt64, wait :Int64, count :UInt64) -> LockAnswer;
}

interface ConditionProtocol extends(LeaseProtocol) {
  lock @0 (ticket :UInt64, wait :Int64) -> LockAnswer;
  sleep @1 (ticket :UInt64, wait :Int64) -> LockAnswer;
  # Gives the lease back until somebody notifies it or the time is over, and answers when it has it again.

  notify @2 (ticket :UInt64, count :UInt64) -> ();
}

interface EventProtocol extends(WaitProtocol) {
  set @0 () -> ();
  clear @1 () -> ();
  wait @2 (ticket :UInt64, wait :Int64) -> LockAnswer;
}

interface BarrierProtocol extends(WaitProtocol) {
  wait @0 (ticket :UInt64, wait :Int64) -> LockAnswer;
  enter @1 () -> ();
  leave @2 () -> ();
  abort @3 () -> ();
  reset @4 () -> ();
}
