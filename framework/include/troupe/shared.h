// Shared<T>: a value in memory that several actors have mapped: multiprocessing's Value and Array.
//
//     auto total = app.shared<Stats>("total");                           in main; given to children as a constructor argument
//     app.child<Worker>("worker", {}, total);
//
//     const Stats now = total.read();
//     total.update([](Stats& stats) { ++stats.done; });
//
//     auto visits = app.shared<std::int64_t>("visits", 40);              a number is changed in one step of the processor
//     const std::int64_t after = visits.add(1);
//
// Value:     of plain memory: trivially copyable, with a default constructor, no pointers, at most 256 KiB (larger things: SharedBlock).
// Crash:     who dies in an update, at whatever instruction, leaves the value as it was; and the next has the lock.
// Reading:   gives a value that was there as a whole, and waits for nobody.
// Waiting:   an update excludes others, and those wait, with all that their process does: so it does nothing but compute. What is updated so
//            often that they wait for long belongs to an actor (<troupe/counter.h>, <troupe/dictionary.h>). Behind a process that is
//            stopped (SIGSTOP) in an update they wait for a second, or as long as within() says; that is an error, and nothing has changed.
// Lifetime:  a Shared is a value, and stands for the memory. That is there until the last process that was given it has ended, or let go of
//            it: children that are restarted find it as it was. It has no name in the file system, so nobody can take it away, and nothing
//            of it stays, however all end.
// Elsewhere: an actor can make one too (make), and give it to the children that it starts (SupervisorRef::start), or send its address() to
//            an actor, which opens it.
// Exec:      in a process that runs main anew, this is the memory that the others have, if it was given it; `initial` is for the first one.
// Layout:    where T's name, size, alignment or `static constexpr std::uint64_t kLayout` is not what the memory was made with, as in a newer
//            program (SupervisorRef::upgrade), the error is `invalid`.
// Errors:    timedOut, naming the process that holds the lock; gone, from open(); system, where there is no memory for it; invalid: a name
//            that is empty or too long, an empty Shared, one that this process was not given, an update inside an update, memory
//            that was written over.
// Threads:   the actor's.
#pragma once

#include <troupe/kept.h>
#include <troupe/shared_memory.h>
#include <troupe/spec.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace troupe {

inline constexpr Duration kSharedWait = std::chrono::seconds(1);

namespace detail {

inline constexpr std::size_t kMostSharedBytes = std::size_t{256} << 10;

template <class T>
concept SharedNumber =
    (std::is_arithmetic_v<T> || std::is_enum_v<T>) && std::atomic_ref<T>::is_always_lock_free;

template <class R>
concept Awaited = requires(R result) { result.await_ready(); } || requires(R result) {
  operator co_await(std::move(result));
} || requires(R result) { std::move(result).operator co_await(); };

// What all of them have in common.
template <class T>
class SharedBase {
  static_assert(
      std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>,
      "a shared value is plain memory: trivially copyable, and without pointers, which mean nothing in another process");
  static_assert(std::is_default_constructible_v<T>, "a shared value has a default constructor");
  static_assert(
      sizeof(T) <= kMostSharedBytes,
      "a shared value has at most 256 KiB, since it is copied as a whole: see <troupe/shared_block.h>");

 public:
  SharedBase() = default;
  explicit SharedBase(SharedMemory memory) : memory_(std::move(memory)) {}
  explicit operator bool() const { return static_cast<bool>(memory_); }
  const std::string& name() const { return memory_.name(); }
  // A text by which any process of the same user opens the same memory, as long as this process has it.
  std::string address() const { return memory_.address(); }

  static SharedType type() {
    using enum SharedType::Form;
    return {SharedNumber<T> ? number : value, fingerprintOf<T>(), typeid(T).name(), sizeof(T)};
  }
  const SharedMemory& memory() const { return memory_; }

