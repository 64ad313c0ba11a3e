# What an older program knows of a shop. shop_new.capnp is its next version.
@0xb2c8d0f7a1e35649;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("tests::older");

struct Order @0x9d1f0b6c82a4e731 {
  item @0 :Text;
  count @1 :UInt32 = 1;
}

struct Receipt @0xc5e2a90d3f7b4186 {
  total @0 :UInt64;
  note @1 :Text;
}

interface Shop @0xa7f4c3d2b1e09586 {
  buy    @0 Order -> Receipt;
  tell   @1 Order -> stream;
  sold   @2 () -> (count :UInt32);
}
