// expect: deleted
#include "greeter.actor.h"

void use(const troupe::Ref<Greeter>& greeter) { greeter.forget(nullptr); }
