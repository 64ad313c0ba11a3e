@0xd9c35e8a471f60b2;

struct Line {
  from @0 :Text;
  text @1 :Text;
}
