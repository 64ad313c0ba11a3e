// The strand of a task: the task that runs on its own together with all that it awaits. Part of the machinery of
// tasks (<troupe/task.h>); users have nothing to do with it.
//
// Threads: that of the event loop.
#pragma once

#include <concepts>
#include <coroutine>
#include <type_traits>
#include <utility>

namespace troupe::detail {

// What is known about a task that runs on its own together with all that it awaits: see loop/task_group.h.
struct Strand {
  bool running = false;
  bool cancelled = false;  // to be left suspended for ever at its next suspension, and then destroyed
  // The outermost task has ended, and may be destroyed.
  void (*ended)(Strand&) noexcept = nullptr;
  // On whose behalf it runs: the turn whose handler it is, if any.
  void* context = nullptr;

  // The strand whose code runs at this moment, or null.
  static Strand*& current() noexcept;
  void wake() noexcept {
    running = true;
    outer_ = std::exchange(current(), this);
  }
  void sleep() noexcept {
    running = false;
    current() = outer_;
  }

 protected:
  ~Strand() = default;

 private:
  Strand* outer_ = nullptr;  // whose code has woken this one
};

// Stands around whatever a task awaits that is not a task, and notes when the strand falls asleep and wakes
// up.
template <class Awaiter>
struct TrackedAwaiter {
  Awaiter awaiter;
  Strand* strand = nullptr;

  decltype(auto) await_ready() { return awaiter.await_ready(); }

  // After the inner await_suspend() has begun, this object may be gone at any time: the coroutine may have
  // been resumed.
  template <class Promise>
  auto await_suspend(std::coroutine_handle<Promise> self) {
    using Result = decltype(awaiter.await_suspend(self));
    Strand* const asleep = strand = self.promise().strand();
    if (asleep) asleep->sleep();
    if constexpr (std::is_void_v<Result>) {
      if (asleep && asleep->cancelled) return;
      suspend(asleep, self);
    } else if constexpr (std::convertible_to<Result, std::coroutine_handle<>>) {
      if (asleep && asleep->cancelled) return std::coroutine_handle<>(std::noop_coroutine());
      return std::coroutine_handle<>(suspend(asleep, self));
    } else {
      if (asleep && asleep->cancelled) return true;
      const bool suspended = suspend(asleep, self);
      if (!suspended && asleep) asleep->wake();
      return suspended;
    }
  }

  decltype(auto) await_resume() {
    if (strand && !strand->running) strand->wake();
    return awaiter.await_resume();
  }

 private:
  template <class Handle>
  decltype(auto) suspend(Strand* asleep, Handle self) {
    try {
      return awaiter.await_suspend(self);
    } catch (...) {
      if (asleep) asleep->wake();
      throw;
    }
  }
};

template <class Awaitable>
decltype(auto) awaiterOf(Awaitable&& awaitable) {
  if constexpr (requires { std::forward<Awaitable>(awaitable).operator co_await(); })
    return std::forward<Awaitable>(awaitable).operator co_await();
  else if constexpr (requires { operator co_await(std::forward<Awaitable>(awaitable)); })
    return operator co_await(std::forward<Awaitable>(awaitable));
  else
    return std::forward<Awaitable>(awaitable);
}

}  // namespace troupe::detail
