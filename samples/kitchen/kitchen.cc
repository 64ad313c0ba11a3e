// Producers and consumers around a bounded queue. A customer that dies while eating does not lose the dish: the queue hands it out
// again. The kitchen closes when both cooks have gone home, which they do when all that was cooked has been eaten.
#include <troupe/troupe.h>

#include "dish.actor.h"

using namespace std::chrono_literals;

class Cook final : public troupe::Actor<Cook> {
 public:
  explicit Cook(std::string food) : food_(std::move(food)) {}

  troupe::Task<> run() {
    auto table = co_await find<troupe::Queue<Dish>>("table");
    for (int i = 0; i < 3; ++i) {
      co_await sleepFor(50ms);
      co_await table.put([&](Dish::Builder dish) {
        dish.setName(food_ + " " + std::to_string(i + 1));
        dish.setCook(name());
      });
    }
    co_await table.join();
  }

 private:
  std::string food_;
};

class Customer final : public troupe::Actor<Customer> {
 public:
  troupe::Task<> run() {
    auto table = co_await find<troupe::Queue<Dish>>("table");
    while (auto dish = co_await table.get()) {
      const std::string what = std::string(dish->getName().cStr()) + " of " + dish->getCook().cStr();
      if (what == "pear 2 of lucy" && !dish.again()) std::abort();  // a fishbone
      co_await sleepFor(20ms);
      log().info("{} eats {}{}", name(), what, dish.again() ? ", which another has left" : "");
      co_await dish.done();
    }
  }
};

int main(int argc, char** argv) {
  troupe::App app(argc, argv);
  app.supervise({.autoShutdown = troupe::AutoShutdown::allSignificant});
  app.queue<Dish>("table", {.capacity = 8});
  app.child<Customer>("lily");
  app.child<Customer>("rose");
  const troupe::ChildSpec once{.restart = troupe::Restart::transient, .significant = true};
  app.child<Cook>("dream", once, "apple");
  app.child<Cook>("lucy", once, "pear");
  return app.run();
}
