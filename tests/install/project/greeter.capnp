@0xd5b6c3a0f1e24788;

interface Greeter {
  greet  @0 (name :Text) -> (greeting :Text);
  forget @1 (name :Text) -> stream;
}
