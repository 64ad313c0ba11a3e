# Structs, lists, unions, groups, defaults and pointers to anything.
@0xf440ea7c261e5201;

struct Point {
  x @0 :Int32;
  y @1 :Int32;
}

struct Style {
  name @0 :Text = "plain";
  dashes @1 :List(UInt8);
}

struct Shape {
  label @0 :Text;
  style @1 :Style;
  union {
    dot @2 :Point;
    line :group {
      from @3 :Point;
      to @4 :Point;
      caption @5 :Text;
    }
    polygon @6 :List(Point);
    picture @7 :Data;
    empty @8 :Void;
    parts @9 :List(Shape);
    foreign @10 :AnyPointer;
  }
  origin :group {
    author @11 :Text;
    kind :union {
      unknown @12 :Void;
      file @13 :Text;
      scan @14 :List(List(Text));
    }
  }
}

struct Tree {
  value @0 :Text;
  left @1 :Tree;
  right @2 :Tree;
}

struct Loose {
  any @0 :AnyPointer;
  struct @1 :AnyStruct;
  list @2 :AnyList;
}

struct First { second @0 :Second; }
struct Second { first @0 :List(First); name @1 :Text; }

interface Canvas {
  draw    @0 (shape :Shape) -> (words :UInt64);
  move    @1 Point -> Point;
  layers  @2 (shapes :List(Shape), names :List(Text)) -> ();
  plant   @3 (tree :Tree) -> (depth :UInt32);
  stack   @4 (blobs :List(List(List(Data))), points :List(List(Point))) -> stream;
  restyle @5 Style -> stream;
  rework  @6 Shape -> ();
  keep    @7 (loose :Loose) -> ();
  chain   @8 (first :First) -> ();
}
