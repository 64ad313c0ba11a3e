# What a newer program knows of a shop: more fields, in a group and a list as well, and one more call and cast. The ids differ
# from those of shop_old.capnp so that one program can hold both; on the wire only that of the interface is seen.
@0x8ea4b7c6d5f31209;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("tests::newer");

struct Order @0xf10a2b3c4d5e6f78 {
  item @0 :Text;
  count @1 :UInt32 = 1;
  colour @2 :Text = "plain";
  address :group {
    street @3 :Text;
    house @4 :UInt16 = 7;
  }
  wishes @5 :List(Text);
}

struct Receipt @0x8b7a69584736251f {
  total @0 :UInt64;
  note @1 :Text;
  discount @2 :UInt64 = 5;
  thanks @3 :List(Text);
}

interface Shop @0xde0192a3b4c5d6e7 {
  buy    @0 Order -> Receipt;
  tell   @1 Order -> stream;
  sold   @2 () -> (count :UInt32, days :UInt32 = 3);
  refund @3 (receipt :Receipt) -> (done :Bool);
  advert @4 (text :Text) -> stream;
}
