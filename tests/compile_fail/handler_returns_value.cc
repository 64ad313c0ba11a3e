// expect: the handler of Greeter.greet must return void or troupe::Task<>
// expect: the handler of Greeter.forget must return void or troupe::Task<>
#include "greeter.actor.h"

class Polite final : public troupe::Actor<Polite, Greeter> {
 public:
  int greet(GreetParams, GreetResults) { return 0; }
  troupe::Task<int> forget(ForgetParams) { co_return 0; }
};

bool use(Polite& polite, troupe::Turn& turn) { return Polite::dispatchTo(polite, 0, 0, turn); }
