# For large messages: parameters and results of any size, with contents that tell whether they are right.
@0xc3d18bb0a95f7e21;

interface Blobs {
  check @0 (data :Data, seed :UInt32) -> (right :Bool);
  make  @1 (bytes :UInt64, seed :UInt32) -> (data :Data);
  keep  @2 (data :Data, seed :UInt32) -> stream;
  # Notes "right <seed>" or "wrong <seed>" on the board. A seed of 100 and more: the process kills itself first.

  nap   @3 (milliseconds :UInt32) -> ();
  send  @4 (to :Blobs, bytes :UInt64, from :UInt32, count :UInt32, die :Bool) -> ();
  # Casts `keep` with so many seeds. `die`: it kills itself then.

  fetch @5 (from :Blobs, bytes :UInt64) -> stream;
  # Calls `make`, and kills itself with the reply in hand.

  fetchAll @6 (from :Blobs, bytes :UInt64, count :UInt32) -> ();
  # Calls `check` and `make` so often; notes "wrong ..." on the board.
}
