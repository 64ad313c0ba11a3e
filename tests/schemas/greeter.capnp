# The protocol of the hello program.
@0xa270ba37bfa39813;

interface Greeter {
  greet  @0 (name :Text) -> (greeting :Text);
  # Greets whoever is named.

  forget @1 (name :Text) -> stream;
}
