@0xb7e04d91c3a8f265;
# The protocols of topics and channels, which keep messages for those who read them: <troupe/topic.h>, <troupe/channel.h>. The messages are of
# any type: only their users know it.
#
# Messages have numbers, from 1 on, without a gap. Who reads says up to where it has them, and is given those that follow.
# A ticket names one subscription of the calling process, or one end that it claims: each by another number.
# `type` says of what type the caller takes the messages to be: an id of its own for each.
# `wait` is how long to wait at most, in nanoseconds: 0 not at all, negative for ever.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("troupe::actors");

struct WriteAnswer {
  number @0 :UInt64;
  # That the message has; 0: there was no room within `wait`.
}

struct ReadAnswer {
  outcome @0 :Outcome;
  first @1 :UInt64;
  # The number of the first of them.
  missed @2 :UInt64;
  # So many before that one were dropped, and not read.
  again @3 :UInt64;
  # So many of them, from the first on, were given to somebody before who has not said that he has them.
  messages @4 :List(Message);

  enum Outcome {
    messages @0;
    nothing @1;
    # None came within `wait`.
    ended @2;
    # None will come any more.
    behind @3;
    # So many were missed that the subscription has ended.
  }

  struct Message {
    value @0 :AnyPointer;
  }
}

interface FeedProtocol {
  read @0 (ticket :UInt64, after :UInt64, most :UInt32, wait :Int64) -> ReadAnswer;
  # Those after that number, which the caller has, as all before: at most so many, and at least one.

  letGo @1 (ticket :UInt64) -> stream;
  # The subscription or the end is not needed any more; where it is waited for still, nobody waits.
}

interface TopicProtocol extends(FeedProtocol) {
  publish @0 (value :AnyPointer, wait :Int64, type :UInt64) -> WriteAnswer;
  # Answered when each who subscribes will get it.

  subscribe @1 (ticket :UInt64, resume :Bool, after :UInt64, type :UInt64) -> (after :UInt64);
  # With `resume` to what comes after that number; else to what comes from now on, and the history.

  close @2 () -> ();
  status @3 () -> (last :UInt64, messages :UInt64, bytes :UInt64, subscribers :UInt64, reading :UInt64, publishing :UInt64,
                   closed :Bool);
}

interface ChannelProtocol extends(FeedProtocol) {
  claim @0 (end :UInt8, ticket :UInt64, wait :Int64, type :UInt64) -> (granted :Bool, after :UInt64);
  # 0 is the first end, 1 the second. Answered when it is the caller's. `after`: of what it reads, its last owner had this much.

  send @1 (ticket :UInt64, value :AnyPointer, wait :Int64) -> WriteAnswer;
  # Answered when the message is in the channel.

  finish @2 (ticket :UInt64) -> ();
  # Nothing more is sent from this end.

  close @3 (ticket :UInt64) -> ();
  # The end is done with, in both directions.

  status @4 () -> (first :End, second :End);

  struct End {
    owned @0 :Bool;
    gone @1 :Bool;
    claiming @2 :UInt64;
    # Those who wait for it.
    unread @3 :UInt64;
    # Messages that go to it.
    reading @4 :Bool;
    sending @5 :UInt64;
    # Those that wait for room, from it.
  }
}
