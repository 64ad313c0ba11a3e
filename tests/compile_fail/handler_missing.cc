// expect: Greeter.forget has no handler
// expect: void forget(ForgetParams in)
#include "greeter.actor.h"

class Polite final : public troupe::Actor<Polite, Greeter> {
 public:
  void greet(GreetParams, GreetResults) {}
};

bool use(Polite& polite, troupe::Turn& turn) { return Polite::dispatchTo(polite, 0, 0, turn); }
