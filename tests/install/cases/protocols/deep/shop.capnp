@0xd5b6c3a0f1e2478d;

using import "../ware.capnp".Ware;

interface Shop {
  buy @0 (name :Text) -> (ware :Ware);
}
