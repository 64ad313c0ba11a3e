// What the machinery knows of an actor class: made by the compiler for each class that a program starts, never by hand.
#pragma once

#include <troupe/actor.h>
#include <troupe/argument.h>

#include <capnp/raw-schema.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <typeinfo>
#include <vector>

namespace troupe::detail {

struct ActorClass {
  std::string type;  // as the program's linker knows it
  std::vector<std::uint64_t> interfaces;
  std::vector<const capnp::_::RawSchema*> schemas;  // of the interfaces, as Cap'n Proto has compiled them in
  bool reentrant = false;

  // Null where the class has none.
  Task<Start> (*init)(ActorBase&) = nullptr;
  Task<> (*run)(ActorBase&) = nullptr;
  Task<> (*stopping)(ActorBase&) = nullptr;
  // False: it does not know the interface or the method.
  bool (*dispatch)(ActorBase&, std::uint64_t interfaceId, std::uint16_t method, Turn&) = nullptr;
  // "Greeter.greet", or empty.
  std::string (*methodName)(std::uint64_t interfaceId, std::uint16_t method) = nullptr;
};

// Makes the actor in its own process, with the arguments that came with a start at run time.
using ActorFactory = std::function<std::unique_ptr<ActorBase>(const std::vector<Argument>&)>;

template <class A>
Task<Start> initOf(ActorBase& actor) {
  using R = decltype(static_cast<A&>(actor).init());
  static_assert(std::same_as<R, void> || std::same_as<R, Start> || std::same_as<R, Task<>> ||
                    std::same_as<R, Task<Start>>,
                "init() must return void, troupe::Start, troupe::Task<> or troupe::Task<troupe::Start>");
  auto& self = static_cast<A&>(actor);
  if constexpr (std::same_as<R, void>) {
    self.init();
    co_return Start{};
  } else if constexpr (std::same_as<R, Start>) {
    co_return self.init();
  } else if constexpr (std::same_as<R, Task<>>) {
    co_await self.init();
    co_return Start{};
  } else {
    Start start = co_await self.init();
    co_return start;
  }
}

template <class A>
Task<> runOf(ActorBase& actor) {
  using R = decltype(static_cast<A&>(actor).run());
  static_assert(std::same_as<R, void> || std::same_as<R, Task<>>, "run() must return void or troupe::Task<>");
  if constexpr (std::same_as<R, void>) {
    static_cast<A&>(actor).run();
    co_return;
  } else {
    co_await static_cast<A&>(actor).run();
  }
}

template <class A>
Task<> stoppingOf(ActorBase& actor) {
  using R = decltype(static_cast<A&>(actor).stopping());
  static_assert(std::same_as<R, void> || std::same_as<R, Task<>>,
                "stopping() must return void or troupe::Task<>");
  if constexpr (std::same_as<R, void>) {
    static_cast<A&>(actor).stopping();
    co_return;
  } else {
    co_await static_cast<A&>(actor).stopping();
  }
}

template <class A>
bool dispatchOf(ActorBase& actor, std::uint64_t interfaceId, std::uint16_t method, Turn& turn) {
  return A::dispatchTo(static_cast<A&>(actor), interfaceId, method, turn);
}

template <class... X>
std::vector<std::uint64_t> idsOf(TypeList<X...>) {
  return {Protocol<X>::kId...};
}

template <class... X>
std::vector<const capnp::_::RawSchema*> schemasOf(TypeList<X...>) {
  return {X::_capnpPrivate::schema...};
}

template <class... X>
std::string methodNameIn(TypeList<X...>, [[maybe_unused]] std::uint64_t interfaceId,
                         [[maybe_unused]] std::uint16_t method) {
  std::string name;
  static_cast<void>(
      ((interfaceId == Protocol<X>::kId &&
        (name = std::string(Protocol<X>::kName) + "." +
                (Protocol<X>::methodName(method) ? Protocol<X>::methodName(method)
                                                 : ("method " + std::to_string(method)).c_str()),
         true)) ||
       ...));
  return name;
}

template <class A>
const ActorClass& classOf() {
  static_assert(std::derived_from<A, ActorBase>,
                "an actor class derives from troupe::Actor<Self, Protocols...>");
  static const ActorClass actorClass = [] {
    ActorClass made;
    made.type = typeid(A).name();
    made.interfaces = idsOf(typename A::Protocols{});
    made.schemas = schemasOf(typename A::Protocols{});
    if constexpr (requires { A::kReentrant; }) made.reentrant = A::kReentrant;
    if constexpr (requires(A& a) { a.init(); }) made.init = &initOf<A>;
    if constexpr (requires(A& a) { a.run(); }) made.run = &runOf<A>;
    if constexpr (requires(A& a) { a.stopping(); }) made.stopping = &stoppingOf<A>;
    made.dispatch = &dispatchOf<A>;
    made.methodName = [](std::uint64_t interfaceId, std::uint16_t method) {
      return methodNameIn(typename A::Protocols{}, interfaceId, method);
    };
    return made;
  }();
  return actorClass;
}

// Captures the arguments: a forked child has its own copy of them, as they were when the child was declared.
template <class A, class... Args>
ActorFactory factoryOf(Args... args) {
  return [fixed = std::make_tuple(std::move(args)...)](const std::vector<Argument>& values) mutable {
    return std::apply(
        [&](auto&... each) -> std::unique_ptr<ActorBase> { return constructFrom<A>(values, each...); },
        fixed);
  };
}

// Classes that can be started by the name of their type, in any process of this program: those for which the program asks
// a supervisor to (SupervisorRef::startChild).
struct ConstructibleClass {
  const ActorClass* actorClass;
  ActorFactory factory;
};
void addConstructible(ConstructibleClass constructible);
// Null where the program has no such class.
const ConstructibleClass* findConstructible(const std::string& type);
// One of them that serves the interface, or null.
const ActorClass* findConstructibleServing(std::uint64_t interfaceId);

template <class A>
struct Constructible {
  static const bool kAdded;
};
template <class A>
const bool Constructible<A>::kAdded = (addConstructible({&classOf<A>(), factoryOf<A>()}), true);

template <class A>
std::string constructibleType() {
  static_cast<void>(Constructible<A>::kAdded);
  return typeid(A).name();
}

}  // namespace troupe::detail
