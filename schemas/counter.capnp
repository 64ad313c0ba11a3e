@0x9f16d2e978066eba;
# The protocol of a counter (<troupe/counter.h>).

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("troupe::actors");

interface CounterProtocol {
  get @0 () -> (value :Int64);
  set @1 (value :Int64) -> ();
  add @2 (by :Int64) -> (value :Int64);
  # Refused where the sum can't be said.

  compareExchange @3 (expected :Int64, desired :Int64) -> (done :Bool, value :Int64);
  # `value`: the one it has now.
}
