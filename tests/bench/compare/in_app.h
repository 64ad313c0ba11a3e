// Measuring inside of an app.
#pragma once

#include <troupe/troupe.h>

#include <cstring>
#include <functional>

#include "bench.actor.h"
#include "tests/bench/compare/figure.h"

namespace troupe::bench {

// Runs it in the main actor of an app.
double inApp(const std::function<void(App&)>& declare, std::function<Task<double>(Self&)> body);

// Waits until `sink` has handled so many messages, which must add up to `sum`.
Task<> allHandled(Self& self, Ref<Sink> sink, std::uint64_t messages, std::uint64_t sum);

inline capnp::Data::Reader asData(const std::byte (&bytes)[kMessageBytes]) {
  return {reinterpret_cast<const kj::byte*>(bytes), kMessageBytes};
}

inline std::uint64_t wordAt(capnp::Data::Reader data, std::size_t at) {
  std::uint64_t value = 0;
  if (at + sizeof value <= data.size()) std::memcpy(&value, data.begin() + at, sizeof value);
  return value;
}
inline std::uint64_t firstOf(capnp::Data::Reader data) { return wordAt(data, 0); }

// Counts what it gets, and adds up what stands at both ends of it.
class Adder final : public Actor<Adder, Sink> {
 public:
  void take(TakeParams in) {
    const auto data = in.getData();
    sum_ += firstOf(data) + wordAt(data, data.size() - sizeof(std::uint64_t));
    ++messages_;
  }
  void total(TotalParams, TotalResults out) {
    out.setMessages(messages_);
    out.setSum(sum_);
  }
  void echo(EchoParams in, EchoResults out) { out.setData(in.getData()); }

 private:
  std::uint64_t messages_ = 0;
  std::uint64_t sum_ = 0;
};

// Does nothing but answer echo().
class Echoer final : public Actor<Echoer, Sink> {
 public:
  void take(TakeParams) {}
  void total(TotalParams, TotalResults) {}
  void echo(EchoParams in, EchoResults out) { out.setData(in.getData()); }
};

// One call of `sink` with the value in it, which must come back.
Task<> echo(Ref<Sink> sink, std::uint64_t value);

}  // namespace troupe::bench
