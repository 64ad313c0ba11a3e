// The actors that this process watches, and what was told of them.
#pragma once

#include <troupe/self.h>

#include <coroutine>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "wire/packet.h"

namespace troupe {

struct Monitor::State {
  std::deque<Down> told;
  std::uint32_t process = 0;  // only that one is watched; 0: all
  bool final = false;
  std::coroutine_handle<> waiting;
  std::function<void()> withdrawn;
  ~State() {
    if (withdrawn) withdrawn();
  }
};

namespace actor {

class Monitors {
 public:
  struct Hooks {
    std::function<void(wire::ActorId)> watch;
    std::function<void(wire::ActorId, std::uint32_t generation)> watchProcess;
    std::function<void(wire::ActorId)> unwatch;
  };
  explicit Monitors(Hooks hooks) : hooks_(std::move(hooks)) {}

  // All processes of the actor, or the one of that generation.
  std::shared_ptr<Monitor::State> add(wire::ActorId actor, std::uint32_t process = 0);
  // `replaced`: that process had handed over before, so that nothing has happened to the actor.
  void tell(wire::ActorId actor, const Down& down, bool replaced = false);
  // Who was told for this process meanwhile was another one.
  void watchAgain() const;

 private:
  Hooks hooks_;
  std::unordered_map<wire::ActorId, std::vector<std::weak_ptr<Monitor::State>>> watched_;
};

}  // namespace actor
}  // namespace troupe
