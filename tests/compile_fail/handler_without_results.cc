// expect: the handler of Greeter.greet has the wrong parameters
// expect: void greet(GreetParams in, GreetResults out)
#include "greeter.actor.h"

class Polite final : public troupe::Actor<Polite, Greeter> {
 public:
  void greet(GreetParams) {}
  void forget(ForgetParams) {}
};

bool use(Polite& polite, troupe::Turn& turn) { return Polite::dispatchTo(polite, 0, 0, turn); }
