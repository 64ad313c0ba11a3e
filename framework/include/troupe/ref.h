// Ref<I>: the address of an actor that serves the protocol I, to send with.
//
//     auto reply = co_await greeter.greet("Ada");        a call: sent at once, even if it is awaited later
//     co_await greeter.forget("Ada");                    a cast: goes on when there was room for it
//     greeter.forget("Ada");                             the same, `overloaded` where there is no room
//     co_await greeter.within(1s).greet("Ada");          with a deadline of its own; the default is 5 s, as in OTP
//
// Order:     what one actor sends to another arrives in the order of sending.
// Lifetime:  a Ref is a value. It stays valid when its actor crashes and is restarted, and can be sent in messages: it converts
//            to and from I::Client, which is what interface-typed fields are made of.
// Ownership: a reply owns its message; readers taken from it are valid as long as it is.
// Errors:    a call ends with a reply or an Error: timedOut, gone, crashed, refused, overloaded, invalid. A cast is not told
//            what becomes of it, and a cast to an actor that has gone is no error.
// Threads:   the event loop of the actor that has it.
#pragma once

#include <troupe/error.h>
#include <troupe/protocol.h>
#include <troupe/sending.h>
#include <troupe/spec.h>

#include <capnp/any.h>
#include <capnp/capability.h>
#include <kj/exception.h>

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace troupe {

using ActorId = std::uint64_t;

inline constexpr Duration kDefaultDeadline = std::chrono::seconds(5);

// What all references have in common.
class RefBase {
 public:
  RefBase() = default;
  RefBase(ActorId id, std::string path)
      : id_(id), path_(std::make_shared<const std::string>(std::move(path))) {}

  ActorId id() const { return id_; }
  // "/shop/till"; for people.
  const std::string& path() const;
  Duration deadline() const { return deadline_; }
  explicit operator bool() const { return id_ != 0; }
  friend bool operator==(const RefBase& a, const RefBase& b) { return a.id_ == b.id_; }

 protected:
  ActorId id_ = 0;
  std::shared_ptr<const std::string> path_;
  Duration deadline_ = kDefaultDeadline;
};

namespace detail {

RefBase refOf(capnp::Capability::Client client);
capnp::Capability::Client clientOf(const RefBase& ref);

}  // namespace detail

// Throws kj::Exception where a reply of this type is malformed.
template <class R>
using ReplyCheck = void (*)(const typename R::Reader&);

// The results of a call; `->` gives the reader of its result struct.
template <class R>
class Reply {
 public:
  explicit Reply(detail::ReplyMessage message)
      : message_(std::move(message)), results_(message_.body().template getAs<R>()) {}
  const typename R::Reader* operator->() const { return &results_; }
  const typename R::Reader& operator*() const { return results_; }

 private:
  detail::ReplyMessage message_;
  typename R::Reader results_;
};

// A call under way: co_await gives its Reply, or throws its Error. It is awaited at most once; destroyed, it is abandoned.
template <class R>
class [[nodiscard("a call is co_awaited; where no answer is wanted, declare a cast")]] Call {
 public:
  Call(detail::CallHandle handle, ReplyCheck<R> check) : handle_(std::move(handle)), check_(check) {}
  bool await_ready() const { return handle_.done(); }
  void await_suspend(std::coroutine_handle<> waiting) const { handle_.whenDone(waiting); }
  Reply<R> await_resume() const {
    detail::ReplyMessage message = handle_.take();
    try {
      check_(message.checked().getAs<R>());
    } catch (const kj::Exception& exception) {
      handle_.malformed(exception);
    }
    return Reply<R>(std::move(message));
  }

 private:
  detail::CallHandle handle_;
  ReplyCheck<R> check_;
};

// A cast under way: co_await goes on when there was room for it. Not awaited, it must have found room at once: its destructor
// throws `overloaded` otherwise.
class Cast {
 public:
  explicit Cast(detail::CastHandle handle)
      : handle_(std::move(handle)), exceptions_(handle_.waits() ? std::uncaught_exceptions() : 0) {}
  Cast(const Cast&) = delete;
  Cast& operator=(const Cast&) = delete;
  ~Cast() noexcept(false) {
    if (handle_.waits() && !awaited_ && std::uncaught_exceptions() == exceptions_) handle_.check();
  }
  bool await_ready() {
    awaited_ = true;
    return handle_.ready();
  }
  void await_suspend(std::coroutine_handle<> waiting) { handle_.whenPlaced(waiting); }
  void await_resume() const { handle_.check(); }

 private:
  detail::CastHandle handle_;
  int exceptions_;
  bool awaited_ = false;
};

namespace detail {
template <class I, class Derived, class List>
class RefMethodsOf;
template <class I, class Derived, class... X>
class RefMethodsOf<I, Derived, TypeList<X...>> : public RefMethods<X, Derived>... {};

template <class X, class List>
inline constexpr bool kContains = false;
template <class X, class... Y>
inline constexpr bool kContains<X, TypeList<Y...>> = (std::same_as<X, Y> || ...);
}  // namespace detail

template <class I>
class Ref : public RefBase, public detail::RefMethodsOf<I, Ref<I>, typename Protocol<I>::All> {
 public:
  Ref() = default;
  explicit Ref(RefBase base) : RefBase(std::move(base)) {}
  // From the reader of an interface-typed field.
  Ref(typename I::Client client) : RefBase(detail::refOf(std::move(client))) {}
  // From a reference to an actor whose protocol extends I.
  template <class D>
    requires(!std::same_as<D, I> && detail::kContains<I, typename Protocol<D>::All>)
  Ref(const Ref<D>& other) : RefBase(other) {}

  // Into the builder of an interface-typed field.
  operator typename I::Client() const { return detail::clientOf(*this).template castAs<I>(); }

  // The same reference, with a deadline for the calls made with it. kForever: none.
  Ref within(Duration deadline) const {
    Ref other = *this;
    other.deadline_ = deadline;
    return other;
  }

  // Used by the generated methods.
  template <class Params, class Results, class Fill, class Check>
  Call<Results> sendCall(std::uint64_t interfaceId, std::uint16_t method, const char* name, Fill&& fill,
                         const Check&) const {
    constexpr ReplyCheck<Results> check = [](const typename Results::Reader& results) { Check()(results); };
    if constexpr (FillsPlainly<std::remove_cvref_t<Fill>>) {
      if (detail::PlainDraft::fits(fill))
        return Call<Results>(detail::PlainDraft(*this, interfaceId, method, name, true, fill).call(), check);
    }
    detail::Draft draft(*this, interfaceId, method, name);
    fill(draft.body().template initAs<Params>());
    return Call<Results>(draft.call(), check);
  }
  template <class Params, class Fill>
  Cast sendCast(std::uint64_t interfaceId, std::uint16_t method, const char* name, Fill&& fill) const {
    if constexpr (FillsPlainly<std::remove_cvref_t<Fill>>) {
      if (detail::PlainDraft::fits(fill))
        return Cast(detail::PlainDraft(*this, interfaceId, method, name, false, fill).cast());
    }
    detail::Draft draft(*this, interfaceId, method, name);
    fill(draft.body().template initAs<Params>());
    return Cast(draft.cast());
  }
};

}  // namespace troupe
