@0xd5b6c3a0f1e2478c;

struct Ware {
  name @0 :Text;
}
