// expect-ok
#include "family.actor.h"
#include "peers.actor.h"

void use(const troupe::Ref<Polyglot>& polyglot, const troupe::Ref<Ping>& ping,
         const troupe::Ref<Pong>& pong) {
  static_cast<void>(polyglot.greet("Ada"));
  polyglot.forget([](Greeter::ForgetParams::Builder params) { params.setName("Ada"); });
  const troupe::Ref<Greeter> greeter = polyglot;
  greeter.forget("Ada");
  ping.meet(pong);
}
