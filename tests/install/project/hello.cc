#include "greeter.actor.h"

#include <troupe/troupe.h>

#include <iostream>

class Polite final : public troupe::Actor<Polite, Greeter> {
 public:
  void greet(GreetParams in, GreetResults out) {
    out.setGreeting(kj::str("Hello, ", in.getName(), ", for the ", ++visits_, ". time"));
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
    auto reply = co_await greeter.greet("Ada");
    std::cout << reply->getGreeting().cStr() << '\n';
  });
  return app.run();
}
