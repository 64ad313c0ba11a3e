# Names that C++ knows otherwise than the schema.
@0x885be1e4f5c37e44;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("tests::named");

struct Parcel $Cxx.name("Package") {
  class @0 :Text $Cxx.name("category");
  union {
    small @1 :Text $Cxx.name("little");
    large @2 :Text;
  }
}

interface Mail $Cxx.name("Post") {
  delete @0 (class :Text $Cxx.name("category")) -> () $Cxx.name("discard");
  send   @1 (parcel :Parcel) -> (number :UInt32);

  interface Box { empty @0 (parcel :Parcel) -> stream; }
}
