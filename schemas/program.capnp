@0xb4f81d6e29a7c350;
# The protocol of a foreign command that is an actor (<troupe/program.h>).
#
# `run` is the run of the command that the caller means: the generation of the process that keeps it; where that is over, the outcome is
# `over`. `wait` is how long to wait at most, in nanoseconds: 0 not at all, negative for ever. The ticket names a call of the caller's
# that may have to wait.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("troupe::actors");

interface ProgramProtocol {
  attach @0 () -> (run :UInt32, pid :Int32);

  write @1 (run :UInt32, ticket :UInt64, bytes :Data, wait :Int64) -> (outcome :Outcome, written :UInt64);
  # Answered when the system has taken all of it. `end`: the command reads no more; `written` of it were taken.

  closeInput @2 (run :UInt32) -> (outcome :Outcome);
  # When what was written before is.

  read @3 (run :UInt32, ticket :UInt64, errors :Bool, line :Bool, most :UInt32, wait :Int64) -> (outcome :Outcome, bytes :Data);
  # Some bytes, or a line without its end, as far as it is not longer than `most`. `end`: there is nothing more.

  withdraw @4 (ticket :UInt64) -> stream;
  # Nobody waits for that read any more.

  signal @5 (run :UInt32, signal :Int32) -> (outcome :Outcome);
  wait @6 (run :UInt32, wait :Int64) -> (outcome :Outcome, kind :UInt16, code :Int32, coreDumped :Bool, text :Text);
  # `end`: it has ended, for that reason.

  enum Outcome {
    done @0;
    end @1;
    timedOut @2;
    over @3;
  }
}
