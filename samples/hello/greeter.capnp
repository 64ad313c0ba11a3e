@0xd4c9f1a3b7e25860;
# What can be asked of a greeter.

interface Greeter {
  greet @0 (name :Text) -> (greeting :Text);
  forget @1 (name :Text) -> stream;
  # Starts counting visits anew.
}
