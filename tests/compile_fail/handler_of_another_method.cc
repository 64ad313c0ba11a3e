// expect: the handler of Greeter.forget has the wrong parameters
#include "greeter.actor.h"

class Polite final : public troupe::Actor<Polite, Greeter> {
 public:
  void greet(GreetParams, GreetResults) {}
  void forget(GreetParams) {}
};

bool use(Polite& polite, troupe::Turn& turn) { return Polite::dispatchTo(polite, 0, 0, turn); }
