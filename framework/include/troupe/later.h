// Later<R>: the answer to a call that a handler leaves for later: what OTP does with gen_server:reply.
//
//     void get(GetParams, GetResults out) { waiting_.push_back(out.later()); }
//     ...
//     waiting_.front().answer([&](auto results) { results.setItem(item); });
//
// Turn:      the handler's turn ends without an answer, and the next message is handled. The message counts as done: nobody is told
//            that its call has failed where this process dies. So it is plain memory, which can be kept (<troupe/kept.h>), and by which
//            the next process of the actor answers.
// Order:     answered in a handler, the answer leaves when that turn ends, together with what else it does, or not at all; else at once.
// Errors:    an answer to a call that has ended (its deadline is over, the caller has died) is dropped, as is a second one. A call
//            that is never answered ends by its deadline, or when the actor has gone for good. answer() throws what sending does.
// Threads:   the actor's.
#pragma once

#include <troupe/ref.h>
#include <troupe/sending.h>

#include <capnp/any.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>

namespace troupe {

namespace detail {

struct LaterCall {
  ActorId caller = 0;
  std::uint64_t number = 0;
  std::int64_t deadline = 0;  // of the machine's monotonic clock, in nanoseconds; 0: none
  std::uint32_t generation = 0;
  std::uint32_t reserved = 0;  // its bytes are written to where it is kept
};

bool isOver(const LaterCall& call);
void refuseLater(const LaterCall& call, std::string_view text);

// The answer while it is made.
class LaterDraft {
 public:
  explicit LaterDraft(const LaterCall& call);
  ~LaterDraft();
  LaterDraft(const LaterDraft&) = delete;
  LaterDraft& operator=(const LaterDraft&) = delete;
  capnp::AnyPointer::Builder body();
  void send();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace detail

template <class R>
class Later {
 public:
  // Of no call: what it answers goes nowhere.
  Later() = default;
  explicit Later(const detail::LaterCall& call) : call_(call) {}

  template <class Fill>
  void answer(Fill&& fill) const {
    if (expired()) return;
    detail::LaterDraft draft(call_);
    fill(draft.body().template initAs<R>());
    draft.send();
  }
  void answer() const {
    answer([](const typename R::Builder&) {});
  }
  // The caller gets an Error of kind `refused` with this text.
  void refuse(std::string_view text) const { detail::refuseLater(call_, text); }

  // Nobody waits any more: the deadline is over.
  bool expired() const { return detail::isOver(call_); }
  ActorId actor() const { return call_.caller; }
  std::uint32_t generation() const { return call_.generation; }

 private:
  detail::LaterCall call_;
};

}  // namespace troupe
