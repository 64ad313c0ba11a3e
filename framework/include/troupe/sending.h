// What a Ref<I> sends with: messages being made, and those under way. For <troupe/ref.h>, which has what programs use.
//
// Threads: the event loop of the actor that sends.
#pragma once

#include <troupe/plain_params.h>

#include <capnp/any.h>
#include <kj/exception.h>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace troupe {

class RefBase;

namespace detail {

class PendingCall;
class PendingCast;

// The message of a reply, which it owns.
class ReplyMessage {
 public:
  ReplyMessage(std::shared_ptr<const void> owner, capnp::AnyPointer::Reader checked,
               capnp::AnyPointer::Reader body)
      : owner_(std::move(owner)), checked_(checked), body_(body) {}
  // For checking: reading more than an honest message needs, throws. Then body() can be read without a limit.
  capnp::AnyPointer::Reader checked() const { return checked_; }
  capnp::AnyPointer::Reader body() const { return body_; }

 private:
  std::shared_ptr<const void> owner_;
  capnp::AnyPointer::Reader checked_;
  capnp::AnyPointer::Reader body_;
};

// A call that was sent. Destroying it abandons the call: a reply that still comes is dropped.
class CallHandle {
 public:
  explicit CallHandle(std::shared_ptr<PendingCall> call) : call_(std::move(call)) {}
  CallHandle(CallHandle&&) noexcept = default;
  CallHandle& operator=(CallHandle&& other) noexcept;
  ~CallHandle();
  bool done() const;
  void whenDone(std::coroutine_handle<> waiting) const;
  ReplyMessage take() const;
  // The reply is malformed: throws `invalid`.
  [[noreturn]] void malformed(const kj::Exception& what) const;

 private:
  std::shared_ptr<PendingCall> call_;
};

// A cast that was put into the outbox, or waits for room there.
class CastHandle {
 public:
  explicit CastHandle(std::shared_ptr<PendingCast> cast) : cast_(std::move(cast)) {}
  // It found no room at once.
  bool waits() const { return cast_ != nullptr; }
  bool placed() const { return !cast_ || found(); }
  // To be awaited even though it is placed: the event loop has its turn now and then.
  bool ready() const { return placed() && !yieldNow(); }
  void whenPlaced(std::coroutine_handle<> waiting);
  void check() const {
    if (cast_) checkFound();
  }

 private:
  bool found() const;
  void checkFound() const;
  static bool yieldNow();

  std::shared_ptr<PendingCast> cast_;               // null: placed
  std::shared_ptr<std::coroutine_handle<>> yield_;  // goes on from the loop, unless this is gone by then
};

// A call or cast of parameters that are written in place (<troupe/plain_params.h>): there is one at a time.
class PlainDraft {
 public:
  // Whether it is small enough; a Draft takes others.
  template <FillsPlainly Fill>
  static bool fits(const Fill& fill) {
    return fits(Fill::kDataWords + Fill::kPointers + fill.words);
  }
  template <FillsPlainly Fill>
  PlainDraft(const RefBase& to, std::uint64_t interfaceId, std::uint16_t method, const char* name,
             bool isCall, const Fill& fill)
      : to_(to), name_(name) {
    PlainParams params(begin(interfaceId, method, isCall, Fill::kDataWords, Fill::kPointers, fill.words),
                       Fill::kDataWords, Fill::kPointers);
    fill.write(params);
  }
  CallHandle call();
  CastHandle cast();

 private:
  static bool fits(std::size_t words);
  std::uint64_t* placeFor(std::size_t words) const;
  // Where the parameters go.
  std::uint64_t* begin(std::uint64_t interfaceId, std::uint16_t method, bool isCall, unsigned dataWords,
                       unsigned pointers, std::size_t more);

  const RefBase& to_;
  const char* name_;
  std::size_t placed_ = 0;  // bytes, where it is made where it is sent from
};

// A message being made for an actor.
class Draft {
 public:
  Draft(const RefBase& to, std::uint64_t interfaceId, std::uint16_t method, const char* name);
  ~Draft();
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  capnp::AnyPointer::Builder body();
  CallHandle call();
  CastHandle cast();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace detail
}  // namespace troupe
