@0xa4d19c3be07f5286;

struct Dish {
  name @0 :Text;
  cook @1 :Text;
}
