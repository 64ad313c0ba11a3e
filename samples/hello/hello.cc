// The smallest whole program: one actor, called and cast to, in a process of its own under a supervisor.
#include <troupe/troupe.h>

#include <iostream>

#include "greeter.actor.h"

class Polite final : public troupe::Actor<Polite, Greeter> {
 public:
  void greet(GreetParams in, GreetResults out) {
    out.setGreeting(kj::str("Hello, ", in.getName(), ", for time number ", ++visits_));
  }
  void forget(ForgetParams) { visits_ = 0; }

 private:
  int visits_ = 0;
};

int main(int argc, char** argv) {
  troupe::App app(argc, argv);
  app.child<Polite>("greeter");
  app.main([](troupe::Self& self) -> troupe::Task<> {
    auto greeter = co_await self.find<Greeter>("greeter");
    for (int i = 0; i < 2; ++i) {
      auto reply = co_await greeter.greet("Ada");
      std::cout << reply->getGreeting().cStr() << '\n';
    }
    co_await greeter.forget("Ada");
    auto reply = co_await greeter.greet("Ada");
    std::cout << reply->getGreeting().cStr() << '\n';
  });
  return app.run();
}
