// expect-ok
#include "greeter.actor.h"

class Polite final : public troupe::Actor<Polite, Greeter> {
 public:
  void greet(GreetParams in, GreetResults out) { out.setGreeting(in.getName()); }
  troupe::Task<> forget(const ForgetParams&) { co_return; }
};

bool use(Polite& polite, troupe::Turn& turn) { return Polite::dispatchTo(polite, 0, 0, turn); }
