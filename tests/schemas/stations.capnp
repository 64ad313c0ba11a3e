# Actors in a row, each of which passes on what it gets.
@0xb3d87f2e91c4a560;

interface Station {
  pass @0 (number :UInt32, text :Text) -> stream;
  ask  @1 (number :UInt32, text :Text) -> (reached :Bool, text :Text);
  # `reached`: the next station has answered too. The text comes back.

  seen @2 () -> (passed :Data, asked :Data, handled :UInt32, faults :UInt32);
  # What it has kept, a byte for each number. A fault is a number that comes twice, or out of order.
}
