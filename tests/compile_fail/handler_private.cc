// expect: Greeter.greet has no handler, or a private one
// expect: void greet(GreetParams in, GreetResults out)
#include "greeter.actor.h"

class Polite final : public troupe::Actor<Polite, Greeter> {
 public:
  void forget(ForgetParams) {}

 private:
  void greet(GreetParams, GreetResults) {}
};

bool use(Polite& polite, troupe::Turn& turn) { return Polite::dispatchTo(polite, 0, 0, turn); }
