# Messages that carry the addresses of actors.
@0x9cb4342fd25841ac;

using Family = import "family.capnp";

interface Ping {
  meet   @0 (pong :Pong) -> stream;
  link   @1 (name :Text, self :Ping) -> (other :Pong);
  door   @2 (door :Family.House.Door) -> stream;
  all    @3 (pings :List(Ping), any :Capability) -> ();
}

interface Pong {
  meet @0 (ping :Ping) -> stream;
}
