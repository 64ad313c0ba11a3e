// Something that happens once, for a coroutine that waits for it.
//
// Threads: the loop's.
#pragma once

#include <coroutine>
#include <memory>
#include <utility>

#include "loop/loop.h"

namespace troupe::actors {

class Occasion {
 public:
  // Who waits goes on soon, from the loop: not from within the one who calls this.
  void happen() {
    happened_ = true;
    if (!waiting_) return;
    loop::currentLoop().post([waiting = std::exchange(waiting_, nullptr)] {
      if (*waiting) waiting->resume();
    });
  }
  bool happened() const { return happened_; }

  // One at a time may wait. Destroyed, it does not wait any more.
  class Wait {
   public:
    explicit Wait(Occasion& occasion) : occasion_(occasion) {}
    Wait(const Wait&) = delete;
    ~Wait() {
      if (waiting_) *waiting_ = nullptr;
    }
    bool await_ready() const { return occasion_.happened_; }
    void await_suspend(std::coroutine_handle<> waiting) {
      waiting_ = std::make_shared<std::coroutine_handle<>>(waiting);
      occasion_.waiting_ = waiting_;
    }
    void await_resume() const {}

   private:
    Occasion& occasion_;
    std::shared_ptr<std::coroutine_handle<>> waiting_;
  };
  Wait operator co_await() { return Wait(*this); }

 private:
  bool happened_ = false;
  std::shared_ptr<std::coroutine_handle<>> waiting_;
};

}  // namespace troupe::actors
