// expect: no matching
#include "greeter.actor.h"

void use(const troupe::Ref<Greeter>& greeter) { static_cast<void>(greeter.greet(42)); }
