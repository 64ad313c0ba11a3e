// expect: dance
#include "greeter.actor.h"

void use(const troupe::Ref<Greeter>& greeter) { static_cast<void>(greeter.dance()); }
