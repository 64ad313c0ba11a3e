// expect: Greeter.forget has no handler
#include "family.actor.h"

// A Polyglot is a Greeter too.
class Interpreter final : public troupe::Actor<Interpreter, Polyglot> {
 public:
  void greet(GreetParams, GreetResults) {}
  void translate(TranslateParams, TranslateResults) {}
};

bool use(Interpreter& interpreter, troupe::Turn& turn) {
  return Interpreter::dispatchTo(interpreter, 0, 0, turn);
}
