@0xc8e52f7b90ad1364;

interface Service {
  fetch @0 (page :Text) -> ();
  mostAtOnce @1 () -> (requests :UInt32);
}
