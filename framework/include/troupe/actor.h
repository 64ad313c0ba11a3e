// Actor<Self, I...>: the base of an actor that serves the protocols I..., in a process of its own.
//
//     class Polite final : public troupe::Actor<Polite, Greeter> {
//      public:
//       void greet(GreetParams in, GreetResults out) { out.setGreeting("Hello"); }
//       void forget(ForgetParams in) {}
//     };
//
// Handlers   are member functions named after the methods; they return void, or troupe::Task<> and may co_await. One message
//            is handled at a time; while a handler waits, the next message waits too, and timers, sockets and spawned tasks go
//            on. With `static constexpr bool kReentrant = true;` in the class, messages are handled meanwhile.
// init()     runs before the actor counts as started. It returns void, Start, Task<> or Task<Start>.
// run()      runs beside the handlers, after init(). It returns void or Task<>. When it ends, the actor ends: `normal`.
// stopping() runs on an orderly stop, when the turn at hand is over and run() was cancelled. It returns void or Task<>.
// All three are optional.
//
// Errors:    an expected failure is out.refuse("..."); an exception that leaves any of these functions is a crash, whose
//            ExitReason has its message.
// Lifetime:  `in` is valid until the handler ends. The reply is sent when it has ended.
// Threads:   everything runs on the actor's only thread, the process's main thread.
#pragma once

#include <troupe/later.h>
#include <troupe/protocol.h>
#include <troupe/ref.h>
#include <troupe/self.h>
#include <troupe/task.h>

#include <capnp/any.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace troupe {

// What init() may return.
struct Start {
  bool ignored = false;   // there is nothing to do: no failure, and no process is kept (OTP's `ignore`)
  std::string info = {};  // for whoever started it (OTP's extra start information)

  static Start ignore() { return {.ignored = true}; }
  static Start with(std::string info) { return {.info = std::move(info)}; }
};

// One message while it is handled. Used by generated code.
class Turn {
 public:
  struct State;
  explicit Turn(State& state) : state_(&state) {}

  template <class Params, class ResultStruct, class Check, class Handler>
  void call(Check check, Handler handler);
  template <class Params, class Check, class Handler>
  void cast(Check check, Handler handler);

  // The caller gets an Error of kind `refused` with this text, and no results.
  void refuse(std::string_view text) const;
  // No answer goes out when the turn ends.
  detail::LaterCall later() const;

 private:
  // The pointer to the parameters of a plain message; null of others.
  const capnp::word* plainParams() const;
  capnp::AnyPointer::Reader checkedParams() const;
  capnp::AnyPointer::Reader params() const;
  capnp::AnyPointer::Builder results() const;
  // The message itself is malformed: the handler does not get to see it.
  void malformed(std::string_view what) const;
  void goOnWith(Task<> task) const;

  // The parameters, where nothing is wrong with them.
  template <class Params, class Check>
  std::optional<typename Params::Reader> checked(Check& check) const;

  State* state_;
};

// The results of a call while they are made: the builder of the result struct, and the way to say no.
template <class R>
class Results : public R::Builder {
 public:
  Results(typename R::Builder builder, Turn turn) : R::Builder(builder), turn_(turn) {}

  // An expected failure: the caller gets an Error of kind `refused` with this text. What was set is dropped.
  void refuse(std::string_view text) { turn_.refuse(text); }

  // The call is not answered when the handler ends, but through what is returned (<troupe/later.h>). What was set is dropped.
  Later<R> later() { return Later<R>(turn_.later()); }

 private:
  Turn turn_;
};

// What all actors have in common: the members of Self (<troupe/self.h>), as the actor's own.
class ActorBase {
 public:
  ActorBase();
  virtual ~ActorBase() = default;
  ActorBase(const ActorBase&) = delete;
  ActorBase& operator=(const ActorBase&) = delete;

 protected:
  Self& self() { return self_; }
  const std::string& path() const { return self_.path(); }
  std::string name() const { return self_.name(); }
  Logger log() const { return self_.log(); }
  template <class I>
  auto find(std::string name) {
    return self_.find<I>(std::move(name));
  }
  Task<SupervisorRef> findSupervisor(std::string name) { return self_.findSupervisor(std::move(name)); }
  Task<> sleepFor(Duration duration) { return self_.sleepFor(duration); }
  void spawn(Task<> task) { self_.spawn(std::move(task)); }
  Monitor monitor(const RefBase& actor) { return self_.monitor(actor); }
  Monitor monitor(const Caller& process) { return self_.monitor(process); }
  Caller caller() const { return self_.caller(); }
  void stop(ExitReason reason = {.kind = ExitKind::shutdown}) { self_.stop(std::move(reason)); }

