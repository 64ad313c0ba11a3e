@0xb7f20c64e91ad583;

interface Decoder {
  decode @0 (path :Text) -> (width :UInt32, height :UInt32, words :UInt32);
}
