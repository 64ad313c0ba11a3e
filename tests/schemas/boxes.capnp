# Generic interfaces and structs.
@0xb446487dece088a8;

struct Box(T) { value @0 :T; }
struct Pair(A, B) {
  a @0 :A;
  b @1 :B;
  struct Labelled(C) { a @0 :A; c @1 :C; label @2 :Text; }
}
struct Fruit { name @0 :Text; seeds @1 :List(Text); }

interface Store(T) {
  struct Ticket { number @0 :UInt64; item @1 :T; }

  put   @0 (item :T) -> (ticket :Ticket);
  many  @1 (boxes :List(Box(T)), deep :List(List(Box(T)))) -> stream;
  take  @2 () -> (item :T);
  swap  @3 Ticket -> Ticket;
  named @4 (pair :Pair(Text, T).Labelled(Data)) -> ();
}

interface FruitStore extends(Store(Fruit)) {
  ripen @0 (days :UInt32, of :Text) -> stream;
}

interface Shelf(A, B) extends(Store(Box(A))) {
  both @0 (a :A, b :B) -> ();
}

interface BoxUser {
  wrap   @0 Box(Fruit) -> Box(Text);
  supply @1 (from :Store(Fruit)) -> ();
}
