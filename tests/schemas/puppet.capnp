# The protocol of the actor that tests make do things, and fail in all ways.
@0xd6a3f1c07b8e5294;

interface Puppet {
  who      @0 () -> (pid :Int32, generation :UInt32, path :Text, handled :UInt32);
  echo     @1 (text :Text) -> (text :Text);
  note     @2 (text :Text) -> stream;
  # Puts it on the board.

  crash    @3 (how :Text) -> ();
  # "segv", "abort", "kill", "term", "throw", "exit 3": as puppet.h has it.

  die      @4 (how :Text) -> stream;
  leave    @5 (kind :UInt16, code :Int32, text :Text) -> stream;
  # Ends itself in an orderly way, with that reason.

  nap      @6 (milliseconds :UInt32) -> (handled :UInt32);
  hang     @7 () -> ();
  deny     @8 (text :Text) -> ();
  relay    @9 (to :Puppet, text :Text, milliseconds :UInt32) -> (text :Text);
  # What `to` echoes, within so many milliseconds.

  lookUp   @10 (name :Text) -> (puppet :Puppet);
  grow     @11 (bytes :UInt32) -> (text :Text);
  # As many bytes of text.

  files    @12 () -> (open :List(Text));
  # What the descriptors of its process stand for.

  nobody   @13 () -> (puppet :Puppet);
  callSelf @14 () -> (error :Text);
  everyone @15 (puppets :List(Puppet)) -> (paths :List(Text));
}

interface Stranger {
  # What no puppet serves.
  knock @0 () -> ();
}
