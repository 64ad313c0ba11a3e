@0x855f9236163d0d03;
# The protocol of a list (<troupe/list.h>). Its items are of any type.
#
# `type` says of what type the caller takes them to be: an id of its own for each. A list serves one type.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("troupe::actors");

interface ListProtocol {
  insert @0 (at :UInt64, atEnd :Bool, value :AnyPointer, type :UInt64) -> (at :UInt64);
  get @1 (at :UInt64, type :UInt64) -> (value :AnyPointer);
  set @2 (at :UInt64, value :AnyPointer, type :UInt64) -> ();

  remove @3 (at :UInt64, atEnd :Bool, mayBeEmpty :Bool, type :UInt64) -> (empty :Bool, value :AnyPointer);
  # With `mayBeEmpty` a list without items is no error.

  page @4 (from :UInt64, most :UInt32, type :UInt64) -> (items :List(Item), size :UInt64);
  size @5 () -> (items :UInt64, bytes :UInt64, mostBytes :UInt64);
  clear @6 () -> (items :UInt64);

  struct Item {
    value @0 :AnyPointer;
  }
}
