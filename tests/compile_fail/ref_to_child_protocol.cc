// expect: Ref<Polyglot>
#include "family.actor.h"

// Not every Greeter is a Polyglot.
troupe::Ref<Polyglot> use(const troupe::Ref<Greeter>& greeter) { return greeter; }