 protected:
  static SharedMemory made(std::string name, const T& initial) {
    return SharedMemory::make(type(), std::move(name), std::as_bytes(std::span(&initial, 1)));
  }
  SharedMemory memory_;
};

}  // namespace detail

template <class T>
class Shared : public detail::SharedBase<T> {
  using detail::SharedBase<T>::memory_;

 public:
  using detail::SharedBase<T>::SharedBase;
  // By an actor at run time.
  static Shared make(std::string name, const T& initial = T{}) {
    return Shared(Shared::made(std::move(name), initial));
  }
  static Shared open(const std::string& address) {
    return Shared(detail::SharedMemory::open(Shared::type(), address));
  }

  // The same, where an update waits as long as that.
  Shared within(Duration wait) const {
    Shared other = *this;
    other.wait_ = wait;
    return other;
  }

  T read() const {
    T value{};
    memory_.read(&value);
    return value;
  }
  // Calls `change` with a copy, which becomes the value when it returns. Returns what it returns. Where it throws, nothing has changed.
  template <std::invocable<T&> F>
  auto update(F&& change) const {
    using Result = std::invoke_result_t<F, T&>;
    static_assert(!detail::Awaited<Result>, "an update of a shared value can't wait: it holds a lock");
    const detail::SharedLocked locked(memory_, wait_);
    T value = read();
    if constexpr (std::is_void_v<Result>) {
      std::invoke(std::forward<F>(change), value);
      memory_.commit(&value);
    } else {
      auto result = std::invoke(std::forward<F>(change), value);
      memory_.commit(&value);
      return result;
    }
  }
  void write(const T& value) const {
    const detail::SharedLocked locked(memory_, wait_);
    memory_.commit(&value);
  }

 private:
  Duration wait_ = kSharedWait;
};

// Numbers, bool and enumerations: no lock, so nobody waits for anybody. Sums wrap around.
template <detail::SharedNumber T>
class Shared<T> : public detail::SharedBase<T> {
 public:
  using detail::SharedBase<T>::SharedBase;
  static Shared make(std::string name, const T& initial = T{}) {
    return Shared(Shared::made(std::move(name), initial));
  }
  static Shared open(const std::string& address) {
    return Shared(detail::SharedMemory::open(Shared::type(), address));
  }

  T read() const { return there().load(); }
  void write(T value) const { there().store(value); }
  // What it was before.
  T exchange(T value) const { return there().exchange(value); }
  // Sets it to `desired` where it is `expected`; says else what it is.
  bool compareExchange(T& expected, T desired) const {
    return there().compare_exchange_strong(expected, desired);
  }
  // What it is after that.
  T add(T by) const
    requires(std::is_arithmetic_v<T> && !std::same_as<T, bool>)
  {
    const T before = there().fetch_add(by);
    if constexpr (std::integral<T>)
      return static_cast<T>(static_cast<std::uintmax_t>(before) + static_cast<std::uintmax_t>(by));
    else
      return before + by;
  }
  // Calls `change` with a copy, again where another process was faster; so it should do nothing else.
  template <std::invocable<T&> F>
  T update(F&& change) const {
    static_assert(!detail::Awaited<std::invoke_result_t<F&, T&>>, "an update of a shared value can't wait");
    T before = read();
    for (;;) {
      T after = before;
      std::invoke(change, after);
      if (compareExchange(before, after)) return after;
    }
  }

 private:
  std::atomic_ref<T> there() const {
    return std::atomic_ref<T>(*reinterpret_cast<T*>(this->memory_.content(true)));
  }
};

namespace detail {

template <class T>
struct ArgumentCodec<Shared<T>> {
  static Argument toArgument(const Shared<T>& shared) { return SharedMemory::toArgument(shared.memory()); }
  static Shared<T> fromArgument(const Argument& value) {
    return Shared<T>(SharedMemory::fromArgument(Shared<T>::type(), value));
  }
  static int descriptorOf(const Shared<T>& shared) { return shared.memory().fd(); }
};

}  // namespace detail
}  // namespace troupe
