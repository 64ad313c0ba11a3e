@0xb2d90c4f6e1a7358;
# The protocol of a log (<troupe/log.h>). Its lines come by another way.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("troupe::actors");

interface LogProtocol {
  flush @0 () -> (unwritten :UInt64, problem :Text);
  # Answered when what was in the pipe has been written. `unwritten` lines could not be, and will not; the problem says why.
}
