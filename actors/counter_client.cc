// The side of a counter that its users see. What is called does not refer to the Counter, which may be gone when it is awaited.
#include <troupe/counter.h>

#include "schemas/counter.actor.h"

namespace troupe {

namespace {

using CounterRef = Ref<actors::CounterProtocol>;

Task<std::int64_t> valueOf(CounterRef counter) {
  const auto reply = co_await counter.get();
  co_return reply->getValue();
}

Task<> setTo(CounterRef counter, std::int64_t value) { co_await counter.set(value); }

Task<std::int64_t> sumWith(CounterRef counter, std::int64_t by) {
  const auto reply = co_await counter.add(by);
  co_return reply->getValue();
}

Task<Counter::Exchange> exchanged(CounterRef counter, std::int64_t expected, std::int64_t desired) {
  const auto reply = co_await counter.compareExchange(expected, desired);
  co_return Counter::Exchange{.done = reply->getDone(), .value = reply->getValue()};
}

}  // namespace

Task<std::int64_t> Counter::get() const { return valueOf(CounterRef(*this)); }

Task<> Counter::set(std::int64_t value) const { return setTo(CounterRef(*this), value); }

Task<std::int64_t> Counter::add(std::int64_t by) const { return sumWith(CounterRef(*this), by); }

Task<Counter::Exchange> Counter::compareExchange(std::int64_t expected, std::int64_t desired) const {
  return exchanged(CounterRef(*this), expected, desired);
}

ServedProtocol Counter::served() {
  return {Protocol<actors::CounterProtocol>::kId, Protocol<actors::CounterProtocol>::kName};
}

}  // namespace troupe