 private:
  Self self_;
};

namespace detail {

// The union of lists of types, each type once.
template <class List, class... Lists>
struct Union;
template <class... X>
struct Union<TypeList<X...>> {
  using Type = TypeList<X...>;
};
template <class... X, class... Rest>
struct Union<TypeList<X...>, TypeList<>, Rest...> : Union<TypeList<X...>, Rest...> {};
template <class... X, class Y, class... More, class... Rest>
struct Union<TypeList<X...>, TypeList<Y, More...>, Rest...>
    : Union<std::conditional_t<kContains<Y, TypeList<X...>>, TypeList<X...>, TypeList<X..., Y>>,
            TypeList<More...>, Rest...> {};

template <class... I>
struct FirstOf {
  struct Nothing;
  using Type = Nothing;
};
template <class I, class... More>
struct FirstOf<I, More...> {
  using Type = I;
};

template <class Self, class List>
class HandlersOf;
template <class Self, class... X>
class HandlersOf<Self, TypeList<X...>> : public Handlers<Self, X>... {
 public:
  static bool dispatchTo([[maybe_unused]] Self& self, [[maybe_unused]] std::uint64_t interfaceId,
                         [[maybe_unused]] std::uint16_t method, [[maybe_unused]] Turn& turn) {
    bool known = false;
    static_cast<void>(((interfaceId == Protocol<X>::kId &&
                        (known = Handlers<Self, X>::dispatch(self, method, turn), true)) ||
                       ...));
    return known;
  }
};

}  // namespace detail

template <class S, class... I>
class Actor
    : public ActorBase,
      public detail::HandlersOf<S, typename detail::Union<TypeList<>, typename Protocol<I>::All...>::Type> {
 public:
  using Protocols = typename detail::Union<TypeList<>, typename Protocol<I>::All...>::Type;

  // This very actor, to be given to others. One that serves several protocols says which.
  template <class P = typename detail::FirstOf<I...>::Type>
  Ref<P> ref() {
    return Ref<P>(RefBase(self().id(), self().path()));
  }
};

template <class Params, class Check>
std::optional<typename Params::Reader> Turn::checked(Check& check) const {
  try {
    if constexpr (ChecksPlainly<Check>) {
      const capnp::word* const plain = plainParams();
      if (plain != nullptr && Check::holds(plain)) {
        return capnp::AnyPointer::Reader(capnp::_::PointerReader::getRootUnchecked(plain))
            .template getAs<Params>();
      }
    }
    check(checkedParams().template getAs<Params>());
    return params().template getAs<Params>();
  } catch (const kj::Exception& exception) {
    malformed(exception.getDescription().cStr());
    return std::nullopt;
  }
}

template <class Params, class ResultStruct, class Check, class Handler>
void Turn::call(Check check, Handler handler) {
  using In = typename Params::Reader;
  using Out = Results<ResultStruct>;
  const std::optional<In> in = checked<Params>(check);
  if (!in) return;
  Out out(results().template initAs<ResultStruct>(), *this);
  if constexpr (std::is_void_v<std::invoke_result_t<Handler&, const In&, Out&&>>) {
    handler(*in, std::move(out));
  } else {
    // Parameters of a coroutine live in its frame: here the handler's arguments do, as long as its task.
    goOnWith([](Handler handler, In in, Out out) -> Task<> { co_await handler(in, std::move(out)); }(
                                                     std::move(handler), *in, std::move(out)));
  }
}

template <class Params, class Check, class Handler>
void Turn::cast(Check check, Handler handler) {
  using In = typename Params::Reader;
  const std::optional<In> in = checked<Params>(check);
  if (!in) return;
  if constexpr (std::is_void_v<std::invoke_result_t<Handler&, const In&>>) {
    handler(*in);
  } else {
    goOnWith([](Handler handler, In in) -> Task<> { co_await handler(in); }(std::move(handler), *in));
  }
}

}  // namespace troupe
