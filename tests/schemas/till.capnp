# The protocol of the actor whose messages kill it, until its program is mended.
@0xc1f5e0a9d3847b26;

interface Till {
  pay @0 (cents :Int64, from :Text, kind :Kind, by :Till) -> (total :Int64);
  note @1 (text :Text) -> stream;
  ask @2 () -> ();
  deny @3 () -> ();

  enum Kind {
    coins @0;
    notes @1;
  }
}
