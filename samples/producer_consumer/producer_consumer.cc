// Producer and consumer. The cook casts as fast as it can; the customer eats slowly; so the customer's
// mailbox fills, and the cook is slowed down to the pace of the customer: nothing is lost, and no memory
// grows.
#include <troupe/troupe.h>

#include <iostream>

#include "kitchen.actor.h"

using namespace std::chrono_literals;

class Eater final : public troupe::Actor<Eater, Customer> {
 public:
  troupe::Task<> serve(ServeParams in) {
    if (in.getNumber() != eaten_ + 1) throw std::runtime_error("a dish is missing");
    if (in.getNumber() % 1000 == 0) co_await sleepFor(20ms);
    ++eaten_;
  }
  void eaten(EatenParams, EatenResults out) { out.setDishes(eaten_); }

 private:
  std::uint32_t eaten_ = 0;
};

int main(int argc, char** argv) {
  troupe::App app(argc, argv);
  app.child<Eater>("customer");
  app.main([](troupe::Self& self) -> troupe::Task<> {
    constexpr std::uint32_t kDishes = 20'000;
    auto customer = co_await self.find<Customer>("customer");
    std::uint32_t waited = 0;
    for (std::uint32_t number = 1; number <= kDishes; ++number) {
      const auto before = std::chrono::steady_clock::now();
      co_await customer.serve("apple", number);
      if (std::chrono::steady_clock::now() - before > 5ms) ++waited;
    }
    auto reply = co_await customer.within(1min).eaten();
    std::cout << "cooked " << kDishes << " dishes, eaten " << reply->getDishes()
              << "; the cook had to wait for the customer " << (waited > 0 ? "now and then" : "never")
              << std::endl;
  });
  return app.run();
}
