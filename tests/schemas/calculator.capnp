# Calls and casts with numbers.
@0xa8a9334fa354d784;

enum Operation {
  add @0;
  subtract @1;
  multiply @2;
  divide @3;
}

interface Calculator {
  compute @0 (operation :Operation, left :Int64, right :Int64) -> (result :Int64);
  sum     @1 (numbers :List(Int64)) -> (result :Int64);
  store   @2 (value :Int64) -> stream;
  recall  @3 () -> (value :Int64);
  clear   @4 () -> stream;
  ping    @5 () -> ();
}
