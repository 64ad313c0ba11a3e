@0xae9452255e279419;
# The protocol of a dictionary (<troupe/dictionary.h>). Keys are bytes, and ordered as such. Its values are of any type.
#
# `type` says of which types the caller takes keys and values to be: an id of its own for each pair. A dictionary serves one.
# A version is the number of the change that made an entry what it is: 0 is that of none.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("troupe::actors");

interface DictionaryProtocol {
  get @0 (key :Data, type :UInt64) -> (version :UInt64, value :AnyPointer);

  put @1 (key :Data, value :AnyPointer, onlyIf :Bool, version :UInt64, type :UInt64) -> (version :UInt64);
  # With `onlyIf`: where the entry has that version still. 0: nothing was done.

  remove @2 (key :Data, onlyIf :Bool, version :UInt64, take :Bool, type :UInt64) -> (version :UInt64, value :AnyPointer);
  # The version that it had; 0: nothing was done. The value comes with `take`.

  page @3 (from :Data, most :UInt32, type :UInt64) -> (entries :List(Entry), next :Data, more :Bool);
  # In the order of their keys, from that one on. `next`: where the next page begins, where there is more.

  size @4 () -> (entries :UInt64, bytes :UInt64, mostBytes :UInt64, version :UInt64);
  # `version`: that of the last change.

  clear @5 () -> (entries :UInt64);

  watch @6 (ticket :UInt64, all :Bool, key :Data, after :UInt64, since :UInt64, type :UInt64)
      -> (changes :List(Change), anew :Bool, after :UInt64, since :UInt64);
  # Answered when something has changed after that version. `since`: the caller wants to know of removals from there on only. `anew`:
  # more was removed than is remembered; what is there is told from the beginning. The ticket names the caller's watches, each by
  # another number; a watch waits once.

  unwatch @7 (ticket :UInt64) -> stream;

  struct Entry {
    key @0 :Data;
    version @1 :UInt64;
    value @2 :AnyPointer;
  }

  struct Change {
    key @0 :Data;
    version @1 :UInt64;
    removed @2 :Bool;
  }
}
