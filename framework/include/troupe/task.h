// Task<T>: what a coroutine of an actor returns.
//
// Lazy: it starts when it is first awaited (or handed to a TaskGroup, or returned by a handler). It is
//       awaited at most once.
// Destroying a task that is suspended cancels it: its frame goes with its locals, and what it was waiting for
// is withdrawn. An exception that leaves the coroutine comes out of the co_await.
//
// Awaiting a task that ends without having to wait costs no stack afterwards: a loop may do it any number of
// times, in builds without optimisation too. Tasks that await tasks that await tasks use stack as functions
// that call functions do.
//
// Threads: a task belongs to the thread of its actor's event loop.
#pragma once

#include <troupe/frames.h>
#include <troupe/strand.h>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace troupe {
template <class T = void>
class Task;

namespace detail {

template <class T>
inline constexpr bool isTask = false;
template <class T>
inline constexpr bool isTask<Task<T>> = true;

class PromiseBase {
 public:
  // The coroutine's whole frame.
  static void* operator new(std::size_t bytes) { return takeFrame(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { dropFrame(frame, bytes); }

  std::suspend_always initial_suspend() const noexcept { return {}; }

  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    // The frame may be gone after ended(), and after the return.
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      PromiseBase& promise = self.promise();
      const std::coroutine_handle<> next = promise.continuation_;
      if (promise.outermost_) promise.strand_->ended(*promise.strand_);
      return next ? next : std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { exception_ = std::current_exception(); }

  template <class Awaitable>
    requires(!isTask<std::remove_cvref_t<Awaitable>>)
  auto await_transform(Awaitable&& awaitable) {
    using Awaiter = decltype(awaiterOf(std::forward<Awaitable>(awaitable)));
    return TrackedAwaiter<Awaiter>{awaiterOf(std::forward<Awaitable>(awaitable))};
  }
  template <class Awaitable>
    requires(isTask<std::remove_cvref_t<Awaitable>>)
  Awaitable&& await_transform(Awaitable&& awaitable) noexcept {
    return std::forward<Awaitable>(awaitable);
  }

  // Runs this task, on behalf of the one that awaits it, up to its first suspension; false where it has ended
  // already. Only a task that has slept resumes its awaiter itself: were it always to do so, each await in a
  // loop would leave a stack frame behind where the compiler makes no tail call.
  template <class Promise>
  bool startFor(std::coroutine_handle<> self, std::coroutine_handle<Promise> awaiting) {
    if constexpr (std::derived_from<Promise, PromiseBase>) strand_ = awaiting.promise().strand_;
    self.resume();
    if (self.done()) return false;
    continuation_ = awaiting;
    return true;
  }

  Strand* strand() const { return strand_; }
  void beginStrand(Strand& strand) {
    strand_ = &strand;
    outermost_ = true;
  }
  // Resumed when this task ends.
  void continueWith(std::coroutine_handle<> continuation) { continuation_ = continuation; }
  std::exception_ptr exception() const { return exception_; }
  void rethrow() const {
    if (exception_) std::rethrow_exception(exception_);
  }

 private:
  std::coroutine_handle<> continuation_;
  std::exception_ptr exception_;
  Strand* strand_ = nullptr;
  bool outermost_ = false;
};

template <class T>
class Promise final : public PromiseBase {
 public:
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T take() {
    rethrow();
    return std::move(*value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class Promise<void> final : public PromiseBase {
 public:
  Task<void> get_return_object();
  void return_void() const noexcept {}
  void take() const { rethrow(); }
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() { reset(); }

  bool valid() const { return static_cast<bool>(handle_); }
  bool done() const { return !handle_ || handle_.done(); }

  struct Awaiter {
    Handle handle;
    bool await_ready() const noexcept { return handle.done(); }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> awaiting) const {
      return handle.promise().startFor(handle, awaiting);
    }
    T await_resume() const { return handle.promise().take(); }
  };
  Awaiter operator co_await() && noexcept { return Awaiter{handle_}; }
  Awaiter operator co_await() & noexcept { return Awaiter{handle_}; }

  // For those who run tasks from outside a coroutine: starts or goes on with it; take() gives its result, or
  // throws, once it is done.
  void resume() const { handle_.resume(); }
  T take() const { return handle_.promise().take(); }
  promise_type& promise() const { return handle_.promise(); }

 private:
  void reset() {
    if (handle_) std::exchange(handle_, {}).destroy();
  }
  Handle handle_;
};

namespace detail {
template <class T>
Task<T> Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}
}  // namespace detail

}  // namespace troupe
