# Every plain type, and parameters whose names are words of C++.
@0xc9362e4db502a0a0;

enum Color {
  red @0;
  green @1;
  blue @2;
}

interface Values {
  numbers @0 (a :Int8, b :Int16, c :Int32, d :Int64, e :UInt8, f :UInt16, g :UInt32, h :UInt64)
          -> (sum :Int64);
  floats  @1 (single :Float32, double :Float64) -> (sum :Float64);
  mixed   @2 (on :Bool, color :Color, nothing :Void, text :Text, data :Data) -> (length :UInt64);
  words   @3 (new :Text, class :Int32, params :Bool, fill :Bool) -> stream;
  differ  @4 Two -> (difference :Int32);
  preset  @5 (count :UInt32 = 5, name :Text = "nobody") -> stream;
}

struct Two {
  # A caller sees the order of the text, not that of the numbers.
  second @1 :Int32;
  first @0 :Int32;
}
