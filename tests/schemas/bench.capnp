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

interface Mortal {
  sign @0 (value :UInt64) -> (pid :UInt32, value :UInt64);
  # Who it is that answers.
}

interface Player {
  tell    @0 (from :UInt32, kind :UInt32, value :UInt64) -> stream;
  meet    @1 () -> ();
  # Finds its partners.

  outcome @2 () -> (done :UInt32, sum :UInt64, nanoseconds :Float64);
  # Of the director.
}
