@0xc35a17be90f24d68;

interface Words {
  count @0 (path :Text) -> (words :UInt64);
  # Of one file.
}
