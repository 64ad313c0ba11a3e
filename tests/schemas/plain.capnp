# No interface at all.
@0xe106d148f946be60;

struct Dish {
  name @0 :Text;
  cook @1 :Text;
}

const lunch :Text = "noon";
annotation spicy(struct) :Void;
