# What the benchmarks send.
@0xd5b0bd0dd3c1f6a7;

interface Sink {
  take  @0 (data :Data) -> stream;
  # Adds up the first eight bytes of each.

  total @1 () -> (messages :UInt64, sum :UInt64);

  echo  @2 (data :Data) -> (data :Data);
}

interface Source {
  send @0 (messages :UInt64) -> stream;
  # Casts so many to /sink.
}
