# What the actors of the tests of Kept<T> keep.
@0xc8a1d5f0e3b72964;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("kept");

struct Journal {
  lines @0 :List(Text);
  sum   @1 :Int64;
}

struct Nest { inner @0 :Nest; }
