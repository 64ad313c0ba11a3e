# Interfaces that extend others, in a diamond too, and some declared inside of others and of structs.
@0x9f80bde4277b1f5c;

using Greeter = import "greeter.capnp";

interface Root { root @0 () -> (depth :UInt32); }
interface Left extends(Root) { left @0 (text :Text) -> (text :Text); }
interface Right extends(Root) { right @0 (number :Int32) -> stream; }
interface Bottom extends(Left, Right) {
  bottom @0 () -> ();
}
interface Empty extends(Bottom) {}

interface Polyglot extends(Greeter.Greeter) {
  translate @0 (text :Text, language :Text) -> (text :Text);
}

struct House {
  address @0 :Text;

  interface Door {
    open  @0 (open :Text) -> (opened :Bool);
    knock @1 () -> stream;

    interface Bell { ring @0 (times :UInt32) -> stream; }
  }
}
