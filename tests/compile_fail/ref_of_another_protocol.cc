// expect: no matching
#include "peers.actor.h"

// A Ping meets a Pong, and not another Ping.
void use(const troupe::Ref<Ping>& ping) { ping.meet(ping); }
